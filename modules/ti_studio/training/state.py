"""The state file of a training: tensors and notes, kilobytes, replaced as a whole."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save as save_safetensors
from torch import Tensor

from ti_studio.errors import StudioError
from ti_studio.folders import atomic_write

STEP = "step"
"""The note that holds the number of steps made."""


class BadState(StudioError):
    """A saved state that can't be resumed."""


@dataclass(frozen=True)
class TrainingState:
    """The parts of a training that change, each under its own name.

    Random numbers depend on the seed and the step alone (`training.randomness`), so no generator's state is needed.
    """

    tensors: Mapping[str, Tensor]
    notes: Mapping[str, str]
    """Everything else, as text."""

    def __or__(self, other: "TrainingState") -> "TrainingState":
        """Returns the union of two states with different names."""
        return TrainingState({**self.tensors, **other.tensors}, {**self.notes, **other.notes})

    def write(self, path: Path) -> None:
        """Writes the state into a safetensors file."""
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self.tensors.items()}
        atomic_write(path, save_safetensors(tensors, dict(self.notes)))

    @classmethod
    def read(cls, path: Path) -> "TrainingState":
        """Reads a state back, onto the CPU.

        Raises:
            BadState: the file is damaged.
        """
        try:
            with safe_open(path, "pt") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}
                return cls(tensors, dict(file.metadata() or {}))
        except (OSError, SafetensorError) as error:
            raise BadState(f"{path} can't be resumed from: {error}") from error

    @property
    def step(self) -> int:
        """The number of steps made before it was saved.

        Raises:
            BadState: it has none.
        """
        step = self.notes.get(STEP, "")
        if not step.isdecimal():
            raise BadState(f"The saved state's step is {step!r}; expected a whole number.")
        return int(step)

    def tensor(self, name: str, like: Tensor) -> Tensor:
        """Returns a saved tensor of the shape of `like`.

        Raises:
            BadState: there is none, or one of another shape.
        """
        saved = self.tensors.get(name)
        if saved is None or saved.shape != like.shape:
            shape = None if saved is None else list(saved.shape)
            raise BadState(f"The saved state holds {shape} as {name!r}; expected {list(like.shape)}.")
        return saved
