"""The events of a training. Each is one JSON line of a job's `events.jsonl`."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Event:
    """Something that happened in a training."""

    def to_json(self) -> dict[str, Any]:
        """Returns `{"event": "step", "step": 7, …}`: the class's name in lower case, and the fields."""
        return {"event": type(self).__name__.lower(), **asdict(self)}


@dataclass(frozen=True)
class Preparing(Event):
    """A stage of the preparation begins."""

    text: str


@dataclass(frozen=True)
class Warned(Event):
    """A warning that does not stop the training."""

    text: str


@dataclass(frozen=True)
class Started(Event):
    """The first step is about to be made, or the first after a resume."""

    step: int
    max_steps: int
    pictures: int
    checkpoint: str
    device: str
    precision: str


@dataclass(frozen=True)
class Step(Event):
    """One optimizer step is done."""

    step: int
    loss: float
    learning_rate: float
    grad_norm: float
    vector_norm: float
    """The mean Euclidean norm of the rows."""
    penalty: float = 0.0
    """The weighted sum of the penalties that were added to the loss."""


@dataclass(frozen=True)
class Validated(Event):
    """A validation was made: the plain loss on fixed pictures, prompts, noise and timesteps."""

    step: int
    loss: float
    best: float
    """The lowest loss of the validations so far, this one included. Before the first step, this one's."""
    best_step: int
    vector_norms: dict[str, list[float]]
    """The Euclidean norm of each row, by text encoder."""


@dataclass(frozen=True)
class Previewed(Event):
    """A preview picture was written."""

    step: int
    index: int
    path: str
    """Relative to the job's folder."""
    prompt: str
    seed: int


@dataclass(frozen=True)
class Saved(Event):
    """A snapshot of the embedding was written."""

    step: int
    path: str
    """Relative to the job's folder."""


@dataclass(frozen=True)
class Finished(Event):
    """The training is over; the embedding is in its folder."""

    step: int
    path: str
    early: str = ""
    """Why the training ended before its last step, in sentences; empty if it did not."""
    more_paths: tuple[str, ...] = ()
    """The files of the training's further words."""


@dataclass(frozen=True)
class Stopped(Event):
    """The training was stopped by request and can be resumed."""

    step: int


@dataclass(frozen=True)
class Failed(Event):
    """The training ended with an error."""

    reason: str
