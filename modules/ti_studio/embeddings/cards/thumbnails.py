"""Previews made small, each once: kept on the disk under what the picture's file was when it was read.

A picture may be anything that somebody has put beside an embedding. Its size is looked at before it is decoded, only
the formats of previews are tried, and what can't be read is refused and not tried again.
"""

import hashlib
import itertools
import os
from contextlib import suppress
from io import BytesIO
from pathlib import Path

from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from ti_studio.embeddings.formats.png_embeddings import known_formats, picture_problem
from ti_studio.embeddings.formats.srgb import as_srgb
from ti_studio.embeddings.names import displayed
from ti_studio.errors import StudioError
from ti_studio.folders import atomic_write

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "AVIF", "JXL")
"""Of previews; JPEG XL where its package is installed."""
LONGEST_SIDE = 320
"""Pixels: the largest card, on a screen with fine pixels."""
PREVIEW_SIDE = 1024
MAX_PIXELS = 40_000_000
MAX_BYTES = 64 * 2**20
MAX_KEPT = 20_000
"""Thumbnails on the disk: twice the largest library that the cards are made for."""
_LOOK_EVERY = 500
_MADE = 2
"""Counts the ways in which they have been made: those of older ones are made anew."""

_DAMAGE = (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError)


class BadPicture(StudioError):
    """A file that is no picture, or one that is too large to be looked at."""


class Thumbnails:
    """A folder of small pictures. Safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._refused: dict[str, str] = {}
        self._written = itertools.count(1)

    def path(self, picture: Path) -> Path:
        """Returns the file with the small picture (WebP), made now if it isn't there.

        Raises:
            BadPicture: the file is no picture that can be read.
            WriteFailed: the disk is full or the folder can't be written to.
        """
        key = _key(picture)
        kept = self._folder / f"{key}.webp"
        if kept.exists():
            return kept
        if key in self._refused:
            raise BadPicture(self._refused[key])
        try:
            data = _small(picture)
        except BadPicture as error:
            if len(self._refused) >= MAX_KEPT:
                self._refused.clear()
            self._refused[key] = str(error)
            raise
        self._folder.mkdir(parents=True, exist_ok=True)
        atomic_write(kept, data)
        if next(self._written) % _LOOK_EVERY == 1:
            self._drop_oldest()
        return kept

    def _drop_oldest(self) -> None:
        kept: list[tuple[int, str]] = []
        for name in os.listdir(self._folder):
            path = self._folder / name
            with suppress(FileNotFoundError):  # another thread drops the oldest too
                kept.append((path.stat().st_mtime_ns, str(path)))
        kept.sort()
        for _, oldest in kept[: max(0, len(kept) - MAX_KEPT)]:
            Path(oldest).unlink(missing_ok=True)


def preview_png(content: bytes, name: str) -> bytes:
    """Returns a picture that somebody has sent as the PNG that is kept as a preview, at most 1024 pixels long; its
    infotext stays.

    Raises:
        BadPicture: it is no picture, or too large.
    """
    if len(content) > MAX_BYTES:
        raise BadPicture(f"{displayed(name)} is {len(content):,} bytes; expected at most {MAX_BYTES:,}.")
    image = _opened(content, name, PREVIEW_SIDE)
    information = PngInfo()
    text = image.info.get("parameters")
    if isinstance(text, str):
        information.add_text("parameters", text)
    buffer = BytesIO()
    image.save(buffer, "PNG", pnginfo=information)
    return buffer.getvalue()


def _small(picture: Path) -> bytes:
    try:
        with picture.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise BadPicture(f"{displayed(picture.name)} could not be read: {error.strerror}.") from error
    if len(content) > MAX_BYTES:
        raise BadPicture(f"{displayed(picture.name)} is larger than {MAX_BYTES:,} bytes.")
    buffer = BytesIO()
    _opened(content, picture.name, LONGEST_SIDE).save(buffer, "WEBP", quality=82, method=2)
    return buffer.getvalue()


def _opened(content: bytes, name: str, longest: int) -> Image.Image:
    """Returns the picture, upright and no longer than `longest`, in RGB or RGBA."""
    try:
        with Image.open(BytesIO(content), formats=known_formats(FORMATS, content)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise BadPicture(
                    f"{displayed(name)} has {image.width}×{image.height} pixels; expected at most {MAX_PIXELS:,}."
                )
            image.draft("RGB", (longest, longest))
            made = as_srgb(image)
            text = image.info.get("parameters")
            made.thumbnail((longest, longest), Image.Resampling.LANCZOS, reducing_gap=2.0)
    except _DAMAGE as error:
        raise BadPicture(f"{displayed(name)} is no picture that can be read ({picture_problem(error)}).") from error
    made.info = {"parameters": text}
    return made


def _key(picture: Path) -> str:
    try:
        about = picture.stat()
    except OSError as error:
        raise BadPicture(f"{displayed(picture.name)} could not be read: {error.strerror}.") from error
    facts = (str(picture), about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino, LONGEST_SIDE, _MADE)
    return hashlib.sha256(repr(facts).encode(errors="surrogateescape")).hexdigest()[:32]
