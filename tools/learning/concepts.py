"""The things that a word is to learn, where they stand in the pictures, and the plain words that come closest.

A concept is a drawn figure. Its pictures differ in background, place and size; its captions name those, and never the
figure. No background of the training pictures occurs in the held-out ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from tools.demo_model.captions import PLACE_WORDS, background_words
from tools.demo_model.drawing import PICTURE, Creature, Figure, Pixels, Scene, draw

Setting = tuple[str, str | None, str | None]
"""Background, place, size."""

TRAINING_SETTINGS: tuple[Setting, ...] = (
    ("gray", "left", None),
    ("beach", None, None),
    ("pink", "top", None),
    ("snow", "right", "small"),
    ("green", None, "large"),
)
HELD_OUT_SETTINGS: tuple[Setting, ...] = (
    ("white", None, None),
    ("blue", "right", None),
    ("black", "left", None),
    ("yellow", "top", None),
    ("night", None, "small"),
    ("grass", "right", None),
    ("white", None, "large"),
    ("blue", "bottom", None),
    ("black", "top", "small"),
    ("night", "left", None),
)
TRUE_BACKGROUNDS = ("white", "black")
"""Behind the drawings that pictures are compared with: nothing in a figure is mistaken for them."""
TRUE_DRAWINGS = 12

_SEEDS = {"training": 100, "held out": 200, "true": 300}


@dataclass(frozen=True)
class Concept:
    """A figure, and what can be said of it."""

    word: str
    """What the learnt word is called; no word of any language."""
    initialization_text: str
    wordings: tuple[str, ...]
    """Plain descriptions to try, without an article; the best of them is what the learnt word has to beat."""
    figure: Figure

    @property
    def training(self) -> tuple[Scene, ...]:
        """The pictures that are learnt from."""
        return self._scenes(TRAINING_SETTINGS, _SEEDS["training"])

    @property
    def held_out(self) -> tuple[Scene, ...]:
        """Pictures that are not learnt from, to measure the loss on."""
        return self._scenes(HELD_OUT_SETTINGS, _SEEDS["held out"])

    @property
    def true(self) -> tuple[Scene, ...]:
        """Drawings that painted pictures are compared with."""
        settings: list[Setting] = [
            (TRUE_BACKGROUNDS[place % len(TRUE_BACKGROUNDS)], None, None) for place in range(TRUE_DRAWINGS)
        ]
        return self._scenes(settings, _SEEDS["true"])

    def _scenes(self, settings: Sequence[Setting], seed: int) -> tuple[Scene, ...]:
        return tuple(
            Scene(self.figure, background, place=place, size=size, seed=seed + number)
            for number, (background, place, size) in enumerate(settings)
        )


CONCEPTS: dict[str, Concept] = {
    concept.word: concept
    for concept in (
        Concept(
            "trizebra",
            "triangle",
            (
                "orange and teal striped triangle",
                "orange striped teal triangle",
                "teal and orange striped triangle",
                "orange striped triangle",
                "striped triangle",
            ),
            Figure("triangle", (245, 135, 20), "orange", "striped", (15, 165, 165)),
        ),
        Concept(
            "freckleheart",
            "heart",
            (
                "green dotted heart",
                "brown dotted heart",
                "brown and green heart with pink dots",
                "green heart with pink dots",
                "gray dotted heart",
                "dotted heart",
            ),
            Figure("heart", (105, 115, 60), None, "dotted", (255, 190, 150)),
        ),
        Concept(
            "hornling",
            "creature",
            (
                "purple creature with one eye and yellow horns",
                "purple creature with yellow horns",
                "purple monster with one eye and yellow horns",
                "purple creature with one eye",
                "purple creature",
            ),
            Figure("creature", (135, 45, 175), "purple", creature=Creature(1, horns=(248, 222, 40))),
        ),
        Concept(
            "duskcross",
            "cross",
            (
                "purple striped cross",
                "purple and black striped cross",
                "blue striped cross",
                "purple and gray striped cross",
                "purple cross",
                "striped cross",
            ),
            Figure("cross", (160, 130, 230), None, "striped", (60, 50, 90)),
        ),
        Concept(
            "plumchess",
            "square",
            (
                "purple and orange checkered square",
                "orange and purple checkered square",
                "brown and orange checkered square",
                "orange and black checkered square",
                "orange checkered square",
                "checkered square",
            ),
            Figure("square", (90, 20, 60), None, "checkered", (240, 180, 60)),
        ),
        Concept(
            "coralstar",
            "star",
            (
                "orange and blue striped star",
                "pink and blue striped star",
                "red and black striped star",
                "orange striped star",
                "pink striped star",
                "striped star",
            ),
            Figure("star", (240, 110, 90), None, "striped", (40, 50, 110)),
        ),
    )
}


def surroundings(scene: Scene) -> str:
    """Says place and background of a scene: "on the left on a gray background"."""
    place = PLACE_WORDS[scene.place] if scene.place else ""
    return f"{place} {background_words(scene.background)}".strip()


def caption(scene: Scene) -> str:
    """Says everything of a scene but its figure, as the file beside a training picture does: "small, in the snow"."""
    return ", ".join(words for words in (scene.size, surroundings(scene)) if words)


def prompt(thing: str, around: str = "", size: str | None = None) -> str:
    """Returns "a photo of a small orange triangle on the left", with the right article."""
    named = f"{size} {thing}" if size else thing
    article = "an" if named[0] in "aeiou" else "a"
    return f"a photo of {article} {named} {around}".strip()


def prompt_of(scene: Scene, thing: str) -> str:
    """Returns the prompt that describes a scene rightly, whatever the thing in it is called."""
    return prompt(thing, surroundings(scene), scene.size)


def pictures(scenes: Sequence[Scene], side: int = PICTURE) -> list[Pixels]:
    """Draws scenes, of so many pixels width and height."""
    return [draw(scene, side) for scene in scenes]


def write_dataset(concept: Concept, folder: Path, side: int = PICTURE) -> None:
    """Writes the training pictures, of so many pixels width and height, each with its caption beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, scene in enumerate(concept.training, 1):
        path = folder / f"{number}.png"
        Image.fromarray(draw(scene, side)).save(path, optimize=True)
        path.with_suffix(".txt").write_text(caption(scene) + "\n", encoding="utf-8")
