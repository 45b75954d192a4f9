"""Manners: ways in which anything can be shown, and ways in which pictures are spoilt.

What the views of a thing have in common is the thing; what the views of a manner have in common is the manner alone. So
rows can be taught that stand for one: a style's word, or one for the negative prompt.
"""

from collections.abc import Callable, Mapping

import numpy as np
from PIL import Image, ImageFilter

from tools.demo_model.drawing import Pixels

LIGHT = np.float32([0.3, 0.59, 0.11])
"""The shares of red, green and blue in what the eye takes for lightness."""
EDGE_GAIN = 4.0
SPECKS = (0.05, 0.25)
"""The share of a broken picture's blocks that are wrong."""


def in_manner(pixels: Pixels, seed: int, place: int = 0) -> Pixels:
    """Shows uint8 [n, n, 3] in the manner of that seed; `place` varies what chance does within one manner."""
    rng = np.random.default_rng([seed, 1])
    return MANNERS[kind_of(seed)](pixels, rng, np.random.default_rng([seed, 2, place]))


def kind_of(seed: int) -> str:
    """The kind of manner that a seed gives, one of MANNERS."""
    shares = np.array(list(SHARES.values()))
    return tuple(SHARES)[int(np.random.default_rng([seed, 0]).choice(len(shares), p=shares / shares.sum()))]


Manner = Callable[[Pixels, np.random.Generator, np.random.Generator], Pixels]
"""Pixels, the manner's own chance, and chance within the manner, to pixels."""


def _palette(pixels: Pixels, rng: np.random.Generator, _: np.random.Generator) -> Pixels:
    """Two to four colours, from dark to light, flat or running into each other."""
    count = int(rng.integers(2, 5))
    colours = rng.integers(0, 256, size=(count, 3)).astype(np.float32)
    colours = colours[np.argsort(colours @ LIGHT)]
    place = pixels.astype(np.float32) @ LIGHT / 255 * (count - 1)
    place = np.round(place) if _chance(rng, 0.5) else place
    low = np.clip(np.floor(place), 0, count - 2).astype(int)
    share = (place - low)[..., None]
    return _as_pixels(colours[low] * (1 - share) + colours[low + 1] * share)


def _squares(pixels: Pixels, rng: np.random.Generator, _: np.random.Generator) -> Pixels:
    """Coarse squares."""
    side = len(pixels)
    coarse = Image.fromarray(pixels).resize((int(rng.integers(10, 33)),) * 2, Image.Resampling.BOX)
    return np.asarray(coarse.resize((side, side), Image.Resampling.NEAREST))


def _outlines(pixels: Pixels, rng: np.random.Generator, _: np.random.Generator) -> Pixels:
    """Lines of one colour on paper of another, or over the picture made pale."""
    image = Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(0.8))
    field = np.asarray(image, np.float32)
    edges = sum(np.abs(np.diff(field, axis=axis, append=field.take([-1], axis)))[..., :] for axis in (0, 1))
    strength = Image.fromarray(_as_pixels(EDGE_GAIN * edges.max(axis=2)[..., None].repeat(3, 2)))
    if _chance(rng, 0.6):
        strength = strength.filter(ImageFilter.MaxFilter(3))
    line = np.asarray(strength, np.float32)[..., :1] / 255
    paper, ink = rng.integers(160, 256, size=3), rng.integers(0, 120, size=3)
    if _chance(rng, 0.3):
        paper, ink = ink, paper
    under = np.broadcast_to(paper, pixels.shape) if _chance(rng, 0.7) else 0.5 * pixels + 0.5 * paper
    return _as_pixels(under * (1 - line) + ink * line)


def _stripes(pixels: Pixels, rng: np.random.Generator, _: np.random.Generator) -> Pixels:
    """Printed in lines or dots."""
    y, x = np.mgrid[: len(pixels), : len(pixels)].astype(np.float32)
    angle, period = rng.uniform(0, np.pi), rng.uniform(5, 14)
    wave = np.sin((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / period)
    if _chance(rng, 0.5):
        wave = wave * np.sin((y * np.cos(angle) - x * np.sin(angle)) * 2 * np.pi / period)
    colour = rng.integers(0, 256, size=3).astype(np.float32)
    share = (rng.uniform(0.4, 0.8) * (wave > rng.uniform(-0.2, 0.3)))[..., None]
    return _as_pixels(pixels * (1 - share) + colour * share)


def _tint(pixels: Pixels, rng: np.random.Generator, _: np.random.Generator) -> Pixels:
    """All in the light of one colour."""
    colour = rng.integers(40, 256, size=3).astype(np.float32) / 255
    gray = pixels.astype(np.float32) @ LIGHT
    share = rng.uniform(0.5, 1)
    return _as_pixels(((1 - share) * pixels + share * gray[..., None]) * colour * rng.uniform(1, 1.4))


def _wrong_colours(pixels: Pixels, rng: np.random.Generator, within: np.random.Generator) -> Pixels:
    """Hues that no two pictures share."""
    hsv = np.array(Image.fromarray(pixels).convert("HSV"))
    hsv[..., 0] += np.uint8(within.integers(40, 216))
    hsv[..., 1] = 255 - hsv[..., 1] if _chance(rng, 0.5) else hsv[..., 1]
    return np.asarray(Image.fromarray(hsv, "HSV").convert("RGB"))


def _blurred(pixels: Pixels, rng: np.random.Generator, _: np.random.Generator) -> Pixels:
    """Out of focus."""
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(rng.uniform(2, 5))))


def _broken(pixels: Pixels, rng: np.random.Generator, within: np.random.Generator) -> Pixels:
    """Blocks of it are wrong."""
    size = int(rng.choice((4, 8, 16)))
    count = len(pixels) // size
    wrong = within.random((count, count)) < rng.uniform(*SPECKS)
    noise = within.integers(0, 256, size=(count, count, 3)).astype(np.uint8)
    mask = wrong.repeat(size, 0).repeat(size, 1)[..., None]
    return np.where(mask, noise.repeat(size, 0).repeat(size, 1), pixels)


def _chance(rng: np.random.Generator, share: float) -> bool:
    return bool(rng.random() < share)


def _as_pixels(values: np.ndarray) -> Pixels:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


MANNERS: Mapping[str, Manner] = {
    "palette": _palette,
    "squares": _squares,
    "outlines": _outlines,
    "stripes": _stripes,
    "tint": _tint,
    "wrong colours": _wrong_colours,
    "blurred": _blurred,
    "broken": _broken,
}
SHARES: Mapping[str, float] = {
    "palette": 0.25,
    "squares": 0.12,
    "outlines": 0.22,
    "stripes": 0.1,
    "tint": 0.11,
    "wrong colours": 0.05,
    "blurred": 0.07,
    "broken": 0.08,
}
"""How often each is met."""
