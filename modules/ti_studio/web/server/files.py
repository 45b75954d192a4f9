"""Sends a file that may be changed, moved or deleted at any moment."""

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
    """Returns the answer with a file in it, which is open from here on: what happens to its name afterwards makes no
    difference.

    Args:
        path: the file.
        media_type: what it is.
        filename: what a browser calls it when it saves it; empty: it is not saved.
        headers: more of them.

    Raises:
        NotFound: it is gone.
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
    """Yields as much of a file as was announced, or less if it has become shorter."""
    with file:
        while size > 0 and (part := file.read(min(size, _PART_BYTES))):
            size -= len(part)
            yield part
