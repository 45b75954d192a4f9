"""Sends a picture of the studio's own folders to the browser."""

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
    """Returns a short text that changes when the file does, for the query of its address.

    Raises:
        NotFound: it is gone.
    """
    return _version(_status(path))


def _version(about: os.stat_result) -> str:
    return f"{about.st_mtime_ns:x}-{about.st_size:x}"


def _status(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except OSError as error:
        raise NotFound(f"There is no picture {path.name!r} any more.") from error


def send_picture(path: Path, request: Request) -> Response:
    """Returns the picture, or 304 if the browser has it already.

    Raises:
        NotFound: the file is gone, or is no picture that browsers show.
    """
    media_type = MEDIA_TYPES.get(path.suffix.lower())
    if media_type is None or not path.is_file():
        raise NotFound(f"There is no picture {path.name!r} any more.")
    about = _status(path)
    headers = {
        "ETag": f'"{_version(about)}"',
        "Cache-Control": "private, no-cache",
        "Last-Modified": formatdate(about.st_mtime, usegmt=True),
        "X-Content-Type-Options": "nosniff",
    }
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return send_file(path, media_type, headers=headers)
