"""Sends files that may be changed, moved or deleted at any moment."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from fastapi.responses import StreamingResponse

from ti_studio.errors import NotFound

BINARY = "application/octet-stream"
_PART_BYTES = 256 * 1024


def send_file(
    path: Path, media_type: str = BINARY, *, filename: str = "", headers: Mapping[str, str] | None = None
) -> StreamingResponse:
    """Returns the answer that streams a file. The file is opened now, so that it may be moved or deleted afterwards.

    Args:
        path: the file.
        media_type: the file's MIME type.
        filename: the name under which a browser downloads the file; empty displays it instead.
        headers: further headers.

    Raises:
        NotFound: the file is gone.
    """
    try:
        file = path.open("rb")
        size = os.fstat(file.fileno()).st_size
    except OSError as error:
        raise NotFound(f"There is no file {path.name!r} any more.") from error
    sent = {"Content-Length": str(size), **(headers or {})}
    if filename:
        quoted = quote(filename, safe="")
        named = f'filename="{filename}"' if quoted == filename else f"filename*=utf-8''{quoted}"
        sent["Content-Disposition"] = f"attachment; {named}"
    return StreamingResponse(_parts(file, size), media_type=media_type, headers=sent)


def _parts(file: BinaryIO, size: int) -> Iterator[bytes]:
    """Yields the first `size` bytes of a file, or fewer if it has been truncated."""
    with file:
        while size > 0 and (part := file.read(min(size, _PART_BYTES))):
            size -= len(part)
            yield part
