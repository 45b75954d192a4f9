"""Views: a thing on some background, moved, turned and scaled; many views of one thing differ in all but the thing.

What the views of a thing have in common is what a word for it must say; what differs between them is what the rest of a
caption says.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tools.demo_model.artwork.icons import SPRITE, Sprite
from tools.demo_model.backdrops import PLACES as SCENERY
from tools.demo_model.backdrops import PLAIN, backdrop
from tools.demo_model.palette import COLOURS, Colour, jittered

Pixels = NDArray[np.uint8]

SIDE = 128
SCALES = {"small": (0.34, 0.5), None: (0.5, 0.76), "large": (0.76, 0.95)}
"""The figure's longer side, in parts of the picture's."""
HALVED_BELOW = 0.55
"""Sprites that are shrunk to less are halved first, so that thin lines survive."""
BACKGROUND_SHARES = {"plain": 0.58, "halves": 0.14, "gradient": 0.14, "scenery": 0.14}
FAMILIAR_UNTIL, LIGHT_UNTIL, DARK_UNTIL = 0.4, 0.75, 0.9
"""Plain colours: 40 % of the drawn world's seven, 35 % light ones, 15 % dark ones, 10 % any."""
PLACED_SHARE, TURNED_SHARE, FINE_SHARE = 0.45, 0.7, 0.5
SRGB_STRAIGHT, LAB_STRAIGHT = 0.04045, 0.008856
"""Where the curves of sRGB and of Lab become straight."""
PLACE_SHIFT = 0.19
"""How far from the middle a figure on the left stands, in parts of the picture's side."""
MAX_TURN = 12.0
"""Degrees."""
RECOLOURED = {"hue": 0.6, "swap": 0.25, "gray": 0.15}
COLOUR_NAMES = Path(__file__).with_name("colour_names.txt")
NAMED_WITHIN = 14.0
"""The largest distance in Lab at which a colour bears one of the finer names."""


@dataclass(frozen=True)
class View:
    """How a thing is seen: what a caption may say of it, and the seed of all that it does not say."""

    thing: int
    """The thing's number."""
    seed: int
    size: str | None = None
    place: str | None = None


@dataclass(frozen=True)
class Seen:
    """A view's pixels uint8 [128, 128, 3], and the words for what stands behind the thing (None: no word fits)."""

    pixels: Pixels
    background: str | None


def random_view(thing: int, rng: np.random.Generator) -> View:
    """A view in the proportions of the training."""
    size = (None, "small", "large")[int(rng.choice(3, p=(0.6, 0.2, 0.2)))]
    places = ("left", "right", "top", "bottom", "center")
    place = places[int(rng.integers(5))] if size != "large" and rng.random() < PLACED_SHARE else None
    return View(thing, int(rng.integers(2**31)), size, place)


def show(sprite: Sprite, view: View) -> Seen:
    """Draws the view of a sprite uint8 [144, 144, 4]."""
    rng = np.random.default_rng(view.seed)
    canvas, words = background(rng)
    scale = rng.uniform(*SCALES[view.size]) * SIDE / SPRITE
    x, y = _centre(view, rng)
    turn = np.deg2rad(rng.uniform(-MAX_TURN, MAX_TURN)) if rng.random() < TURNED_SHARE else 0.0
    cos, sin = np.cos(turn) / scale, np.sin(turn) / scale
    half = SPRITE / 2
    matrix = (cos, sin, half - cos * x - sin * y, -sin, cos, half + sin * x - cos * y)
    figure = Image.fromarray(premultiplied(sprite), "RGBA")
    if scale < HALVED_BELOW:
        figure = figure.reduce(2)
        matrix = tuple(value / 2 for value in matrix)
    placed = np.asarray(
        figure.transform((SIDE, SIDE), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR), np.float32
    )
    pixels = placed[..., :3] + np.asarray(canvas, np.float32) * (1 - placed[..., 3:] / 255)
    return Seen(np.clip(pixels.round(), 0, 255).astype(np.uint8), words)


def premultiplied(sprite: Sprite) -> Sprite:
    """The sprite with its colours times its alpha, as shrinking needs them."""
    alpha = sprite[..., 3:].astype(np.uint16)
    return np.concatenate([(sprite[..., :3] * alpha // 255).astype(np.uint8), sprite[..., 3:]], axis=2)


def _centre(view: View, rng: np.random.Generator) -> tuple[float, float]:
    """Where the figure's middle stands, in pixels; a large one stays near the picture's."""
    shift = {"left": (-1, 0), "right": (1, 0), "top": (0, -1), "bottom": (0, 1)}.get(view.place or "", (0, 0))
    wander = 0.03 if view.size == "large" or view.place else 0.08
    x, y = (0.5 + PLACE_SHIFT * shift[axis] + rng.uniform(-wander, wander) for axis in (0, 1))
    return x * SIDE, y * SIDE


def background(rng: np.random.Generator) -> tuple[Image.Image, str | None]:
    """Something to stand before, and the words for it: plain (the most), two colours, a gradient, or scenery."""
    kind = rng.choice(tuple(BACKGROUND_SHARES), p=tuple(BACKGROUND_SHARES.values()))
    if kind == "scenery":
        name = tuple(SCENERY)[int(rng.integers(len(SCENERY)))]
        return backdrop(name, SIDE, rng), name
    first, first_words = _colour(rng)
    if kind == "plain":
        return Image.new("RGB", (SIDE, SIDE), first), first_words
    second, second_words = _colour(rng)
    share = np.linspace(0, 1, SIDE)
    words = f"{first_words} and {second_words}"
    if kind == "halves":
        share = (share > rng.uniform(0.45, 0.85)).astype(float)
    else:
        words = f"{words} gradient"
    column = np.outer(1 - share, first) + np.outer(share, second)
    return Image.fromarray(np.repeat(column[:, None], SIDE, axis=1).round().astype(np.uint8)), words


def _colour(rng: np.random.Generator) -> tuple[Colour, str]:
    """A colour to stand before: one of the seven of the drawn world, or any; light and dark ones more often."""
    lot = rng.random()
    if lot < FAMILIAR_UNTIL:
        name = tuple(PLAIN)[int(rng.integers(len(PLAIN)))]
        return jittered(PLAIN[name], rng, 6), name
    red, green, blue = (int(c) for c in rng.integers(0, 256, size=3))
    if lot < LIGHT_UNTIL:
        red, green, blue = (c + round((255 - c) * 0.6) for c in (red, green, blue))
    elif lot < DARK_UNTIL:
        red, green, blue = (round(c * 0.45) for c in (red, green, blue))
    return (red, green, blue), named((red, green, blue), rng)


def named(rgb: Colour, rng: np.random.Generator) -> str:
    """A name of the colour: the nearest of the twelve, or of the finer ones where one is near."""
    table = colour_table()
    here = lab(np.array(rgb, float))
    basic = min(COLOURS, key=lambda name: float(np.linalg.norm(table[name] - here)))
    fine = min(table, key=lambda name: float(np.linalg.norm(table[name] - here)))
    near = float(np.linalg.norm(table[fine] - here)) < NAMED_WITHIN
    return fine if near and rng.random() < FINE_SHARE else basic


@lru_cache(maxsize=1)
def colour_table() -> Mapping[str, NDArray[np.float64]]:
    """Colour names to Lab [3]: the twelve, then those of the XKCD survey that are made of common words."""
    rows = [line.split(" ", 1) for line in COLOUR_NAMES.read_text(encoding="utf-8").splitlines()]
    fine = {name: tuple(int(code[k : k + 2], 16) for k in (1, 3, 5)) for code, name in rows}
    return {name: lab(np.array(rgb, float)) for name, rgb in {**fine, **COLOURS}.items()}


def lab(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """sRGB 0 to 255 [..., 3] in CIELAB under D65."""
    share = rgb / 255
    linear = np.where(share <= SRGB_STRAIGHT, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124, 0.2126, 0.0193], [0.3576, 0.7152, 0.1192], [0.1805, 0.0722, 0.9505]])
    ratio = linear @ to_xyz / [0.9505, 1.0, 1.089]
    f = np.where(ratio > LAB_STRAIGHT, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1)


def recoloured(sprite: Sprite, seed: int) -> Sprite:
    """The sprite with its hues turned, two channels exchanged, or one tint over its grays; maybe mirrored."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(tuple(RECOLOURED), p=tuple(RECOLOURED.values()))
    rgb, alpha = sprite[..., :3], sprite[..., 3:]
    if kind == "hue":
        hsv = np.array(Image.fromarray(np.ascontiguousarray(rgb)).convert("HSV"))
        hsv[..., 0] += np.uint8(rng.integers(25, 231))
        rgb = np.asarray(Image.fromarray(hsv, "HSV").convert("RGB"))
    elif kind == "swap":
        rgb = rgb[..., ((1, 0, 2), (2, 1, 0), (0, 2, 1), (1, 2, 0), (2, 0, 1))[int(rng.integers(5))]]
    else:
        light = np.asarray(rgb, np.float32) @ np.float32([0.3, 0.59, 0.11]) / 255
        tint = rng.integers(0, 256, size=3)
        rgb = np.clip(light[..., None] * (0.35 * 255 + 0.9 * tint), 0, 255).astype(np.uint8)
    turned = np.concatenate([rgb, alpha], axis=2)
    return turned[:, ::-1] if rng.integers(2) else turned
