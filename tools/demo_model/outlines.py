"""The outlines of everything that can be drawn, as polygons about (0, 0) with radius 1; y grows downwards."""

import math
from collections.abc import Callable, Sequence

from tools.demo_model.palette import Colour, mix

Point = tuple[float, float]
Polygon = Sequence[Point]
SOLID, HOLE = 255, 0


def ellipse(x: float, y: float, width: float, height: float) -> Polygon:
    """An ellipse about (x, y) with the given half-axes."""
    turns = [2 * math.pi * k / 48 for k in range(48)]
    return [(x + width * math.cos(t), y + height * math.sin(t)) for t in turns]


def box(left: float, top: float, right: float, bottom: float) -> Polygon:
    """An upright rectangle."""
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def _star() -> Polygon:
    points = []
    for k in range(10):
        reach = 1.05 if k % 2 == 0 else 0.44
        points.append((reach * math.sin(k * math.pi / 5), -reach * math.cos(k * math.pi / 5) + 0.06))
    return points


def _heart() -> Polygon:
    points = []
    for k in range(60):
        t = 2 * math.pi * k / 60
        y = 13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)
        points.append((16 * math.sin(t) ** 3 / 16.5, -y / 15.5 - 0.08))
    return points


def _cross() -> Polygon:
    arm, end = 0.34, 0.98
    quarter = [(-arm, -end), (arm, -end), (arm, -arm)]
    return [turned(point, 90 * k) for k in range(4) for point in quarter]


def turned(point: Point, degrees: float) -> Point:
    """The point, turned clockwise about (0, 0)."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return point[0] * c - point[1] * s, point[0] * s + point[1] * c


def _petal(number: int) -> Polygon:
    turn = 1.2566 * number
    return ellipse(0.5 * math.sin(turn), -0.3 - 0.5 * math.cos(turn), 0.36, 0.36)


Layers = list[tuple[Polygon, int]]

BODIES: dict[str, Layers] = {
    "circle": [(ellipse(0, 0, 0.96, 0.96), SOLID)],
    "square": [(box(-0.84, -0.84, 0.84, 0.84), SOLID)],
    "triangle": [([(0, -0.98), (1.0, 0.8), (-1.0, 0.8)], SOLID)],
    "star": [(_star(), SOLID)],
    "heart": [(_heart(), SOLID)],
    "diamond": [([(0, -1.08), (0.72, 0), (0, 1.08), (-0.72, 0)], SOLID)],
    "ring": [(ellipse(0, 0, 1, 1), SOLID), (ellipse(0, 0, 0.54, 0.54), HOLE)],
    "cross": [(_cross(), SOLID)],
    "creature": [(ellipse(0, 0.08, 0.86, 0.84), SOLID)],
    "tree": [(ellipse(0, -0.35, 0.75, 0.66), SOLID)],
    "house": [(box(-0.8, -0.15, 0.8, 0.9), SOLID)],
    "fish": [(ellipse(-0.15, 0, 0.8, 0.5), SOLID), ([(0.4, 0), (1.05, -0.5), (1.05, 0.5)], SOLID)],
    "cup": [
        (ellipse(0.6, 0, 0.4, 0.42), SOLID),
        (ellipse(0.6, 0, 0.2, 0.22), HOLE),
        ([(-0.85, -0.75), (0.62, -0.75), (0.45, 0.8), (-0.68, 0.8)], SOLID),
    ],
    "car": [
        (box(-1.05, -0.1, 1.05, 0.5), SOLID),
        ([(-0.7, -0.1), (-0.45, -0.62), (0.35, -0.62), (0.7, -0.1)], SOLID),
    ],
    "flower": [(_petal(k), SOLID) for k in range(5)],
}

EARS: dict[str, Layers] = {
    "round": [(ellipse(side * 0.62, -0.66, 0.34, 0.34), SOLID) for side in (-1, 1)],
    "pointed": [([(side * 0.25, -0.6), (side * 0.72, -1.2), (side * 0.82, -0.2)], SOLID) for side in (-1, 1)],
    "long": [(ellipse(side * 0.42, -0.95, 0.2, 0.6), SOLID) for side in (-1, 1)],
}

HORNS: list[Polygon] = [[(side * 0.02, -0.62), (side * 0.36, -1.3), (side * 0.5, -0.5)] for side in (-1, 1)]

Details = list[tuple[Polygon, Colour]]


def _tree(rgb: Colour) -> Details:
    return [(box(-0.16, 0.28, 0.16, 1.0), (110, 72, 40))]


def _house(rgb: Colour) -> Details:
    roof, dark = mix(rgb, (30, 15, 15), 0.6), (60, 45, 40)
    return [
        ([(-1.05, -0.13), (0, -1.0), (1.05, -0.13)], roof),
        (box(-0.2, 0.3, 0.2, 0.9), dark),
        (box(0.38, 0.1, 0.68, 0.4), (250, 240, 190)),
    ]


def _fish(rgb: Colour) -> Details:
    return [(ellipse(-0.58, -0.1, 0.17, 0.17), (250, 248, 240)), (ellipse(-0.6, -0.1, 0.09, 0.09), (25, 22, 28))]


def _car(rgb: Colour) -> Details:
    window = (200, 228, 245)
    wheels = [(ellipse(x, 0.5, 0.28, 0.28), (35, 35, 38)) for x in (-0.55, 0.55)]
    return [*wheels, (box(-0.38, -0.5, -0.05, -0.1), window), (box(0.05, -0.5, 0.36, -0.1), window)]


def _flower(rgb: Colour) -> Details:
    return [(box(-0.08, 0.4, 0.08, 1.1), (50, 130, 50)), (ellipse(0, -0.3, 0.27, 0.27), mix(rgb, (70, 50, 10), 0.7))]


DETAILS: dict[str, Callable[[Colour], Details]] = {
    "tree": _tree,
    "house": _house,
    "fish": _fish,
    "car": _car,
    "flower": _flower,
}


def body(kind: str, ears: str | None = None) -> Layers:
    """The polygons that carry the figure's colour and pattern, each to be added to the mask or cut out of it."""
    if kind not in BODIES:
        raise ValueError(f"nothing called {kind!r} can be drawn; there are {', '.join(BODIES)}")
    return [*(EARS[ears] if ears else []), *BODIES[kind]]


def details(kind: str, rgb: Colour) -> Details:
    """The polygons with colours of their own: wheels, windows, a trunk."""
    return DETAILS[kind](rgb) if kind in DETAILS else []


def place(polygon: Polygon, centre: Point, radius: float, degrees: float = 0.0) -> list[Point]:
    """The polygon at its place on the canvas, in canvas pixels."""
    points = (turned(point, degrees) for point in polygon) if degrees else polygon
    return [(centre[0] + x * radius, centre[1] + y * radius) for x, y in points]
