"""Random scenes, in the proportions that the demo model is trained on."""

from dataclasses import replace

import numpy as np

from tools.demo_model.backdrops import BACKGROUNDS, PLAIN
from tools.demo_model.drawing import (
    EARS,
    MOUTHS,
    PATTERNS,
    PLACES,
    SHAPES,
    SIZES,
    STYLES,
    THINGS,
    Creature,
    Figure,
    Scene,
)
from tools.demo_model.palette import COLOURS, Colour, distance, jittered

CREATURES_UNTIL, THINGS_UNTIL, PAIRS_UNTIL = 0.24, 0.35, 0.40
"""24 % creatures, 11 % things, 5 % pairs of shapes; the rest is single shapes."""
NAMELESS_SHARE = 0.06
"""Pictures in a colour that has no word: the model must not believe that only twelve colours exist."""
PATTERNED_FROM = {"shape": 0.55, "creature": 0.75}
TWO_COLOURED_SHARE = 0.15
"""Patterns whose second colour is one of the twelve and no shade of the first."""
STYLED_SHARE = 0.6
SIZED_SHARE = 0.45
PLACED_SHARE = 0.5
EARED_SHARE, MOUTHED_SHARE, HORNED_SHARE = 0.6, 0.7, 0.35

TYPICAL_TONES: dict[str, Colour] = {
    "beach": (238, 214, 160),
    "night": (16, 20, 58),
    "snow": (200, 212, 230),
    "grass": (82, 160, 52),
}
LEAST_CONTRAST = 95.0


def random_scenes(count: int, seed: int) -> list[Scene]:
    """Scenes that depend on nothing but the seed; the first ones are the same whatever the count."""
    return [random_scene(np.random.default_rng([seed, place])) for place in range(count)]


def random_scene(rng: np.random.Generator) -> Scene:
    """One scene: mostly a shape, else a creature, a thing, or two shapes side by side."""
    background = _pick(rng, BACKGROUNDS)
    lot = rng.random()
    companion = None
    if lot < CREATURES_UNTIL:
        figure = _creature(rng, background)
    elif lot < THINGS_UNTIL:
        figure = _figure(rng, _pick(rng, THINGS), background)
    elif lot < PAIRS_UNTIL:
        figure, companion = (replace(_shape(rng, background), pattern="plain") for _ in range(2))
    else:
        figure = _shape(rng, background)
    size, place = (None, None) if companion else _size_and_place(rng)
    style = _pick(rng, STYLES) if rng.random() < STYLED_SHARE else "photo"
    return Scene(figure, background, style, place, size, companion, seed=int(rng.integers(2**31)))


def _size_and_place(rng: np.random.Generator) -> tuple[str | None, str | None]:
    size = _pick(rng, SIZES) if rng.random() < SIZED_SHARE else None
    place = _pick(rng, PLACES) if rng.random() < PLACED_SHARE and size != "large" else None
    return size, place


def _figure(rng: np.random.Generator, kind: str, background: str) -> Figure:
    """A plain figure in a colour that stands out from the background."""
    behind = PLAIN[background] if background in PLAIN else TYPICAL_TONES[background]
    words = [word for word, rgb in COLOURS.items() if distance(rgb, behind) > LEAST_CONTRAST]
    if rng.random() < NAMELESS_SHARE:
        return Figure(kind, _nameless(rng, behind))
    word = _pick(rng, words)
    return Figure(kind, jittered(COLOURS[word], rng), word)


def _nameless(rng: np.random.Generator, behind: Colour) -> Colour:
    """Any colour at all that stands out from the background."""
    while True:
        red, green, blue = (int(c) for c in rng.integers(0, 256, size=3))
        if distance((red, green, blue), behind) > LEAST_CONTRAST:
            return red, green, blue


def _shape(rng: np.random.Generator, background: str) -> Figure:
    figure = _figure(rng, _pick(rng, SHAPES), background)
    pattern = "plain" if rng.random() < PATTERNED_FROM["shape"] else _pick(rng, PATTERNS[1:])
    bold = rng.random() < TWO_COLOURED_SHARE and pattern != "plain"
    other = jittered(COLOURS[_pick(rng, tuple(COLOURS))], rng) if bold else None
    return replace(figure, pattern=pattern, pattern_rgb=other)


def _creature(rng: np.random.Generator, background: str) -> Figure:
    figure = _figure(rng, "creature", background)
    pattern = "plain" if rng.random() < PATTERNED_FROM["creature"] else _pick(rng, PATTERNS[1:])
    horned = rng.random() < HORNED_SHARE
    word = _pick(rng, tuple(COLOURS)) if horned else None
    parts = Creature(
        eyes=int(rng.choice((1, 2, 3), p=(0.3, 0.5, 0.2))),
        ears=_pick(rng, EARS) if rng.random() < EARED_SHARE else None,
        mouth=_pick(rng, MOUTHS) if rng.random() < MOUTHED_SHARE else None,
        horns=jittered(COLOURS[word], rng) if word else None,
        horns_colour=word,
    )
    return replace(figure, pattern=pattern, creature=parts)


def _pick(rng: np.random.Generator, options: tuple[str, ...] | list[str]) -> str:
    return options[int(rng.integers(len(options)))]
