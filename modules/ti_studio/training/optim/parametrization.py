"""What the optimizer moves: the rows themselves, or their directions."""

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor

from ti_studio.errors import StudioError
from ti_studio.prompts.conditioning import TextEncoder
from ti_studio.training.config.optimizer import MOVES_ROWS, OptimizerOptions
from ti_studio.training.config.regularization import LearningOptions, RowOptions

Rows = dict[str, Tensor]
"""Rows by text encoder, each [n, width]."""

_LEAST_NORM = 1e-12


class NoDirection(StudioError):
    """Initial rows of zeros, which point nowhere."""


class Parametrization(Protocol):
    """Parameters, and how rows follow from them."""

    parameters: Rows
    """What the optimizer moves: float32 leaves, [n, width] for each encoder."""
    vocabulary_norms: Mapping[str, float]
    """How long the parameters' rows are where the rows are as long as the vocabulary's in the mean; empty if nobody has
    said how long those are."""

    def rows_of(self, parameters: Rows) -> Rows:
        """Returns the rows that these parameters stand for, with a graph to them."""

    def before_step(self) -> None:
        """Changes the gradients before the optimizer sees them."""

    def after_step(self) -> None:
        """Brings the parameters back to where they may be."""

    def mean(self, rows: Mapping[str, Tensor]) -> Rows:
        """Brings an average of rows back to where rows may be."""


class FreeRows:
    """The rows themselves, each no longer than a limit, and drawn towards a norm."""

    def __init__(
        self, initial: Mapping[str, Tensor], norms: Mapping[str, float], limit: float = 0.0, pull: float = 0.0
    ) -> None:
        """Takes the initial rows, the vocabulary's mean norm for each encoder, and the limit and the pull that are of
        it; 0 is none."""
        self.parameters: Rows = {encoder: rows.clone().requires_grad_(True) for encoder, rows in initial.items()}
        self.vocabulary_norms = norms
        self._limit = limit
        self._pull = pull

    def rows_of(self, parameters: Rows) -> Rows:
        """Returns the parameters."""
        return parameters

    def before_step(self) -> None:
        """Leaves the gradients as they are."""

    @torch.no_grad()
    def after_step(self) -> None:
        """Draws rows towards their norm, and shortens those that are too long."""
        if not (self._pull or self._limit):
            return
        for encoder, norm in self.vocabulary_norms.items():
            rows = self.parameters[encoder]
            if self._pull:  # a row of zeros has no norm to be drawn from
                rows.mul_((norm / rows.norm(dim=-1, keepdim=True).clamp(min=_LEAST_NORM)) ** self._pull)
            if self._limit:
                rows.mul_((self._limit * norm / rows.norm(dim=-1, keepdim=True)).clamp(max=1.0))

    def mean(self, rows: Mapping[str, Tensor]) -> Rows:
        """Returns the rows: an average is no longer than what it averages."""
        return dict(rows)


class Directions:
    """Directions on the unit sphere; the rows are the directions times a fixed norm (arXiv 2512.13672).

    The prior is von Mises-Fisher's, around the initial directions: its gradient is the same everywhere.
    """

    def __init__(self, initial: Mapping[str, Tensor], norms: Mapping[str, float], prior_weight: float) -> None:
        """Takes the initial rows and the norm of rows for each encoder.

        Raises:
            NoDirection: an initial row is zero.
        """
        if any(bool((rows.norm(dim=-1) == 0).any()) for rows in initial.values()):
            raise NoDirection("The initialization text is empty, so the word has no direction to begin with.")
        self._start = {encoder: _unit(rows) for encoder, rows in initial.items()}
        self.parameters: Rows = {encoder: unit.clone().requires_grad_(True) for encoder, unit in self._start.items()}
        self.vocabulary_norms: Mapping[str, float] = dict.fromkeys(initial, 1.0)
        self._norms = norms
        self._prior_weight = prior_weight

    def rows_of(self, parameters: Rows) -> Rows:
        """Returns the directions at their norm."""
        return {encoder: directions * self._norms[encoder] for encoder, directions in parameters.items()}

    @torch.no_grad()
    def before_step(self) -> None:
        """Adds the prior, and leaves of each gradient what is tangent to the sphere."""
        for encoder, directions in self.parameters.items():
            gradient = directions.grad
            if gradient is not None:
                gradient.sub_(self._start[encoder], alpha=self._prior_weight)
                gradient.sub_((gradient * directions).sum(dim=-1, keepdim=True) * directions)

    @torch.no_grad()
    def after_step(self) -> None:
        """Brings the directions back to the sphere."""
        for directions in self.parameters.values():
            directions.copy_(_unit(directions))

    def mean(self, rows: Mapping[str, Tensor]) -> Rows:
        """Brings an average of rows back to their norm."""
        return {encoder: _unit(average) * self._norms[encoder] for encoder, average in rows.items()}


def parametrize(
    options: RowOptions, initial: Mapping[str, Tensor], vocabulary_norms: Mapping[str, float]
) -> Parametrization:
    """Returns the parametrization that is asked for.

    Args:
        options: what is asked for.
        initial: the rows to begin with, float32 on the training device.
        vocabulary_norms: the mean norm of each encoder's vocabulary; see `needed_norms`.
    """
    if options.parametrization == "direction":
        return Directions(initial, vocabulary_norms, options.prior_weight)
    norms = {encoder: vocabulary_norms[encoder] for encoder in initial if vocabulary_norms}
    return FreeRows(initial, norms, options.norm_limit, options.norm_pull)


def needed_norms(options: LearningOptions, encoders: Sequence[TextEncoder]) -> dict[str, float]:
    """Returns the vocabulary's mean norms for options that need them: those on norms, and a rate that is a share."""
    needed = options.parametrization == "direction" or options.norm_limit > 0 or options.norm_pull > 0
    return vocabulary_norms(encoders) if needed or options.learning_rate_unit == "vocabulary" else {}


def vocabulary_norms(encoders: Sequence[TextEncoder]) -> dict[str, float]:
    """Returns the mean Euclidean norm of the rows of each encoder's token table (about 0.4 for SD 1's)."""
    return {encoder.key: float(encoder.token_embedding.weight.float().norm(dim=-1).mean()) for encoder in encoders}


def _unit(rows: Tensor) -> Tensor:
    lengths: Tensor = rows.norm(dim=-1, keepdim=True)
    return rows / lengths


def rate_factors(options: OptimizerOptions, parameters: Rows, norms: Mapping[str, float]) -> list[float]:
    """Returns the factor on the learning rate of each parameter group: one group for each encoder in units of the
    vocabulary's norm, otherwise one for all.

    Args:
        options: the optimizer and the rate's unit.
        parameters: the optimizer's parameters, text encoder → [n, width].
        norms: text encoder → the norm of a parameter that stands for a row of the vocabulary's mean norm: that norm, or
            1 for directions.
    """
    if options.learning_rate_unit == "absolute":
        return [1.0]
    if options.optimizer in MOVES_ROWS:
        return [norms[encoder] for encoder in parameters]
    return [norms[encoder] / math.sqrt(rows.shape[-1]) for encoder, rows in parameters.items()]
