"""The loss on held-out drawings along a training, and what is read off it."""

import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ti_studio.embeddings.embedding import Embedding
from ti_studio.embeddings.formats.files import read_embedding
from ti_studio.training.config.request import TrainRequest
from ti_studio.training.events import Event, Finished, Saved
from tools.learning.concepts import Concept, pictures, prompt_of, write_dataset
from tools.learning.studio import Studio

FINE, FINE_UNTIL, COARSE = 5, 100, 25
"""Steps between points: a few at first, more once the curve bends."""
WINDOW = 6
"""Coarse points that a level is the mean of: the rate is constant, so a single point is as much chance as level."""
LEAST_FALL = 0.005
"""A curve is flat when its level has fallen by less than this share since WINDOW coarse points ago."""


@dataclass(frozen=True)
class Point:
    """A word on its way."""

    step: int
    seconds: float
    """Of the training, from reading the pictures; what is measured in between does not count."""
    loss: float
    """On the held-out drawings."""


@dataclass
class Curve:
    """A training from its beginning, as far as it has come."""

    points: list[Point] = field(default_factory=list)

    @property
    def level(self) -> float:
        """The loss that it has come to: the mean of its last coarse points."""
        return _mean(self._coarse[-WINDOW:] or self.points)

    @property
    def is_flat(self) -> bool:
        """Whether the level no longer falls."""
        coarse = self._coarse
        if len(coarse) < 2 * WINDOW:
            return False
        return self.level > _mean(coarse[-2 * WINDOW : -WINDOW]) * (1 - LEAST_FALL)

    def first_within(self, loss: float) -> Point | None:
        """Returns the first point that is no higher than a loss; None if there is none."""
        return next((point for point in self.points if point.loss <= loss), None)

    @property
    def _coarse(self) -> list[Point]:
        return [point for point in self.points if point.step % COARSE == 0]


class Classroom:
    """Teaches one concept's word again and again, and measures it on its way."""

    def __init__(self, studio: Studio, concept: Concept) -> None:
        self._studio = studio
        self._concept = concept
        self._held_out = pictures(concept.held_out, studio.native_side)
        self._prompts = [prompt_of(scene, concept.word) for scene in concept.held_out]

    def loss(self, word: Embedding) -> float:
        """Returns the loss of a word on the held-out drawings, with the same noise each time."""
        return self._studio.loss(self._held_out, self._prompts, word)

    def teach(self, request: TrainRequest, until_flat: bool) -> tuple[Embedding, Curve, Point]:
        """Teaches the word by a request, whose folder of pictures and names are filled in.

        Returns:
            The word as the training leaves it, its curve, and the end: steps, seconds and the finished word's loss.
        """
        curve, stopwatch = Curve(), Stopwatch()
        with tempfile.TemporaryDirectory() as temporary:
            dataset, job = Path(temporary) / self._concept.word, Path(temporary) / "job"
            write_dataset(self._concept, dataset, self._studio.native_side)
            own = {"dataset_directory": str(dataset), "save_every": FINE, "preview_every": 0}
            events = self._studio.training(request.model_copy(update=own), job, lambda: until_flat and curve.is_flat)
            step = 0
            for event in stopwatch.timed(events):
                if isinstance(event, Saved) and not event.path.endswith("-best.safetensors"):
                    step, word = event.step, self._read(job / event.path)
                    if step <= FINE_UNTIL or step % COARSE == 0:
                        curve.points.append(Point(step, stopwatch.seconds, self.loss(word)))
                if isinstance(event, Finished):
                    word = self._read(Path(event.path))
        return word, curve, Point(step, stopwatch.seconds, self.loss(word))

    def _read(self, path: Path) -> Embedding:
        return replace(read_embedding(path), name=self._concept.word)


class Stopwatch:
    """Adds up the time that a generator takes, and not what is done with its events."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def timed(self, events: Iterator[Event]) -> Iterator[Event]:
        """Passes events on."""
        while True:
            started = time.monotonic()
            event = next(events, None)
            self.seconds += time.monotonic() - started
            if event is None:
                return
            yield event


def _mean(points: Sequence[Point]) -> float:
    return sum(point.loss for point in points) / len(points)
