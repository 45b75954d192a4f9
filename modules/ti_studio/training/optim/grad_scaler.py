"""The factor on the loss that keeps gradients within the numbers of half precision, and what becomes of steps in which
that fails."""

import json

import torch

from ti_studio.training.state import BadState, TrainingState

_FIRST = 2.0**16
_GROWS_AFTER = 2000
"""Good steps after which a larger factor is tried; this and the first factor are those of `torch.amp.GradScaler`."""

MOST_DROPPED = 5
"""Steps in a row that may be dropped although no smaller factor could have saved them."""

_NOTE = "loss_scale"


class GradScaler:
    """A factor that is halved when gradients overflow and doubled after a long time without; 1 where numbers have the
    range of float32 (bfloat16 has it)."""

    def __init__(self, dtype: torch.dtype = torch.float32) -> None:
        self._scales = dtype == torch.float16
        self.factor = _FIRST if self._scales else 1.0
        self._good = 0
        self._dropped = 0

    @property
    def gives_up(self) -> bool:
        """Whether so many steps in a row were dropped that the next would be too."""
        return self._dropped >= MOST_DROPPED

    def accept(self) -> None:
        """Takes in that a step was good."""
        self._dropped = 0
        self._good += 1
        if self._scales and self._good >= _GROWS_AFTER:
            self.factor, self._good = self.factor * 2, 0

    def drop(self, *, loss_is_finite: bool) -> None:
        """Takes in that a step's numbers were not finite: if only its gradient's, by the factor's fault, as long as
        there is a smaller one."""
        self._good = 0
        if self.factor > 1 and loss_is_finite:
            self.factor /= 2
        else:
            self._dropped += 1

    def state(self) -> TrainingState:
        """Returns what a resume needs."""
        return TrainingState({}, {_NOTE: json.dumps([self.factor, self._good, self._dropped])})

    def restore(self, state: TrainingState) -> None:
        """Goes back to a saved state. One that was trained in another precision keeps this one's first factor.

        Raises:
            BadState: the state's factor can't be read.
        """
        try:
            factor, good, dropped = json.loads(state.notes.get(_NOTE, "[1.0, 0, 0]"))
        except ValueError as error:
            raise BadState(f"The saved state's loss scale can't be read: {error}") from error
        if self._scales == (factor != 1):
            self.factor = factor
        self._good, self._dropped = good, dropped
