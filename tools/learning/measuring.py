"""Measures one concept: teaches its word, and compares it with its initialization text and with plain descriptions."""

import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ti_studio.training.config.request import TrainRequest
from tools.demo_model.captions import PLACE_WORDS, background_words
from tools.demo_model.classify import View, view
from tools.demo_model.drawing import Pixels
from tools.learning.concepts import Concept, pictures, prompt, prompt_of, write_dataset
from tools.learning.likeness import Distance, Likeness, mean_distance
from tools.learning.studio import Described, Studio

SHOWN = 4
"""Pictures of each prompt that are kept for the grids: those of the first seeds."""


@dataclass(frozen=True)
class Demand:
    """Something that the rest of a prompt asks for."""

    label: str
    prompt: Callable[[str], str]
    """Puts it around a thing."""
    holds: Callable[[View], bool]


def _background(name: str) -> Demand:
    words = background_words(name)
    return Demand(words, lambda thing: prompt(thing, words), lambda seen: seen.background == name)


DEMANDS = (
    _background("blue"),
    _background("white"),
    _background("black"),
    _background("night"),
    Demand("small", lambda thing: prompt(thing, size="small"), lambda seen: seen.has_size("small")),
    Demand("on the left", lambda thing: prompt(thing, PLACE_WORDS["left"]), lambda seen: seen.has_place("left")),
)


@dataclass(frozen=True)
class Score:
    """What came of one way to speak of a concept."""

    thing: str
    loss: float
    """Mean squared error of the predicted noise on the held-out pictures."""
    plain: Distance
    """Of the pictures of "a photo of a …"."""
    demanding: Distance
    """Of the pictures of all `DEMANDS`."""
    obeyed: dict[str, float]
    """Share of pictures in which each demand holds, by its label."""
    shown: dict[str, list[Pixels]]
    """The first pictures of each prompt, by the demand's label; "" is the prompt that demands nothing."""

    @property
    def obedience(self) -> float:
        """The mean share over all demands."""
        return float(np.mean(list(self.obeyed.values())))


@dataclass(frozen=True)
class Wording:
    """A plain description that was tried."""

    thing: str
    loss: float
    plain: Distance


@dataclass(frozen=True)
class Training:
    """How a word was taught."""

    seed: int
    seconds: float
    norms: tuple[float, ...]
    """Euclidean norms of its rows."""


@dataclass(frozen=True)
class Result:
    """Everything measured of one concept."""

    concept: Concept
    initial: Score
    by_loss: Wording
    """The wording with the lowest loss."""
    by_picture: Score
    """The wording with the lowest picture score; often the same one."""
    learnt: tuple[Score, ...]
    """One for each training seed."""
    trainings: tuple[Training, ...]
    wordings: tuple[Wording, ...]
    floor: Distance
    """Of true drawings that went through the autoencoder."""


@dataclass(frozen=True)
class Plan:
    """What to measure with."""

    checkpoint: Path
    seeds: Sequence[int]
    """Of the pictures."""
    training_seeds: Sequence[int] = (0,)
    changes: tuple[tuple[str, Any], ...] = ()
    """Fields of `TrainRequest` that are not left at their default."""


def measure(concept: Concept, plan: Plan) -> Result:
    """Teaches and measures a concept's word."""
    return _Measurement(concept, plan).result()


class _Measurement:
    """One concept with a loaded checkpoint."""

    def __init__(self, concept: Concept, plan: Plan) -> None:
        self.concept = concept
        self.plan = plan
        self.studio = Studio(plan.checkpoint)
        self.likeness = Likeness(concept)
        self.held_out = pictures(concept.held_out, self.studio.native_side)

    def result(self) -> Result:
        initial = self.score(Described(self.concept.initialization_text))
        wordings = [self.try_wording(thing) for thing in self.concept.wordings]
        best_picture = min(wordings, key=lambda wording: wording.plain.picture)
        taught = [self.teach(seed) for seed in self.plan.training_seeds]
        return Result(
            concept=self.concept,
            initial=initial,
            by_loss=min(wordings, key=lambda wording: wording.loss),
            by_picture=self.score(Described(best_picture.thing)),
            learnt=tuple(self.score(described) for described, _ in taught),
            trainings=tuple(training for _, training in taught),
            wordings=tuple(wordings),
            floor=self.likeness.mean(self.studio.through_autoencoder(self.true_drawings())),
        )

    def true_drawings(self) -> list[Pixels]:
        """The concept's drawings at the checkpoint's size."""
        return pictures(self.concept.true, self.studio.native_side)

    def try_wording(self, thing: str) -> Wording:
        described = Described(thing)
        return Wording(thing, self.loss(described), self.likeness.mean(self.paint(prompt(thing), described)))

    def teach(self, seed: int) -> tuple[Described, Training]:
        """Teaches the word by the default settings, from a folder as a person would have it."""
        with tempfile.TemporaryDirectory() as temporary:
            dataset = Path(temporary) / self.concept.word
            write_dataset(self.concept, dataset, self.studio.native_side)
            request = TrainRequest(
                **{
                    "name": self.concept.word,
                    "initialization_text": self.concept.initialization_text,
                    "dataset_directory": str(dataset),
                    "seed": seed,
                    **dict(self.plan.changes),
                }
            )
            started = time.monotonic()
            word = self.studio.teach(request, Path(temporary) / "job")
            seconds = time.monotonic() - started
        norms = word.vectors["clip_l"].norm(dim=-1).tolist()
        return Described(self.concept.word, word), Training(seed, seconds, tuple(norms))

    def score(self, described: Described) -> Score:
        plain = self.paint(prompt(described.thing), described)
        demanded = {demand.label: self.paint(demand.prompt(described.thing), described) for demand in DEMANDS}
        together = [self.likeness.mean(painted) for painted in demanded.values()]
        return Score(
            thing=described.thing,
            loss=self.loss(described),
            plain=self.likeness.mean(plain),
            demanding=mean_distance(together),
            obeyed={demand.label: share(demand, demanded[demand.label]) for demand in DEMANDS},
            shown={label: painted[:SHOWN] for label, painted in {"": plain, **demanded}.items()},
        )

    def loss(self, described: Described) -> float:
        prompts = [prompt_of(scene, described.thing) for scene in self.concept.held_out]
        return self.studio.loss(self.held_out, prompts, described.word)

    def paint(self, text: str, described: Described) -> list[Pixels]:
        return self.studio.paint(text, self.plan.seeds, described.word)


def share(demand: Demand, painted: Iterable[Pixels]) -> float:
    """Returns the share of pictures in which a demand holds, 0 to 1."""
    return float(np.mean([demand.holds(view(pixels)) for pixels in painted]))
