"""Embeddings inside pictures, as A1111 writes and reads them: a PNG text chunk, and the same in the pixels beside the
picture, which survives what strips text chunks off.

The format is that of A1111's `modules/textual_inversion/image_embedding.py`, written anew from its description.
"""

import base64
import binascii
import importlib
import importlib.util
import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from ti_studio.embeddings.errors import NoEmbedding, UnreadableEmbedding
from ti_studio.embeddings.formats.jpeg_xl import is_jpeg_xl, size_of

PICTURE_ENDINGS = (".png", ".webp", ".avif", ".jxl")
_FORMATS = ("PNG", "WEBP", "AVIF", "JXL")
_WITH_TEXTS = "PNG"
"""The one of them that can say in a text that there is an embedding in it."""
_RUNS_A_PROGRAM = "EPS"

_JXL_PLUGIN = "pillow_jxl"

CHUNK = "sd-ti-embedding"
MAX_PIXELS = 50_000_000
MAX_JSON_BYTES = 32 * 2**20
"""75 rows of SDXL's width take about 4 MB of JSON."""

_TENSOR = "TORCHTENSOR"
_MULTIPLIER, _INCREMENT = 1664525, 1013904223
_CHANNELS = 3
_LOW = 0x0F
_STRIPE = np.array([0x50] * 4 + [0x90] * 4, np.uint8)
_Block = np.ndarray[Any, np.dtype[np.uint8]]

# What Pillow raises on damaged pictures is whatever it stumbles over.
PICTURE_DAMAGE = (
    UnidentifiedImageError,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
    ArithmeticError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)


def read_picture(content: bytes) -> dict[str, object]:
    """Returns A1111's dict, `string_to_param` and so on, that is in a picture.

    Raises:
        UnreadableEmbedding: there is none, or it is damaged.
    """
    try:
        with Image.open(BytesIO(content), formats=known_formats(_FORMATS, content)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise NoEmbedding(f"has {image.width}×{image.height} pixels; expected at most {MAX_PIXELS:,}")
            # Most have the chunk before the pixels, which need not be unpacked then.
            text = image.info.get(CHUNK) or getattr(image, "text", image.info).get(CHUNK)
            if text is not None:
                return _parsed(_decoded(text))
            pixels = np.asarray(image.convert("RGB"))
    except PICTURE_DAMAGE as error:
        raise NoEmbedding(f"is no picture that can be read ({picture_problem(error)})") from error
    return _parsed(_from_pixels(pixels))


def has_chunk(path: Path) -> bool:
    """Tells whether a picture says of itself that there is an embedding in it; its pixels are not looked at."""
    try:
        with Image.open(path, formats=[_WITH_TEXTS]) as image:
            return CHUNK in image.info
    except PICTURE_DAMAGE:
        return False


def picture_problem(error: Exception) -> str:
    """Returns the reason that a picture can't be read. Pillow's own text for an unknown kind is a memory address."""
    return "it is of no kind that is read here" if isinstance(error, UnidentifiedImageError) else str(error)


def known_formats(formats: Sequence[str] | None = None, content: bytes = b"") -> list[str]:
    """Returns those of the formats that Pillow can read here.

    Left to itself it goes by the content, whatever the file's name: for EPS it starts Ghostscript.

    Args:
        formats: the formats; None: all that Pillow reads by itself.
        content: of the file, if it is somebody else's. JPEG XL of more than MAX_PIXELS is then no format that is known:
            its plug-in unpacks everything before it tells the size.
    """
    Image.init()
    if formats is not None and "JXL" in formats and has_jxl_plugin():
        importlib.import_module(_JXL_PLUGIN)
    not_read = {_RUNS_A_PROGRAM, *(["JXL"] if is_jpeg_xl(content) and not _is_bearable(content) else [])}
    return [name for name in formats or Image.OPEN if name in Image.OPEN and name not in not_read]


def _is_bearable(content: bytes) -> bool:
    size = size_of(content)
    return size is not None and size[0] * size[1] <= MAX_PIXELS


def has_jxl_plugin() -> bool:
    """Tells whether the package is installed that lets Pillow read JPEG XL, which it can't by itself."""
    return importlib.util.find_spec(_JXL_PLUGIN) is not None


def picture_with(data: Mapping[str, object], image: Image.Image) -> bytes:
    """Returns a PNG that holds the embedding of A1111's dict twice: as a text chunk and beside the picture."""
    text = json.dumps(data, default=_tensor_as_list).encode()
    information = PngInfo()
    information.add_text(CHUNK, base64.b64encode(text).decode())
    buffer = BytesIO()
    _with_panels(image.convert("RGB"), zlib.compress(text, 9)).save(buffer, "PNG", pnginfo=information)
    return buffer.getvalue()


def _tensor_as_list(value: object) -> dict[str, Any]:
    if isinstance(value, Tensor):
        return {_TENSOR: value.detach().cpu().tolist()}
    raise TypeError(f"{type(value).__name__} can't be written as JSON")


def _decoded(text: object) -> bytes:
    try:
        return base64.b64decode(str(text), validate=True)
    except (binascii.Error, ValueError) as error:
        raise UnreadableEmbedding(f"is damaged: its {CHUNK} is no base64") from error


def _parsed(text: bytes) -> dict[str, object]:
    if len(text) > MAX_JSON_BYTES:
        raise UnreadableEmbedding(f"holds {len(text):,} bytes of JSON; an embedding has at most {MAX_JSON_BYTES:,}")
    try:
        data = json.loads(text, object_hook=_list_as_tensor)
    except (ValueError, RecursionError, TypeError, OverflowError, RuntimeError) as error:
        raise UnreadableEmbedding("is damaged: what it holds is no JSON of an embedding") from error
    if not isinstance(data, dict):
        raise UnreadableEmbedding("is damaged: what it holds is no JSON of an embedding")
    return data


def _list_as_tensor(parsed: dict[str, Any]) -> object:
    if _TENSOR not in parsed:
        return parsed
    if not isinstance(parsed[_TENSOR], list):
        raise TypeError(f"{_TENSOR} is a {type(parsed[_TENSOR]).__name__}; expected a list")
    return torch.tensor(parsed[_TENSOR], dtype=torch.float32)


def _with_panels(image: Image.Image, content: bytes) -> Image.Image:
    """Puts a panel of the bytes' low halves at the left and one of their high halves at the right, each behind a black
    column. The upper four bits of the panels are free; they show grey stripes, so that no column of them is black."""
    each = image.height * _CHANNELS
    data = np.frombuffer(content, np.uint8)
    padded = np.resize(data, -(-len(data) // each) * each).reshape(image.height, -1, _CHANNELS)
    stripes = np.resize(_STRIPE, padded.shape[1])[None, :, None]
    scrambled = _scrambler(padded.shape)
    low, high = ((half ^ scrambled) | stripes for half in (padded & _LOW, padded >> 4))
    black = np.zeros((image.height, 1, _CHANNELS), np.uint8)
    return Image.fromarray(np.concatenate([low, black, np.asarray(image), black, high], axis=1))


def _from_pixels(pixels: _Block) -> bytes:
    """Returns the bytes in the panels of a picture, of which black borders may have been added."""
    lit = pixels.min(axis=2)
    rows, columns = np.flatnonzero(lit.max(axis=1)), np.flatnonzero(lit.max(axis=0))
    if len(rows) == 0:
        raise NoEmbedding("is an ordinary picture: there is no embedding in it")
    halves = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] & _LOW
    black = np.flatnonzero(halves.sum(axis=(0, 2), dtype=np.int64) == 0)
    low, high = (halves[:, : black[0]], halves[:, black[-1] + 1 :]) if len(black) > 1 else (halves[:, :0],) * 2
    if low.size == 0 or low.shape != high.shape:
        raise NoEmbedding("is an ordinary picture: there is no embedding in it")
    if low.size > MAX_JSON_BYTES:
        raise UnreadableEmbedding(
            f"holds {low.size:,} bytes in its pixels; an embedding has at most {MAX_JSON_BYTES:,}"
        )
    scrambled = _scrambler(low.shape)
    content = (((high ^ scrambled) << 4) | (low ^ scrambled)).astype(np.uint8).tobytes()
    try:
        unpacking = zlib.decompressobj()
        text = unpacking.decompress(content, MAX_JSON_BYTES + 1)
    except zlib.error as error:
        raise NoEmbedding("is an ordinary picture, or its embedding is damaged") from error
    return text


def _scrambler(shape: tuple[int, ...]) -> _Block:
    """Returns the low halves of A1111's random bytes, in this shape.

    They come from a linear congruential generator, modulo 255. What it does in 1, 2, 4, … steps is a step of the same
    form, so the numbers are made by doubling.
    """
    count = int(np.prod(shape))
    states = np.empty(max(count, 1), np.uint32)
    states[0] = _INCREMENT
    made, multiplier, increment = 1, _MULTIPLIER, _INCREMENT
    while made < count:
        more = min(made, count - made)
        states[made : made + more] = states[:more] * np.uint32(multiplier) + np.uint32(increment)
        made += more
        multiplier, increment = multiplier**2 % 2**32, (multiplier + 1) * increment % 2**32
    scrambled: _Block = (states[:count] % 255 & _LOW).astype(np.uint8).reshape(shape)
    return scrambled
