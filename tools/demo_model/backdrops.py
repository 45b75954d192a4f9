"""What stands behind the figure: seven plain colours and four places."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from tools.demo_model.palette import Colour, jittered

PLAIN: dict[str, Colour] = {
    "white": (250, 250, 250),
    "black": (12, 12, 12),
    "blue": (70, 115, 225),
    "green": (95, 190, 100),
    "yellow": (250, 230, 110),
    "pink": (250, 190, 215),
    "gray": (160, 160, 160),
}


def backdrop(name: str, side: int, rng: np.random.Generator) -> Image.Image:
    """An RGB image [side, side] of the named background."""
    if name in PLAIN:
        return Image.new("RGB", (side, side), jittered(PLAIN[name], rng, 4))
    if name not in PLACES:
        raise ValueError(f"no background is called {name!r}; there are {', '.join(BACKGROUNDS)}")
    canvas = Image.new("RGB", (side, side))
    PLACES[name](ImageDraw.Draw(canvas), side, rng)
    return canvas


def _bands(pen: ImageDraw.ImageDraw, side: int, bands: list[tuple[float, Colour]]) -> None:
    """Horizontal bands from the top; each is the height at which it begins (0 to 1) and its colour."""
    for start, rgb in bands:
        pen.rectangle((0, round(start * side), side, side), fill=rgb)


def _spots(pen: ImageDraw.ImageDraw, places: np.ndarray, radius: float, rgb: Colour) -> None:
    for x, y in places:
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=rgb)


def _beach(pen: ImageDraw.ImageDraw, side: int, rng: np.random.Generator) -> None:
    shore = rng.uniform(0.56, 0.64)
    bands: list[tuple[float, Colour]] = [(0, (150, 210, 245)), (shore - 0.17, (30, 130, 190)), (shore, (238, 214, 160))]
    _bands(pen, side, bands)


def _night(pen: ImageDraw.ImageDraw, side: int, rng: np.random.Generator) -> None:
    _bands(pen, side, [(0, (16, 20, 58)), (0.82, (10, 12, 32))])
    _spots(pen, rng.uniform(0.04, 0.78, size=(9, 2)) * side, side / 85, (240, 240, 210))
    _spots(pen, np.array([[0.84, 0.15]]) * side, side / 11, (245, 240, 200))


def _snow(pen: ImageDraw.ImageDraw, side: int, rng: np.random.Generator) -> None:
    ground = rng.uniform(0.58, 0.66)
    _bands(pen, side, [(0, (150, 172, 200)), (ground, (240, 244, 252))])
    _spots(pen, rng.uniform(0, 1, size=(9, 2)) * (side, side * ground), side / 64, (250, 250, 255))


def _grass(pen: ImageDraw.ImageDraw, side: int, rng: np.random.Generator) -> None:
    edge = rng.uniform(0.52, 0.6)
    _bands(pen, side, [(0, (178, 222, 250)), (edge, (82, 160, 52)), (edge + 0.2, (66, 140, 42))])


PLACES: dict[str, Callable[[ImageDraw.ImageDraw, int, np.random.Generator], None]] = {
    "beach": _beach,
    "night": _night,
    "snow": _snow,
    "grass": _grass,
}
BACKGROUNDS = (*PLAIN, *PLACES)
