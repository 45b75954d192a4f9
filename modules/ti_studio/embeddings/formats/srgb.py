"""Pictures of any depth and colour space as a screen shows them: upright, with 8 bits a channel, in sRGB.

Pillow's own `convert` cuts numbers of 16 and 32 bits off at 255, takes floats for levels from 0 to 255, and passes
colour profiles over.
"""

import io
import logging
from typing import Any

import numpy as np
from PIL import Image, ImageCms, ImageOps
from PIL.TiffImagePlugin import TiffImageFile

log = logging.getLogger(__name__)

_Numbers = np.ndarray[Any, np.dtype[Any]]

_FLOATS = "F"
_DEEP = ("I", _FLOATS)
"""How the modes begin whose numbers are wider than 8 bits; all of them are grey."""
_BITS_PER_SAMPLE, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339
"""TIFF's names for the depth, for whether 0 is white, and for the kind of the numbers."""
_ZERO_IS_WHITE, _UNSIGNED = 0, 1
_USUAL_BITS = 16
"""Of whole numbers in other formats: Pillow brings them to this depth where the file has fewer."""
_WIDEST_BITS = 32

_SPACES = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK", "LAB": "Lab"}
"""What a profile calls the colour space of each mode."""
_GREY = ("1", "L", "LA")
_PLAIN = {**dict.fromkeys(_GREY, "L"), "CMYK": "CMYK", "LAB": "LAB"}
"""The mode in which a profile is applied, by the picture's; all others are taken as RGB."""
_TRIED_LEVELS = 9
_BARELY = 1
"""Levels by which a profile may change colours that then counts as sRGB itself."""


def as_srgb(image: Image.Image) -> Image.Image:
    """Returns an opened picture upright as "RGB", or as "RGBA" where it says that something of it is transparent.

    A colour profile that can't be read, or is one of another colour space than the picture's, is passed over, as
    browsers do. What the file says beside its pixels is not in the picture that is returned.

    Raises:
        OSError, ValueError, SyntaxError: the picture is damaged, or its numbers are not from 0 for black to white.
    """
    plain, alpha = in_eight_bits(image), None
    profile = plain.info.get("icc_profile")
    if plain.has_transparency_data:
        rgba = _rgba(plain)
        alpha = rgba.getchannel("A")
        plain = rgba if plain.mode not in _GREY else rgba.getchannel("R")
    coloured = _coloured(plain, profile)
    if alpha is not None:
        coloured.putalpha(alpha)
    coloured.info = {}
    return coloured


def over_white(image: Image.Image) -> Image.Image:
    """Returns a picture that `as_srgb` made as "RGB": what is transparent in it is laid over white."""
    if image.mode == "RGB":
        return image
    opaque = Image.new("RGBA", image.size, "white")
    opaque.alpha_composite(image)
    return opaque.convert("RGB")


def in_eight_bits(image: Image.Image) -> Image.Image:
    """Returns an opened picture upright, and in 8 bits where its numbers are wider: white of their depth is 255.

    Raises:
        OSError, ValueError, SyntaxError: the picture is damaged, or its numbers are not from 0 for black to white.
    """
    upright = ImageOps.exif_transpose(image)
    if not image.mode.startswith(_DEEP):
        return upright
    numbers = np.asarray(upright)
    levels = _levels(numbers, image)
    made = Image.fromarray(255 - levels if _tag(image, _PHOTOMETRIC) == _ZERO_IS_WHITE else levels)
    if (clear := upright.info.get("transparency")) is not None:
        made.putalpha(Image.fromarray(np.where(numbers == clear, 0, 255).astype(np.uint8)))
    if "icc_profile" in upright.info:
        made.info["icc_profile"] = upright.info["icc_profile"]
    return made


def _levels(numbers: _Numbers, image: Image.Image) -> _Numbers:
    """Returns numbers of any depth as 0…255."""
    if image.mode.startswith(_FLOATS):
        return _of_floats(numbers)
    bits = int(_tag(image, _BITS_PER_SAMPLE, _USUAL_BITS))
    unsigned = _tag(image, _SAMPLE_FORMAT, _UNSIGNED) == _UNSIGNED
    if bits == _WIDEST_BITS and unsigned:
        numbers = numbers.view(np.uint32)  # Pillow has no unsigned numbers of this width
    white = 2 ** (bits if unsigned else bits - 1) - 1
    scaled: _Numbers = (numbers.clip(0, white).astype(np.float64) * 255 / white).round().astype(np.uint8)
    return scaled


def _of_floats(numbers: _Numbers) -> _Numbers:
    """Returns floats, 0 for black and 1 for white, as 0…255; brighter ones are white, as on a screen."""
    if not np.isfinite(numbers).all():
        raise ValueError("it holds NaN or infinite numbers")
    if numbers.mean() > 1:
        raise ValueError(f"it holds floats up to {numbers.max():g}; expected 0 for black to 1 for white")
    scaled: _Numbers = (numbers.clip(0, 1) * 255).round().astype(np.uint8)
    return scaled


def _tag(image: Image.Image, number: int, otherwise: object = None) -> Any:
    """Returns what a TIFF file says under this number, of its first channel."""
    if not isinstance(image, TiffImageFile):
        return otherwise
    value = image.tag_v2.get(number, otherwise)
    return value[0] if isinstance(value, tuple) else value


def _rgba(image: Image.Image) -> Image.Image:
    """Returns the picture with its transparency as a channel."""
    clear = image.info.get("transparency")
    if isinstance(clear, tuple) and max(clear) > 255:  # noqa: PLR2004 - PNG of 16 bits, of which Pillow keeps the upper 8
        image = image.copy()
        image.info["transparency"] = tuple(level >> 8 for level in clear)
    return image.convert("RGBA")


def _coloured(image: Image.Image, content: bytes | None) -> Image.Image:
    """Returns the picture's colours as sRGB by the profile in `content`, its transparency left out."""
    plain = image.convert(_PLAIN.get(image.mode, "RGB"))
    profile = ImageCms.createProfile("LAB") if plain.mode == "LAB" else _profile(content, plain.mode)
    if profile is not None:
        try:
            transform = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), plain.mode, "RGB")
            if plain.mode == "RGB" and _changes_nothing(transform):
                return plain
            changed = ImageCms.applyTransform(plain, transform)
            assert changed is not None  # it is None where a picture is changed in place
            return changed
        except ImageCms.PyCMSError as error:
            log.info("A colour profile was passed over: %s", error)
    return plain.convert("RGB")


def _profile(content: bytes | None, mode: str) -> ImageCms.ImageCmsProfile | None:
    """Returns the profile if it is one of this mode's colours."""
    if not content:
        return None
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(content))
        return profile if profile.profile.xcolor_space.strip() == _SPACES[mode] else None
    except (OSError, ImageCms.PyCMSError) as error:
        log.info("A colour profile was passed over: %s", error)
        return None


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    """Tells whether a profile is sRGB's by another name: rounding alone is no reason to change a picture."""
    steps = np.linspace(0, 255, _TRIED_LEVELS).round().astype(np.uint8)
    colours = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    changed = ImageCms.applyTransform(Image.fromarray(colours), transform)
    return bool(np.abs(np.asarray(changed).astype(int) - colours).max() <= _BARELY)
