"""An exponential moving average of the rows over the steps."""

from collections.abc import Mapping

import torch
from torch import Tensor

from ti_studio.training.state import TrainingState


class RowEMA:
    """An average of rows. While the training is young it keeps less than `decay`, (1 + step) / (10 + step) of itself,
    so that the initial rows do not linger in it."""

    def __init__(self, rows: Mapping[str, Tensor], decay: float) -> None:
        self.rows = {encoder: value.detach().clone() for encoder, value in rows.items()}
        self._decay = decay

    @torch.no_grad()
    def record(self, rows: Mapping[str, Tensor], step: int) -> None:
        """Takes in the rows after a step, counted from 1."""
        kept = min(self._decay, (1 + step) / (10 + step))
        for encoder, value in rows.items():
            self.rows[encoder].lerp_(value.detach(), 1 - kept)

    def state(self) -> TrainingState:
        """Returns what a resume needs."""
        return TrainingState({f"average.{encoder}": rows.clone() for encoder, rows in self.rows.items()}, {})

    def restore(self, state: TrainingState) -> None:
        """Goes back to a saved state.

        Raises:
            BadState: the state has no average, or one of other rows.
        """
        for encoder, rows in self.rows.items():
            rows.copy_(state.tensor(f"average.{encoder}", rows))
