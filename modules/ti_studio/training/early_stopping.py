"""Early stopping: the validation losses so far, and the best vectors among them."""

import json
import statistics
from collections.abc import Mapping

import torch
from torch import Tensor

from ti_studio.training.config.regularization import ValidationOptions
from ti_studio.training.state import BadState, TrainingState

LEAST_IMPROVEMENT = 0.005
"""Share of the loss by which a validation must be better to count as an improvement: less is chance."""


class EarlyStopping:
    """The losses of all validations, the best vectors, and the validations since the last improvement."""

    def __init__(self, rows: Mapping[str, Tensor]) -> None:
        """Takes the vectors before the first step, text encoder → [vectors, width]."""
        self.best_rows = {encoder: value.detach().clone() for encoder, value in rows.items()}
        """A copy of the vectors of the best validation, of the same shapes."""
        self.best_loss: float | None = None
        """None before the first step: the untrained word is no candidate."""
        self.best_step = 0
        self.since_improvement = 0
        self._losses: list[float] = []
        self._reference: float | None = None

    def begin(self, loss: float) -> None:
        """Records the loss of the untrained word: the first steps have to improve on it."""
        self._reference = loss
        self._losses = [loss]

    def record(self, step: int, loss: float, rows: Mapping[str, Tensor]) -> bool:
        """Records a validation, and returns whether it is the best so far.

        Args:
            step: the step it was made at.
            loss: the validation loss.
            rows: the vectors, text encoder → [vectors, width].
        """
        self._losses.append(loss)
        if self._reference is None or loss < self._reference * (1 - LEAST_IMPROVEMENT):
            self._reference, self.since_improvement = loss, 0
        else:
            self.since_improvement += 1
        if self.best_loss is not None and loss >= self.best_loss:
            return False
        self.best_loss, self.best_step = loss, step
        self.best_rows = {encoder: value.detach().clone() for encoder, value in rows.items()}
        return True

    def stop_reason(self, options: ValidationOptions) -> str:
        """Returns why the training shall end, as a part of a sentence; empty while it may go on."""
        window = options.patience
        if not window:
            return ""
        if options.early_stopping == "improvement":
            if self.since_improvement < window:
                return ""
            return f"the last {window} validations brought no improvement by {LEAST_IMPROVEMENT:.1%}"
        share = self._variance_share(window)
        if share >= options.variance_share:
            return ""
        return (
            f"the loss of the last {window} validations varies by {share:.0%} of what it varied by in all "
            f"{len(self._losses)}, less than {options.variance_share:.0%}"
        )

    def _variance_share(self, window: int) -> float:
        """Returns the variance of the last `window` losses over that of all; 1 until there are more losses."""
        if len(self._losses) <= window:
            return 1.0
        whole = statistics.pvariance(self._losses)
        return statistics.pvariance(self._losses[-window:]) / whole if whole else 0.0

    def state(self) -> TrainingState:
        """Returns the part of the state that a resume reads."""
        notes = {
            "best_loss": self.best_loss,
            "best_step": self.best_step,
            "since_improvement": self.since_improvement,
            "reference": self._reference,
            "losses": self._losses,
        }
        tensors = {f"best.{encoder}": rows.clone() for encoder, rows in self.best_rows.items()}
        return TrainingState(tensors, {"validations": json.dumps(notes)})

    def restore(self, state: TrainingState) -> None:
        """Goes back to a saved state.

        Raises:
            BadState: the state has no validations, or of other rows.
        """
        try:
            notes = json.loads(state.notes.get("validations", ""))
            self.best_loss, self.best_step = notes["best_loss"], notes["best_step"]
            self.since_improvement, self._reference = notes["since_improvement"], notes["reference"]
            self._losses = list(notes["losses"])
        except (ValueError, KeyError, TypeError) as error:
            raise BadState(f"The saved state's validations can't be read: {error!r}") from error
        with torch.no_grad():
            for encoder, rows in self.best_rows.items():
                rows.copy_(state.tensor(f"best.{encoder}", rows))
