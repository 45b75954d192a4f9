"""Words taught by the plain recipe and by a preset, one training at a time, and the recipes compared."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

from ti_studio.training.config.preset_kinds import Presets
from ti_studio.training.config.presets import filled, presets_for
from ti_studio.training.config.request import TrainRequest
from tools.learning.concepts import CONCEPTS, Concept, prompt
from tools.learning.curves import Classroom, Curve, Point
from tools.learning.likeness import Likeness
from tools.learning.measuring import DEMANDS, share
from tools.learning.report import percent, table
from tools.learning.studio import Described, Studio

PLAIN = "plain"
PLAIN_RECIPE: dict[str, Any] = {
    "optimizer": "adamw",
    "learning_rate": "0.005",
    "timestep_sampling": "uniform",
    "template": "subject_filewords.txt",
    "batch_size": 4,
    "vectors_per_token": 2,
}
"""Nothing else of a request's defaults is a trick."""
NO_TRAINING = "text"
"""The initialization text: it is painted and not taught."""
TIMESTEPS = 8
"""For each held-out drawing: half of what measure_learning.py takes, because curves have many points."""
WITHIN = 1.01
"""Of the plain recipe's level."""


@dataclass(frozen=True)
class Task:
    """A training that is to be measured."""

    recipe: str
    """PLAIN, NO_TRAINING or a preset's name."""
    word: str
    seed: int
    pictures: int
    """Of each prompt; other ones for each seed."""
    most_steps: int
    """Of the plain recipe."""


@dataclass(frozen=True)
class Outcome:
    """What came of a training."""

    task: Task
    curve: Curve
    end: Point
    """The finished word."""
    obeyed: dict[str, float]
    """Share of pictures in which each demand holds."""
    picture: float
    """Picture score of "a photo of a …"."""

    @property
    def obedience(self) -> float:
        """The mean share over all demands."""
        return fmean(self.obeyed.values())

    def to_json(self) -> str:
        """Returns the outcome as one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> "Outcome":
        """Reads such a line."""
        told = json.loads(line)
        curve = Curve([Point(**point) for point in told["curve"]["points"]])
        return cls(Task(**told["task"]), curve, Point(**told["end"]), told["obeyed"], told["picture"])

    def told(self) -> str:
        """Returns a line to read while the others run."""
        taught = f"{self.end.step} steps, {self.end.seconds:.0f} s, loss {self.end.loss:.4f}, " if self.end.step else ""
        return f"{self.task.recipe} {self.task.word} {self.task.seed}: {taught}obeyed {percent(self.obedience)}"


def read_outcomes(path: Path) -> list[Outcome]:
    """Returns the outcomes that a file has; none if there is no file."""
    if not path.exists():
        return []
    return [Outcome.from_json(line) for line in path.read_text(encoding="utf-8").splitlines()]


def measure_task(task: Task, checkpoint: Path) -> Outcome:
    """Teaches a word, measures it on its way, and looks at its pictures."""
    concept = CONCEPTS[task.word]
    studio = Studio(checkpoint, TIMESTEPS)
    described, curve, end = Described(concept.initialization_text), Curve(), Point(0, 0.0, 0.0)
    if task.recipe != NO_TRAINING:
        room = Classroom(studio, concept)
        request = _request(task, concept, presets_for(studio.model.info))
        word, curve, end = room.teach(request, until_flat=task.recipe == PLAIN)
        described = Described(word.name, word)
    seeds = range(task.seed * task.pictures, (task.seed + 1) * task.pictures)
    demanded = {
        demand.label: share(demand, studio.paint(demand.prompt(described.thing), seeds, described.word))
        for demand in DEMANDS
    }
    painted = studio.paint(prompt(described.thing), seeds, described.word)
    return Outcome(task, curve, end, demanded, Likeness(concept).mean(painted).picture)


def _request(task: Task, concept: Concept, presets: Presets) -> TrainRequest:
    plain = {**PLAIN_RECIPE, "max_steps": task.most_steps}
    recipe = plain if task.recipe == PLAIN else filled(task.recipe, {}, presets)
    own = {"name": concept.word, "initialization_text": concept.initialization_text, "seed": task.seed}
    return TrainRequest(**{**recipe, **own})


@dataclass(frozen=True)
class Pair:
    """One word with one seed, taught by both."""

    plain: Outcome
    preset: Outcome

    @property
    def goal(self) -> float:
        """The loss that is to be reached."""
        return self.plain.curve.level * WITHIN

    def reached(self, outcome: Outcome) -> Point | None:
        """Returns where a training first reached it."""
        return outcome.curve.first_within(self.goal)


def pairs_of(outcomes: Iterable[Outcome], preset: str) -> list[Pair]:
    """Returns the words and seeds that both recipes were measured with, in the order of the plain ones."""
    known = {(o.task.recipe, o.task.word, o.task.seed): o for o in outcomes}
    return [
        Pair(outcome, known[preset, word, seed])
        for (recipe, word, seed), outcome in known.items()
        if recipe == PLAIN and (preset, word, seed) in known
    ]


def report(outcomes: Sequence[Outcome], preset: str) -> str:
    """Returns a table with a line for each concept and what it says; an empty text if nothing can be compared yet."""
    pairs = pairs_of(outcomes, preset)
    if not pairs:
        return ""
    texts = [outcome for outcome in outcomes if outcome.task.recipe == NO_TRAINING]
    headings = (
        *("concept", "plain: level", "steps", "seconds", f"{preset}: end", "steps", "seconds"),
        *("obeyed: text", "plain", preset, "picture: plain", preset),
    )
    rows = [
        _row(word, [pair for pair in pairs if pair.plain.task.word == word], [t for t in texts if t.task.word == word])
        for word in dict.fromkeys(pair.plain.task.word for pair in pairs)
    ]
    return "\n\n".join((table(headings, rows), verdict(pairs)))


def verdict(pairs: Sequence[Pair]) -> str:
    """Says what the pairs say together. A training that never reached the loss counts as the slowest of all."""
    plain = [pair.reached(pair.plain) for pair in pairs]
    preset = [pair.reached(pair.preset) for pair in pairs]
    steps = [_ratio(own and own.step, other and other.step) for own, other in zip(preset, plain, strict=True)]
    seconds = [_ratio(own and own.seconds, other and other.seconds) for own, other in zip(preset, plain, strict=True)]
    name = pairs[0].preset.task.recipe
    ends = [pair.preset.end.loss / pair.plain.curve.level for pair in pairs]
    return "\n".join(
        (
            f"{len(pairs)} pairs. Steps to within 1 % of the plain recipe's level, medians: plain "
            f"{_median([point and point.step for point in plain])}, {name} "
            f"{_median([point and point.step for point in preset])}; {name} over plain {median(steps):.2f} "
            f"(seconds {median(seconds):.2f}). Never reached by {name}: {preset.count(None)}.",
            f"{name}'s finished words are at {median(ends):.3f} of the plain recipe's level (median), after "
            f"{median(pair.preset.end.step for pair in pairs):g} steps and "
            f"{median(pair.preset.end.seconds for pair in pairs):.0f} s.",
            f"Obeyed, mean: plain {percent(fmean(pair.plain.obedience for pair in pairs))}, {name} "
            f"{percent(fmean(pair.preset.obedience for pair in pairs))}.",
        )
    )


def _row(word: str, pairs: Sequence[Pair], texts: Sequence[Outcome]) -> list[str]:
    plain, preset = [pair.reached(pair.plain) for pair in pairs], [pair.reached(pair.preset) for pair in pairs]
    return [
        word,
        f"{fmean(pair.plain.curve.level for pair in pairs):.4f}",
        _all([point and point.step for point in plain]),
        _all([point and point.seconds for point in plain]),
        f"{fmean(pair.preset.end.loss for pair in pairs):.4f}",
        _all([point and point.step for point in preset]),
        _all([point and point.seconds for point in preset]),
        percent(fmean(text.obedience for text in texts)) if texts else "",
        percent(fmean(pair.plain.obedience for pair in pairs)),
        percent(fmean(pair.preset.obedience for pair in pairs)),
        f"{fmean(pair.plain.picture for pair in pairs):.2f}",
        f"{fmean(pair.preset.picture for pair in pairs):.2f}",
    ]


def _ratio(own: float | None, plain: float | None) -> float:
    """Returns the preset's share of the plain recipe's own; infinite if the preset never got there."""
    return float("inf") if own is None or plain is None else own / plain


def _median(values: Sequence[float | None]) -> str:
    return f"{median(float('inf') if value is None else value for value in values):g}"


def _all(values: Sequence[float | None]) -> str:
    """Returns every seed's figure: "110 / 90 / –"."""
    return " / ".join("–" if value is None else f"{value:.0f}" for value in values)
