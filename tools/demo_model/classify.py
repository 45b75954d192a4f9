"""Tells from pixels alone what a picture shows; nothing here is learnt.

    python -m tools.demo_model.classify     # how often each judgement is right on true drawings

Colour and shape are told for a plain figure on a plain background (the prompts of `measure`); background, size and
place for every picture with a single figure. Pictures are uint8 [side, side, 3]; each is judged at 64 pixels, and a
larger one made smaller first.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from tools.demo_model import outlines
from tools.demo_model.backdrops import BACKGROUNDS, PLAIN
from tools.demo_model.drawing import PICTURE, PLACES, SHAPES, SIZES, Pixels, Scene, draw
from tools.demo_model.palette import COLOURS, Colour
from tools.demo_model.scenes import random_scenes

Mask = NDArray[np.bool_]
Box = tuple[int, int, int, int]

SMALLEST_FIGURE = 12
"""Pixels; less than this is a speck, not a figure."""
APART = 48.0
"""RGB distance from which a pixel is not background."""
LARGEST_BACKGROUND_ERROR = 80.0
"""A background further than this from every drawn one is called none of them."""
TEMPLATE, HALF = 48, 128
SIZE_LIMITS = (24.0, 36.8)
"""Mean of the box's width and height in pixels: below the first is small, above the second is large."""
OFF_CENTRE = 6.0

BAND_COLOURS: dict[str, tuple[Colour, Colour]] = {
    **{name: (rgb, rgb) for name, rgb in PLAIN.items()},
    "beach": ((150, 210, 245), (238, 214, 160)),
    "night": ((16, 20, 58), (10, 12, 32)),
    "snow": ((150, 172, 200), (240, 244, 252)),
    "grass": ((178, 222, 250), (66, 140, 42)),
}
"""What is seen along the upper and the lower edge of each background."""


@dataclass(frozen=True)
class Guess:
    """The nearest of the twelve colours and of the eight shapes; None for a picture without a figure."""

    colour: str | None
    shape: str | None


def at_judged_size(pixels: Pixels) -> Pixels:
    """The picture as [PICTURE, PICTURE, 3], each pixel the mean of those that it takes the place of."""
    if pixels.shape[:2] == (PICTURE, PICTURE):
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((PICTURE, PICTURE), Image.Resampling.BOX))


def classify(pixels: Pixels) -> Guess:
    """Colour and shape of the figure."""
    pixels = at_judged_size(pixels)
    mask = figure_mask(pixels)
    if mask.sum() < SMALLEST_FIGURE:
        return Guess(None, None)
    rgb = figure_rgb(pixels, mask)
    return Guess(nearest_colour(rgb), _nearest_shape(_sharpened(pixels, mask, rgb)))


def figure_mask(pixels: Pixels) -> Mask:
    """True where the figure is: the largest patch that differs from its row's background. At judged size only."""
    differs = np.linalg.norm(pixels - _backdrop(pixels), axis=2) > APART
    smooth = Image.fromarray((differs * 255).astype(np.uint8)).filter(ImageFilter.MedianFilter(3))
    return _largest_patch(np.asarray(smooth) > 0)


def _backdrop(pixels: Pixels) -> NDArray[np.float32]:
    """The background's colour in each row [64, 1, 3], as the left and right margins show it."""
    margins = np.concatenate([pixels[:, :4], pixels[:, -4:]], axis=1)
    return np.median(margins.astype(np.float32), axis=1, keepdims=True)


def _sharpened(pixels: Pixels, mask: Mask, rgb: Colour) -> Mask:
    """The mask without soft edges and shadows: only what is nearer to the figure's colour than to the background."""
    to_figure = np.linalg.norm(pixels - np.float32(rgb), axis=2)
    sharp = mask & (to_figure < np.linalg.norm(pixels - _backdrop(pixels), axis=2))
    return sharp if sharp.sum() >= SMALLEST_FIGURE else mask


def _largest_patch(mask: Mask) -> Mask:
    """The largest patch of True pixels that touch one another, corners included."""
    left, largest = mask.copy(), np.zeros_like(mask)
    while left.sum() > largest.sum():
        patch = np.zeros_like(mask)
        patch.ravel()[left.argmax()] = True
        size = 0
        while size != (size := int(patch.sum())):
            grown = Image.fromarray(patch.astype(np.uint8)).filter(ImageFilter.MaxFilter(3))
            patch = (np.asarray(grown) > 0) & left
        left &= ~patch
        largest = patch if size > largest.sum() else largest
    return largest


def figure_rgb(pixels: Pixels, mask: Mask) -> Colour:
    """The median colour inside the mask, away from its softened edge where it is thick enough."""
    core = np.asarray(Image.fromarray((mask * 255).astype(np.uint8)).filter(ImageFilter.MinFilter(3))) > 0
    red, green, blue = np.median(pixels[core if core.sum() >= SMALLEST_FIGURE else mask], axis=0)
    return int(red), int(green), int(blue)


def nearest_colour(rgb: Colour) -> str:
    """The word whose colour is nearest in CIE Lab."""
    return min(COLOURS, key=lambda word: float(np.linalg.norm(lab(COLOURS[word]) - lab(rgb))))


def lab(rgb: Colour) -> NDArray[np.float64]:
    """CIE Lab (D65) of an sRGB colour; distances there are closer to what an eye sees than in RGB."""
    unit = np.asarray(rgb, dtype=np.float64) / 255
    linear = ((unit + 0.055) / 1.055) ** 2.4  # sRGB, without its straight piece near black
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = to_xyz @ linear / np.array([0.9505, 1.0, 1.089])
    f = np.cbrt(xyz)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def colour_share(pixels: Pixels, rgb: Colour, tolerance: float = 70.0) -> float:
    """Which part of the figure's pixels lies within an RGB distance of a colour, 0 to 1."""
    pixels = at_judged_size(pixels)
    mask = figure_mask(pixels)
    if not mask.any():
        return 0.0
    return float((np.linalg.norm(pixels[mask].astype(np.float32) - np.float32(rgb), axis=1) < tolerance).mean())


def box_of(mask: Mask) -> Box:
    """Left, top, right, bottom of the True pixels; right and bottom are just outside."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _nearest_shape(mask: Mask) -> str:
    """The shape whose outline, stretched into the same box, overlaps best."""
    stretched = _stretched(mask)
    return max(SHAPES, key=lambda shape: max(_overlap(stretched, template) for template in _templates(shape)))


def _stretched(mask: Mask) -> Mask:
    image = Image.fromarray((mask * 255).astype(np.uint8)).crop(box_of(mask))
    return np.asarray(image.resize((TEMPLATE, TEMPLATE), Image.Resampling.BILINEAR)) >= HALF


def _overlap(first: Mask, second: Mask) -> float:
    """Intersection over union."""
    return float((first & second).sum() / max((first | second).sum(), 1))


@lru_cache(maxsize=len(SHAPES))
def _templates(shape: str) -> tuple[Mask, ...]:
    """The shape's outline in three rotations, as drawings have them."""
    templates = []
    for degrees in (-5.0, 0.0, 5.0):
        image = Image.new("L", (8 * PICTURE, 8 * PICTURE))
        for polygon, ink in outlines.body(shape):
            points = outlines.place(polygon, (4 * PICTURE, 4 * PICTURE), 3 * PICTURE, degrees)
            ImageDraw.Draw(image).polygon(points, fill=ink)
        templates.append(_stretched(np.asarray(image) > 0))
    return tuple(templates)


def background_of(pixels: Pixels) -> str | None:
    """The background whose upper and lower edges look most like the picture's; None if none looks alike."""
    rgb = at_judged_size(pixels).astype(np.float32)
    seen = np.stack([np.median(edge.reshape(-1, 3), axis=0) for edge in (rgb[:5], rgb[-5:])])
    errors = {name: float(np.linalg.norm(seen - np.float32(pair), axis=1).max()) for name, pair in BAND_COLOURS.items()}
    best = min(errors, key=lambda name: errors[name])
    return best if errors[best] < LARGEST_BACKGROUND_ERROR else None


@dataclass(frozen=True)
class View:
    """What is seen of a scene: its background, and the box around its figure as left, top, right, bottom."""

    background: str | None
    box: Box | None

    def has_size(self, size: str) -> bool:
        """True if the figure is "small" or "large"."""
        if self.box is None:
            return False
        left, top, right, bottom = self.box
        side = (right - left + bottom - top) / 2
        return side < SIZE_LIMITS[0] if size == "small" else side > SIZE_LIMITS[1]

    def has_place(self, place: str) -> bool:
        """True if the figure stands "left", "right", "top", "bottom" or "center" in the picture."""
        if self.box is None:
            return False
        left, top, right, bottom = self.box
        x, y = (left + right - PICTURE) / 2, (top + bottom - PICTURE) / 2
        if place == "center":
            return max(abs(x), abs(y)) < OFF_CENTRE
        towards, across = {"left": (-x, y), "right": (x, y), "top": (-y, x), "bottom": (y, x)}[place]
        return towards >= OFF_CENTRE and towards > abs(across)


def view(pixels: Pixels) -> View:
    """Looks at a picture once for all the scene checks."""
    pixels = at_judged_size(pixels)
    mask = figure_mask(pixels)
    return View(background_of(pixels), box_of(mask) if mask.any() else None)


def background_is(pixels: Pixels, background: str) -> bool:
    """True if the picture has the named background ("white", "night", ...)."""
    return background_of(pixels) == background


def size_is(pixels: Pixels, size: str) -> bool:
    """True if the figure is "small" or "large"."""
    return view(pixels).has_size(size)


def place_is(pixels: Pixels, place: str) -> bool:
    """True if the figure stands "left", "right", "top", "bottom" or "center" in the picture."""
    return view(pixels).has_place(place)


def accuracy_of_classify(count: int = 400, side: int = PICTURE) -> tuple[float, float]:
    """How often colour and shape of plain photos on plain backgrounds, drawn so large, are told right, each 0 to 1."""
    scenes = [
        s
        for s in random_scenes(count * 12, seed=5)
        if s.figure.kind in SHAPES and s.figure.pattern == "plain" and s.figure.colour and s.background in PLAIN
        if s.style == "photo" and s.companion is None
    ][:count]
    guesses = [classify(draw(s, side)) for s in scenes]
    colour = np.mean([g.colour == s.figure.colour for g, s in zip(guesses, scenes, strict=True)])
    shape = np.mean([g.shape == s.figure.kind for g, s in zip(guesses, scenes, strict=True)])
    return float(colour), float(shape)


Check = tuple[str, Callable[[View], bool], Callable[[Scene], bool]]


def checks() -> list[Check]:
    """Every scene check: its name, what it says of a picture, and what is true of the scene."""
    table: list[Check] = []
    for name in BACKGROUNDS:
        table.append((f"background {name}", lambda v, n=name: v.background == n, lambda s, n=name: s.background == n))
    for name in SIZES:
        table.append((f"size {name}", lambda v, n=name: v.has_size(n), lambda s, n=name: s.size == n))
    for name in PLACES:
        said = (lambda s: s.place in (None, "center")) if name == "center" else (lambda s, n=name: s.place == n)
        table.append((f"place {name}", lambda v, n=name: v.has_place(n), said))
    return table


def accuracy_of_checks(count: int = 1500, side: int = PICTURE) -> dict[str, float]:
    """For each check the mean of how often it is right where it should say yes and where it should say no."""
    scenes = [s for s in random_scenes(count, seed=6) if s.companion is None and s.figure.kind in (*SHAPES, "creature")]
    views = [view(draw(scene, side)) for scene in scenes]
    results = {}
    for name, says, holds in checks():
        truth = np.array([holds(scene) for scene in scenes])
        answer = np.array([says(seen) for seen in views])
        results[name] = float((answer[truth].mean() + (~answer[~truth]).mean()) / 2)
    return results


if __name__ == "__main__":
    colour_right, shape_right = accuracy_of_classify()
    print(f"colour {colour_right:.1%}\nshape {shape_right:.1%}")
    for check, share in accuracy_of_checks().items():
        print(f"{check} {share:.1%}")
