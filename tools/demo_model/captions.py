"""Words for a scene: "a photo of a small red striped circle on the left on a white background".

    python -m tools.demo_model.captions     # prints captions of random scenes

A caption is drawn anew each time. Attributes are left out at random, so the model learns each word alone as well as in
company; what is left out of the caption may be anything in the picture.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from tools.demo_model.backdrops import BACKGROUNDS, PLAIN
from tools.demo_model.drawing import EARS, PATTERNS, PLACES, SHAPES, SIZES, STYLES, THINGS, Creature, Figure, Scene
from tools.demo_model.palette import COLOURS

EMPTY_SHARE = 0.1
"""Captions that say nothing: what classifier-free guidance steers away from."""

STYLE_WORDS = {
    "photo": "a photo of",
    "painting": "a painting of",
    "drawing": "a drawing of",
    "pixel art": "pixel art of",
}
SCENE_WORDS = {"beach": "on the beach", "night": "at night", "snow": "in the snow", "grass": "on the grass"}
PLACE_WORDS = {
    "left": "on the left",
    "right": "on the right",
    "top": "at the top",
    "bottom": "at the bottom",
    "center": "in the center",
}
EYE_WORDS = {1: "one eye", 2: "two eyes", 3: "three eyes"}
MOUTH_WORDS = {"smile": "a smile", "open": "an open mouth"}
CREATURE_WORDS = ("creature", "monster")
GENERAL_WORDS = ("shape", "thing", "object")

KEPT = {"style": 0.8, "size": 0.85, "colour": 0.92, "pattern": 0.92, "kind": 0.95, "place": 0.85, "background": 0.82}
"""How often an attribute that the picture has is also said."""
PART_KEPT = 0.65
BACKGROUND_FIRST = 0.25
THE_SHARE = 0.08
MONSTER_SHARE = 0.2


@dataclass(frozen=True)
class Caption:
    """A caption, and which of the scene's attributes it states."""

    text: str
    stated: Mapping[str, str] = field(default_factory=dict)


def background_words(background: str) -> str:
    """ "white" gives "on a white background", "night" gives "at night"."""
    return SCENE_WORDS.get(background, f"on a {background} background")


def caption(scene: Scene, rng: np.random.Generator) -> Caption:
    """A caption with attributes left out at random; sometimes nothing at all."""
    if rng.random() < EMPTY_SHARE:
        return Caption("")
    said = {name: value for name, value in attributes(scene).items() if rng.random() < KEPT.get(name, PART_KEPT)}
    return Caption(_worded(scene, said, rng), said)


def full_caption(scene: Scene) -> str:
    """The caption that leaves nothing out; always the same for the same scene."""
    return _worded(scene, attributes(scene), None)


def attributes(scene: Scene) -> dict[str, str]:
    """Every attribute of the scene that has words, by name. A plain pattern and the usual size go without saying."""
    figure = scene.figure
    known = {
        "style": scene.style,
        "kind": figure.kind,
        "colour": figure.colour,
        "pattern": figure.pattern if figure.pattern != "plain" else None,
        "size": scene.size,
        "place": scene.place,
        "background": scene.background,
        **(_parts(figure.creature) if figure.creature else {}),
    }
    return {name: value for name, value in known.items() if value is not None}


def _parts(creature: Creature) -> dict[str, str | None]:
    horns = None if creature.horns is None else creature.horns_colour or "some"
    return {"eyes": str(creature.eyes), "ears": creature.ears, "mouth": creature.mouth, "horns": horns}


def _worded(scene: Scene, said: Mapping[str, str], rng: np.random.Generator | None) -> str:
    """The stated attributes as one phrase; without `rng` in the usual words and order."""
    opening = STYLE_WORDS[said["style"]] if "style" in said else _pick(rng, ("", "", "a picture of"))
    middle = _figure_words(scene.figure, said, rng)
    if scene.companion is not None:
        joint = _pick(rng, ("and", "next to"))
        middle += f" {joint} {_figure_words(scene.companion, attributes(Scene(scene.companion)), rng)}"
    ends = [PLACE_WORDS[said["place"]] if "place" in said else ""]
    ends.append(background_words(said["background"]) if "background" in said else "")
    if _chance(rng, BACKGROUND_FIRST):
        ends.reverse()
    return " ".join(part for part in (opening, middle, *ends) if part)


def _figure_words(figure: Figure, said: Mapping[str, str], rng: np.random.Generator | None) -> str:
    """ "a small red striped circle", "a monster with one eye and horns"."""
    adjectives = [said[name] for name in ("size", "colour", "pattern") if name in said]
    words = [*adjectives, _noun(figure, "kind" in said, rng)]
    article = "the" if _chance(rng, THE_SHARE) else _article(words[0])
    return " ".join([article, *words, _part_words(said)]).strip()


def _noun(figure: Figure, kind_is_said: bool, rng: np.random.Generator | None) -> str:
    if figure.kind == "creature":
        return "monster" if _chance(rng, MONSTER_SHARE) else "creature"
    if kind_is_said:
        return figure.kind
    return _pick(rng, GENERAL_WORDS if figure.kind in SHAPES else GENERAL_WORDS[1:])


def _part_words(said: Mapping[str, str]) -> str:
    parts = []
    if "eyes" in said:
        parts.append(EYE_WORDS[int(said["eyes"])])
    if "ears" in said:
        parts.append(f"{said['ears']} ears")
    if "horns" in said:
        parts.append("horns" if said["horns"] == "some" else f"{said['horns']} horns")
    if "mouth" in said:
        parts.append(MOUTH_WORDS[said["mouth"]])
    return "with " + " and ".join(parts) if parts else ""


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def _pick(rng: np.random.Generator | None, options: tuple[str, ...]) -> str:
    return options[0 if rng is None else int(rng.integers(len(options)))]


def _chance(rng: np.random.Generator | None, share: float) -> bool:
    return rng is not None and rng.random() < share


def known_words() -> tuple[str, ...]:
    """Every word that a caption can contain, sorted."""
    phrases = [
        *STYLE_WORDS.values(),
        *SCENE_WORDS.values(),
        *PLACE_WORDS.values(),
        *EYE_WORDS.values(),
        *MOUTH_WORDS.values(),
        *CREATURE_WORDS,
        *GENERAL_WORDS,
        *(background_words(name) for name in PLAIN),
        *(*COLOURS, *SHAPES, *THINGS, *PATTERNS[1:], *SIZES, *EARS),
        "a an the picture of and next to with ears horns",
    ]
    return tuple(sorted({word for phrase in phrases for word in phrase.split()}))


ATTRIBUTE_VALUES: dict[str, tuple[str, ...]] = {
    "style": STYLES,
    "kind": (*SHAPES, *THINGS, "creature"),
    "colour": tuple(COLOURS),
    "pattern": PATTERNS[1:],
    "size": SIZES,
    "place": PLACES,
    "background": BACKGROUNDS,
    "eyes": ("1", "2", "3"),
    "ears": EARS,
    "mouth": tuple(MOUTH_WORDS),
    "horns": ("some", *COLOURS),
}
"""What each attribute of `Caption.stated` can be."""


if __name__ == "__main__":
    from tools.demo_model.scenes import random_scenes

    generator = np.random.default_rng(0)
    for scene in random_scenes(40, seed=1):
        print(caption(scene, generator).text or "(nothing)")
