"""Sends a picture of the studio's own folders to the browser."""

from email.utils import formatdate
from pathlib import Path

from fastapi import Request, Response
from fastapi.responses import FileResponse

from ti_studio.errors import NotFound

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
    """Returns a short text that changes when the file does, for the query of its address."""
    stat = path.stat()
    return f"{stat.st_mtime_ns:x}-{stat.st_size:x}"


def send_picture(path: Path, request: Request) -> Response:
    """Returns the picture, or 304 if the browser has it already.

    Raises:
        NotFound: the file is gone, or is no picture that browsers show.
    """
    media_type = MEDIA_TYPES.get(path.suffix.lower())
    if media_type is None or not path.is_file():
        raise NotFound(f"There is no picture {path.name!r} any more.")
    headers = {
        "ETag": f'"{version_of(path)}"',
        "Cache-Control": "private, no-cache",
        "Last-Modified": formatdate(path.stat().st_mtime, usegmt=True),
        "X-Content-Type-Options": "nosniff",
    }
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return FileResponse(path, media_type=media_type, headers=headers)
