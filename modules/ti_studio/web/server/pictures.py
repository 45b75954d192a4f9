"""Sends pictures from the studio's folders to the browser."""

import os
from email.utils import formatdate
from pathlib import Path

from fastapi import Request, Response

from ti_studio.errors import NotFound
from ti_studio.web.server.files import send_file

MEDIA_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".avif": "image/avif",
    ".jxl": "image/jxl",
}
PICTURE_ANSWERS: dict[int | str, dict[str, object]] = {
    200: {
        "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in MEDIA_TYPES.values()},
        "description": "The picture.",
    },
    304: {"description": "The browser's copy is still right."},
}


def version_of(path: Path) -> str:
    """Returns a short text that changes with the file, for the query string of its address.

    Raises:
        NotFound: the file is gone.
    """
    return _version(_status(path))


def _version(status: os.stat_result) -> str:
    return f"{status.st_mtime_ns:x}-{status.st_size:x}"


def _status(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except OSError as error:
        raise NotFound(f"There is no picture {path.name!r} any more.") from error


def send_picture(path: Path, request: Request) -> Response:
    """Returns the picture, or 304 if the browser already has it.

    Raises:
        NotFound: the file is gone, or browsers can't display its format.
    """
    media_type = MEDIA_TYPES.get(path.suffix.lower())
    if media_type is None or not path.is_file():
        raise NotFound(f"There is no picture {path.name!r} any more.")
    status = _status(path)
    headers = {
        "ETag": f'"{_version(status)}"',
        "Cache-Control": "private, no-cache",
        "Last-Modified": formatdate(status.st_mtime, usegmt=True),
        "X-Content-Type-Options": "nosniff",
    }
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return send_file(path, media_type, headers=headers)
