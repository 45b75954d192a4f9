"""Words for how things are shown: taught from pictures of different things in one manner, judged on new things."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ti_studio.embeddings.embedding import Embedding
from ti_studio.training.config.request import TrainRequest
from tools.demo_model.artwork.manners import in_manner
from tools.demo_model.drawing import Pixels
from tools.learning.lineup import SIDE, Lineup, in_lab
from tools.learning.studio import Studio

SUBJECTS = ("house", "dog", "car", "tree", "fish", "cup", "flower", "star")
"""New things, which no picture of a manner showed."""
SCALES, BINS = (1, 2, 4), 10
STEEPEST = 60.0
"""Of lightness between neighbours, where the last bin begins."""
NEAREST = 3
WORD = "my-manner"

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Shares:
    """What came of one word, 0 to 1 each."""

    judge: float
    """How often the judge of manners is right on true pictures of things that were not taught."""
    without: float
    """Pictures without the word that are taken for the manner."""
    manner: float
    """Pictures with it that are."""
    thing: float
    """Pictures with it that show the thing asked for, of eight."""


class Manners:
    """Tells pictures in a manner from plain ones by their colours, and by how steep and how frequent edges are."""

    def __init__(self, shown: Sequence[Pixels], plain: Sequence[Pixels]) -> None:
        """Compares with pictures in the manner, and with plain ones."""
        self._shown, self._plain = ([look_of(pixels) for pixels in some] for some in (shown, plain))

    def nearness(self, pixels: Pixels) -> float:
        """Above 0 for what is nearer to the manner than to plain pictures."""
        look = look_of(pixels)
        shown, plain = (
            float(np.mean(sorted(float(np.linalg.norm(look - other)) for other in others)[:NEAREST]))
            for others in (self._shown, self._plain)
        )
        return plain - shown


def look_of(pixels: Pixels) -> Array:
    """Roots of histograms: of the colours in Lab, and of the differences of lightness at three scales."""
    field = in_lab(Image.fromarray(pixels))
    edges = [np.linspace(0, 100, 6), np.linspace(-80, 80, 9), np.linspace(-80, 80, 9)]
    flat = np.clip(field.reshape(-1, 3), [0, -80, -80], [99.9, 79.9, 79.9])
    parts = [np.histogramdd(flat, bins=edges)[0].ravel() / len(flat)]
    for scale in SCALES:
        light = field[: SIDE // scale * scale : scale, : SIDE // scale * scale : scale, 0]
        steps = np.concatenate([np.abs(np.diff(light, axis=axis)).ravel() for axis in (0, 1)])
        bins = np.concatenate([[0, 0.5], np.geomspace(1, STEEPEST, BINS - 2), [101]])
        parts.append(np.histogram(steps, bins)[0] / len(steps))
    return np.concatenate([np.sqrt(part) for part in parts])


def pictures_of(concepts: Path, names: Sequence[str], side: int) -> dict[str, Pixels]:
    """One held-out picture of each thing."""
    found = {}
    for name in names:
        path = sorted((concepts / name / "held").glob("*.png"))[0]
        found[name] = np.asarray(Image.open(path).convert("RGB").resize((side, side), Image.Resampling.LANCZOS))
    return found


def teach(studio: Studio, pictures: dict[str, Pixels], manner: int, folder: Path, given: dict[str, Any]) -> Embedding:
    """Teaches a word, with the fields given, from the pictures in a manner; each file's name says what is shown."""
    dataset = folder / "pictures"
    dataset.mkdir(parents=True, exist_ok=True)
    for place, (name, pixels) in enumerate(pictures.items()):
        Image.fromarray(in_manner(pixels, manner, place)).save(dataset / f"{name.replace('-', ' ')}.png")
    request = TrainRequest(**{**given, "name": WORD, "dataset_directory": str(dataset)})
    return studio.teach(request, folder / "job")


def paint_all(studio: Studio, folder: Path, word: Embedding | None, count: int, negative: bool = False) -> None:
    """Paints every subject `count` times to `folder/<subject>/held`, unless it is there."""
    for subject in SUBJECTS:
        target = folder / subject / "held"
        if target.exists():
            continue
        prompt = f"a photo of a {subject}"
        behind = f", art by {WORD}" if word is not None and not negative else ""
        painted = studio.paint(prompt + behind, range(count), word, negative=WORD if negative else "")
        target.mkdir(parents=True)
        for seed, pixels in enumerate(painted):
            Image.fromarray(pixels).save(target / f"{seed:02d}.png")


def judge(folder: Path, manner: int, taught: dict[str, Pixels], others: dict[str, Pixels]) -> Shares:
    """Judges what was painted with the word and without it."""
    manners = Manners([in_manner(p, manner, k) for k, p in enumerate(taught.values())], list(taught.values()))
    right = [manners.nearness(in_manner(p, manner, 100 + k)) > 0 for k, p in enumerate(others.values())]
    right += [manners.nearness(p) <= 0 for p in others.values()]
    for subject in SUBJECTS:
        target = folder / "references" / subject / "held"
        target.mkdir(parents=True, exist_ok=True)
        for place, pixels in enumerate(_painted(folder / "without" / subject)):
            Image.fromarray(in_manner(pixels, manner, 200 + place)).save(target / f"{place:02d}.png")
    lineup = Lineup(folder / "references")
    shown = {subject: _painted(folder / "with" / subject) for subject in SUBJECTS}
    things = [lineup.ranked(Image.fromarray(p))[0] == subject for subject, some in shown.items() for p in some]
    return Shares(
        float(np.mean(right)),
        *(
            float(np.mean([manners.nearness(p) > 0 for s in SUBJECTS for p in _painted(folder / way / s)]))
            for way in ("without", "with")
        ),
        float(np.mean(things)),
    )


def cleanness(folder: Path, manner: int, pictures: dict[str, Pixels]) -> tuple[float, float, float]:
    """How much nearer to clean pictures than to spoilt ones is what was painted without the word, and with it in the
    negative prompt; and the share of the latter that still shows the thing that the former showed."""
    manners = Manners([in_manner(p, manner, k) for k, p in enumerate(pictures.values())], list(pictures.values()))
    without, negative = (
        float(np.mean([-manners.nearness(p) for s in SUBJECTS for p in _painted(folder / way / s)]))
        for way in ("without", "negative")
    )
    lineup = Lineup(folder / "without")
    things = [lineup.ranked(Image.fromarray(p))[0] == s for s in SUBJECTS for p in _painted(folder / "negative" / s)]
    return without, negative, float(np.mean(things))


def sheet(folder: Path, ways: Sequence[str], side: int) -> Image.Image:
    """The pictures of a manner in its first row, and below them each subject's first picture, each way."""
    rows = [sorted((folder / "pictures").glob("*.png"))[: len(SUBJECTS)]]
    rows += [[folder / way / subject / "held" / "00.png" for subject in SUBJECTS] for way in ways]
    board = Image.new("RGB", (len(SUBJECTS) * side, len(rows) * side), "white")
    for y, row in enumerate(rows):
        for x, path in enumerate(row):
            board.paste(Image.open(path).convert("RGB").resize((side, side)), (x * side, y * side))
    return board


def _painted(folder: Path) -> list[Pixels]:
    return [np.asarray(Image.open(path).convert("RGB")) for path in sorted((folder / "held").glob("*.png"))]


def kept(path: Path, shares: dict[str, float]) -> None:
    """Writes the figures beside the pictures."""
    path.write_text(json.dumps(shares, indent=1), encoding="utf-8")
