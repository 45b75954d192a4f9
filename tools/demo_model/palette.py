"""The twelve colours that have a word, and what can be done with a colour. Values are RGB, 0 to 255."""

import numpy as np

Colour = tuple[int, int, int]

COLOURS: dict[str, Colour] = {
    "red": (215, 30, 35),
    "orange": (245, 135, 20),
    "yellow": (248, 222, 40),
    "green": (40, 165, 60),
    "teal": (15, 165, 165),
    "blue": (35, 75, 215),
    "purple": (135, 45, 175),
    "pink": (250, 135, 190),
    "brown": (125, 75, 35),
    "gray": (135, 135, 135),
    "black": (22, 22, 22),
    "white": (248, 248, 248),
}


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """`share` of the second colour and the rest of the first."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def distance(first: Colour, second: Colour) -> float:
    """How far apart two colours are: Euclidean in RGB, 0 to 441."""
    return float(np.linalg.norm(np.subtract(first, second)))


def jittered(rgb: Colour, rng: np.random.Generator, amount: int = 10) -> Colour:
    """The colour, each channel moved by up to `amount`."""
    red, green, blue = (int(np.clip(c + rng.integers(-amount, amount + 1), 0, 255)) for c in rgb)
    return red, green, blue
