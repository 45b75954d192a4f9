"""The picture of a word that stands in its file's header, as ModelSpec has it: a data URL."""

import base64
import binascii
from io import BytesIO
from pathlib import Path

from PIL import Image

from ti_studio.embeddings.embedding import EmbeddingError
from ti_studio.embeddings.formats.png_embeddings import MAX_PIXELS, PICTURE_DAMAGE, known_formats, picture_problem
from ti_studio.embeddings.formats.srgb import as_srgb, over_white

PICTURES = ("PNG", "JPEG", "WEBP", "AVIF", "JXL", "GIF", "BMP", "TIFF")
"""What a person may give."""

DATA = "data:"
"""How a data URL begins."""

MAX_FILE_BYTES = 64 * 2**20

_LONGEST_SIDE = 256
"""Pixels: what ModelSpec advises. Such a picture takes some 10 kB, 90 kB at the very most."""
_QUALITY = 85
_BASE64 = ";base64,"


def header_picture(source: str | Path) -> str:
    """Returns a picture as the data URL of a small JPEG, without anything that its file said beside the pixels.

    Args:
        source: the picture's path, or a data URL.

    Raises:
        EmbeddingError: it is no picture that can be read.
    """
    is_url = isinstance(source, str) and source.startswith(DATA)
    name = "data URL" if is_url else Path(source).name
    picture = opened_picture(_content_of_url(str(source)) if is_url else _content_of(Path(source)), name, _LONGEST_SIDE)
    buffer = BytesIO()
    picture.save(buffer, "JPEG", quality=_QUALITY, optimize=True)
    return f"{DATA}image/jpeg{_BASE64}{base64.b64encode(buffer.getvalue()).decode()}"


def opened_picture(content: bytes, name: str, longest_side: int) -> Image.Image:
    """Returns the picture in a file's content, upright, in RGB and at most so many pixels long.

    Raises:
        EmbeddingError: it is no picture that can be read.
    """
    try:
        with Image.open(BytesIO(content), formats=known_formats(PICTURES, content)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise EmbeddingError(f"The picture {name} has more than {MAX_PIXELS:,} pixels; expected fewer.")
            made = over_white(as_srgb(image))
            made.thumbnail((longest_side, longest_side))
            made.info.clear()  # comments and the like, which Pillow would write into the new file
            return made
    except PICTURE_DAMAGE as error:
        raise EmbeddingError(
            f"The picture {name} can't be read: {picture_problem(error)}. Expected another one."
        ) from error


def _content_of(path: Path) -> bytes:
    if not path.is_file():
        raise EmbeddingError(f"There is no picture {path}; expected the path of one, or a data URL.")
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise EmbeddingError(f"The picture {path.name} has {size:,} bytes; expected {MAX_FILE_BYTES:,} at most.")
    return path.read_bytes()


def _content_of_url(url: str) -> bytes:
    kind, separator, text = url.partition(_BASE64)
    try:
        if not separator or not kind.startswith(f"{DATA}image/"):
            raise ValueError(kind)
        return base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error) as error:
        raise EmbeddingError(
            f"The data URL {url[:40]!r}… is no picture; expected {DATA}image/…{_BASE64} and the file in base64."
        ) from error
