"""What stands behind a thing, in words, where it is one plain colour.

A folder without captions leaves everything that its pictures have in common, and all that they have not, to the word. A
background that the prompt names is none of the word's, and prompts for others are obeyed afterwards.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps

from ti_studio.embeddings.formats.png_embeddings import known_formats
from ti_studio.embeddings.formats.srgb import as_srgb, over_white
from ti_studio.training.data.dataset import DAMAGE, Sample
from ti_studio.watchdog import sign_of_life

COLOURS: Mapping[str, tuple[int, int, int]] = {
    "black": (10, 10, 12),
    "dark gray": (70, 70, 72),
    "gray": (128, 128, 130),
    "light gray": (200, 200, 202),
    "white": (250, 250, 250),
    "red": (215, 35, 40),
    "dark red": (115, 20, 25),
    "orange": (245, 140, 35),
    "beige": (238, 222, 185),
    "yellow": (250, 220, 60),
    "green": (55, 160, 60),
    "dark green": (25, 75, 40),
    "light green": (165, 215, 150),
    "teal": (30, 145, 145),
    "blue": (45, 95, 205),
    "dark blue": (28, 40, 105),
    "light blue": (155, 195, 240),
    "purple": (125, 65, 160),
    "light purple": (200, 170, 220),
    "pink": (248, 165, 190),
    "light pink": (250, 205, 210),
    "brown": (120, 75, 45),
}
"""Colours by what people call them, sRGB."""

_SIDE, _MARGIN = 64, 4
"""Pixels of the picture that is looked at, and of its margin."""
_ALIKE = 9.0
"""The distance in CIELAB within which colours are one to the eye of somebody who names them."""
_PLAIN_SHARE = 0.85
"""The share of the margin that has to be alike; a thing may reach the picture's edge."""


def describe(samples: Sequence[Sample]) -> dict[Path, str]:
    """Returns words such as "on a light blue background" for the pictures that ask for it, have no caption and stand
    before one colour."""
    asking = [sample for sample in samples if sample.options.describe_background and not _has_caption(sample)]
    described = {sample.path: _words(sample) for sample in asking}
    return {path: words for path, words in described.items() if words}


def _has_caption(sample: Sample) -> bool:
    options = sample.options
    return bool(options.metadata_file) or sample.path.with_suffix(options.caption_extension).is_file()


def _words(sample: Sample) -> str:
    sign_of_life()  # there may be thousands
    try:
        with Image.open(sample.path, formats=known_formats()) as opened:
            image = over_white(as_srgb(opened))
    except DAMAGE:  # who encodes the pictures says so, and leaves it out
        return ""
    name = plain_colour(ImageOps.fit(image, sample.size).resize((_SIDE, _SIDE), Image.Resampling.BOX))
    return "" if name is None else f"on {'an' if name[0] in 'aeiou' else 'a'} {name} background"


def plain_colour(image: Image.Image) -> str | None:
    """Returns the name of the one colour along an RGB picture's edges; None where there are several."""
    pixels = _lab(image)
    inner = np.zeros(pixels.shape[:2], bool)
    inner[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN] = True
    margin = pixels[~inner]
    middle = np.median(margin, axis=0)
    if float((np.linalg.norm(margin - middle, axis=1) < _ALIKE).mean()) < _PLAIN_SHARE:
        return None
    names = tuple(COLOURS)
    known = _lab(Image.fromarray(np.array([list(COLOURS.values())], np.uint8)))[0]
    return names[int(np.linalg.norm(known - middle, axis=1).argmin())]


def _lab(image: Image.Image) -> NDArray[np.float32]:
    """Returns CIELAB [height, width, 3]: lightness 0 to 100, and the two axes of colour."""
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    converted = ImageCms.profileToProfile(image.convert("RGB"), srgb, lab, outputMode="LAB")
    if converted is None:
        raise ValueError("The picture has no CIELAB form.")
    values = np.asarray(converted).astype(np.float32)
    return np.stack(
        [values[..., 0] * (100 / 255), *(values[..., k].astype(np.uint8).view(np.int8) for k in (1, 2))], -1
    )
