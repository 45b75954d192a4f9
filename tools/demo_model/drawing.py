"""Draws the pictures that the demo model learns from, 64 x 64 or larger: a frozen `Scene` in, pixels out.

    python -m tools.demo_model.drawing sheet.png     # draws a sheet of random scenes

The same scene gives the same picture, on any machine. Colours are given as RGB values, so a scene may wear colours that
no word names; `Scene.colour` is only what a caption may say about them.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw

from tools.demo_model import outlines
from tools.demo_model.backdrops import backdrop
from tools.demo_model.palette import Colour, mix

Pixels = NDArray[np.uint8]

PICTURE = 64
"""Width and height in pixels of what the demo model learns from; places and sizes of a scene are given in these."""
SUPERSAMPLE = 4

SHAPES = ("circle", "square", "triangle", "star", "heart", "diamond", "ring", "cross")
THINGS = ("tree", "house", "fish", "cup", "car", "flower")
PATTERNS = ("plain", "striped", "dotted", "checkered")
STYLES = ("photo", "painting", "drawing", "pixel art")
PLACES = ("left", "right", "top", "bottom", "center")
SIZES = ("small", "large")
EARS = ("round", "pointed", "long")
MOUTHS = ("smile", "open")

CENTRES = {"left": (20, 32), "right": (44, 32), "top": (32, 20), "bottom": (32, 44), "center": (32, 32), None: (32, 32)}
RADII = {"small": 10.0, None: 16.5, "large": 24.0}
DOT = 0.45
"""Radius of a dot, in steps of the pattern."""
DARK: Colour = (25, 22, 28)
CREAM: Colour = (250, 248, 240)


@dataclass(frozen=True)
class Creature:
    """The parts of a creature; its body takes the figure's colour and pattern."""

    eyes: int = 2
    ears: str | None = None
    mouth: str | None = None
    horns: Colour | None = None
    horns_colour: str | None = None
    """The word for the horns' colour, if there is one."""


@dataclass(frozen=True)
class Figure:
    """One thing in a picture. `kind` is one of SHAPES or THINGS, or "creature"."""

    kind: str
    rgb: Colour
    colour: str | None = None
    pattern: str = "plain"
    pattern_rgb: Colour | None = None
    """The pattern's other colour; a lighter or darker shade of `rgb` where none is given."""
    creature: Creature | None = None


@dataclass(frozen=True)
class Scene:
    """Everything that decides a picture. `companion` is a second figure; the two then stand left and right."""

    figure: Figure
    background: str = "white"
    style: str = "photo"
    place: str | None = None
    size: str | None = None
    companion: Figure | None = None
    seed: int = 0


def draw(scene: Scene, side: int = PICTURE) -> Pixels:
    """Draws a scene as uint8 RGB pixels [side, side, 3]; a larger picture shows the same with finer edges."""
    rng = np.random.default_rng(scene.seed)
    canvas = backdrop(scene.background, side * SUPERSAMPLE, rng)
    for figure, centre, radius in _placed(scene, _unit(canvas), rng):
        _paste_figure(canvas, figure, centre, radius, scene.style, rng)
    return _finish(canvas, scene, rng)


def _unit(canvas: Image.Image) -> float:
    """How many canvas pixels one pixel of a PICTURE is."""
    return canvas.width / PICTURE


def _placed(scene: Scene, unit: float, rng: np.random.Generator) -> list[tuple[Figure, tuple[float, float], float]]:
    """The figures with their centres and radii in canvas pixels, a little shifted and resized at random."""
    radius = RADII[scene.size] * rng.uniform(0.93, 1.07)
    if scene.companion is not None:
        radius = min(radius, 13.0)
        spots = [(scene.figure, (17, 32)), (scene.companion, (47, 32))]
    else:
        x, y = CENTRES[scene.place]
        pull = 0.4 if scene.size == "large" else 1.0  # a large figure would leave the picture
        spots = [(scene.figure, (32 + (x - 32) * pull, 32 + (y - 32) * pull))]
    shift = rng.uniform(-2.0, 2.0, size=2)
    return [(f, ((x + shift[0]) * unit, (y + shift[1]) * unit), radius * unit) for f, (x, y) in spots]


def _paste_figure(
    canvas: Image.Image,
    figure: Figure,
    centre: tuple[float, float],
    radius: float,
    style: str,
    rng: np.random.Generator,
) -> None:
    """Draws one figure onto the canvas: patterned fill, light, outline, and a creature's or thing's details."""
    mask = Image.new("L", canvas.size)
    pen = ImageDraw.Draw(mask)
    angle = float(rng.uniform(-6, 6)) if figure.kind in SHAPES else 0.0
    for polygon, ink in outlines.body(figure.kind, figure.creature.ears if figure.creature else None):
        pen.polygon(outlines.place(polygon, centre, radius, angle), fill=ink)
    if figure.creature and figure.creature.horns:
        horns = ImageDraw.Draw(canvas)
        for polygon in outlines.HORNS:
            horns.polygon(outlines.place(polygon, centre, radius), fill=figure.creature.horns)
    fill = _fill(figure, centre, radius, canvas)
    if style == "photo":
        fill = _lit(fill, centre, radius)
    if style == "drawing":
        _stroke(canvas, mask)
    canvas.paste(fill, mask=mask)
    details = ImageDraw.Draw(canvas)
    if figure.creature:
        _draw_face(details, figure.creature, centre, radius)
    for polygon, rgb in outlines.details(figure.kind, figure.rgb):
        details.polygon(outlines.place(polygon, centre, radius), fill=rgb)


def _fill(figure: Figure, centre: tuple[float, float], radius: float, canvas: Image.Image) -> Image.Image:
    """The figure's colour and pattern, as large as the canvas; the pattern keeps its place on the figure."""
    fill = Image.new("RGB", canvas.size, figure.rgb)
    if figure.pattern == "plain":
        return fill
    other = figure.pattern_rgb or _shade(figure.rgb)
    step = max(radius * 0.42, 4 * _unit(canvas))
    y, x = np.mgrid[0 : canvas.height, 0 : canvas.width]
    u, v = (x - centre[0]) / step, (y - centre[1]) / step
    if figure.pattern == "striped":
        second = np.floor(v + 0.5) % 2 == 1
    elif figure.pattern == "checkered":
        second = (np.floor(u) + np.floor(v)) % 2 == 1
    else:
        column = np.round(u / 1.5)
        second = np.hypot(u - column * 1.5, (v + 0.75 * (column % 2) + 0.75) % 1.5 - 0.75) < DOT
    mask = Image.fromarray((second * 255).astype(np.uint8))
    fill.paste(other, mask=mask)
    return fill


def _shade(rgb: Colour) -> Colour:
    """A clearly lighter tone of a dark or strong colour, or a clearly darker one of a light colour."""
    light = sum(rgb) > 3 * 165
    return mix(rgb, (40, 40, 60), 0.5) if light else mix(rgb, (255, 255, 255), 0.7)


def _lit(fill: Image.Image, centre: tuple[float, float], radius: float) -> Image.Image:
    """Light from the upper left: a photograph's thing is not evenly bright."""
    y, x = np.mgrid[0 : fill.height, 0 : fill.width]
    towards_light = np.clip(((centre[0] - x) + (centre[1] - y)) / (2 * radius), -1, 1)
    brightness = 1.0 + 0.16 * towards_light
    return Image.fromarray(np.clip(np.asarray(fill) * brightness[..., None], 0, 255).astype(np.uint8))


def _stroke(canvas: Image.Image, mask: Image.Image) -> None:
    """A pen line around the figure: the mask, thickened, in dark ink."""
    width, corner = int(1.5 * _unit(mask)), round(_unit(mask))
    thick = mask
    sides = ((width, 0), (-width, 0), (0, width), (0, -width))
    for dx, dy in (*sides, (corner, corner), (-corner, corner), (corner, -corner), (-corner, -corner)):
        thick = ImageChops.lighter(thick, ImageChops.offset(mask, dx, dy))
    canvas.paste(DARK, mask=thick)


def _draw_face(pen: ImageDraw.ImageDraw, creature: Creature, centre: tuple[float, float], radius: float) -> None:
    """Eyes as white discs with dark pupils, large enough to survive the autoencoder, and a mouth."""
    eye = {1: 0.40, 2: 0.29, 3: 0.23}[creature.eyes] * radius
    for place in range(creature.eyes):
        x = centre[0] + (place - (creature.eyes - 1) / 2) * 2.15 * eye
        y = centre[1] - 0.18 * radius
        _disc(pen, (x, y), eye, CREAM)
        _disc(pen, (x, y), eye * 0.52, DARK)
    left, right = centre[0] - 0.36 * radius, centre[0] + 0.36 * radius
    if creature.mouth == "smile":
        box = (left, centre[1] + 0.05 * radius, right, centre[1] + 0.62 * radius)
        pen.chord(box, 0, 180, fill=DARK)
    elif creature.mouth == "open":
        _disc(pen, (centre[0], centre[1] + 0.52 * radius), 0.21 * radius, DARK)


def _disc(pen: ImageDraw.ImageDraw, centre: tuple[float, float], radius: float, rgb: Colour) -> None:
    x, y = centre
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=rgb)


def _finish(canvas: Image.Image, scene: Scene, rng: np.random.Generator) -> Pixels:
    """Reduces the canvas to the picture and gives it its style's surface."""
    size = (canvas.width // SUPERSAMPLE, canvas.height // SUPERSAMPLE)
    if scene.style == "pixel art":
        block = 2 if scene.size == "small" or scene.companion else 4
        coarse = canvas.resize((PICTURE // block, PICTURE // block), Image.Resampling.BOX)
        return np.asarray(coarse.resize(size, Image.Resampling.NEAREST))
    picture = canvas.resize(size, Image.Resampling.BOX)
    if scene.style != "painting":
        return np.asarray(picture)
    strokes = Image.fromarray(rng.uniform(0, 255, size=(16, 8)).astype(np.uint8))
    wash = np.asarray(strokes.resize(size, Image.Resampling.BICUBIC), dtype=np.float32) / 255 - 0.5
    muted = np.asarray(picture, dtype=np.float32) * 0.88 + np.array((20, 16, 10), dtype=np.float32)
    return np.clip(muted + 30 * wash[..., None], 0, 255).astype(np.uint8)


def sheet(pictures: list[Pixels], columns: int) -> Image.Image:
    """Square pictures of one size side by side, row by row, with a pixel between them."""
    rows, cell = -(-len(pictures) // columns), pictures[0].shape[1] + 1
    board = Image.new("RGB", (columns * cell, rows * cell), (128, 128, 128))
    for place, pixels in enumerate(pictures):
        board.paste(Image.fromarray(pixels), ((place % columns) * cell, (place // columns) * cell))
    return board


if __name__ == "__main__":
    from tools.demo_model.scenes import random_scenes

    sheet([draw(scene) for scene in random_scenes(160, seed=1)], columns=16).save(Path(sys.argv[1]))
