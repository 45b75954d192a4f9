"""The learning rate of each step, as a function of the step's number alone: a resume needs no state. Imports no
torch."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from ti_studio.training.config.learning_rate import LearningRateSchedule
from ti_studio.training.config.optimizer import read_arguments
from ti_studio.training.config.request import TrainRequest

_TIMESCALE = 10_000
"""transformers' own, for a training without a warm-up."""


@dataclass(frozen=True)
class StepLearningRate:
    """A1111's schedule, bent by a named scheduler and a warm-up."""

    schedule: LearningRateSchedule
    scheduler: str = "schedule"
    steps: int = 1
    """Steps of the whole training."""
    warmup: int = 0
    cycles: int = 1
    power: float = 1.0
    least: float = 0.0
    """The share of the rate at which those end that do not end at none."""
    falling: int = 0
    """Steps of the fall of `warmup_stable_decay`."""
    timescale: int = 0
    """Steps of `inverse_sqrt`; 0 takes the warm-up's."""
    of_class: Callable[[int], float] | None = None
    """The rate after so many steps behind the warm-up, where the scheduler is a class."""

    @classmethod
    def of(cls, request: TrainRequest) -> "StepLearningRate":
        """Returns the rates that a request asks for.

        Raises:
            BadScheduler: the class that it names isn't there, or does not take its arguments.
        """
        of_class = None
        if "." in request.lr_scheduler:
            from ti_studio.training.optim.scheduler_classes import ClassScheduler  # noqa: PLC0415 - it needs torch

            rate = LearningRateSchedule.parse(request.learning_rate).rate(1)
            of_class = ClassScheduler(request.lr_scheduler, read_arguments(request.lr_scheduler_args), rate).after
        return cls(
            LearningRateSchedule.parse(request.learning_rate),
            request.lr_scheduler,
            request.max_steps,
            request.lr_warmup_steps,
            request.lr_num_cycles,
            request.lr_power,
            request.lr_min_ratio,
            request.lr_decay_steps,
            request.lr_timescale,
            of_class,
        )

    def rate(self, step: int) -> float:
        """Returns the rate of a step, counted from 1. No step has a rate of 0: the first and the last one count too."""
        rate = self.schedule.rate(step)
        if step <= self.warmup:
            return rate * step / (self.warmup + 1)
        if self.scheduler in ("schedule", "constant", "constant_with_warmup"):
            return rate
        gone = step - 1 - self.warmup
        if self.of_class is not None:
            return self.of_class(gone)
        if self.scheduler == "inverse_sqrt":
            timescale = self.timescale or self.warmup or _TIMESCALE
            return rate / math.sqrt(1 + gone / timescale)
        if self.scheduler == "warmup_stable_decay":
            done = (step - 1 - (self.steps - self.falling)) / max(1, self.falling)
            return rate * self._no_less(_half_cosine(min(1.0, max(0.0, done))))
        return rate * self._remaining(min(1.0, gone / max(1, self.steps - self.warmup)))

    def _no_less(self, share: float) -> float:
        """Lets a share that falls from 1 to 0 fall to the least one."""
        return self.least + (1 - self.least) * share

    def _remaining(self, done: float) -> float:
        """Returns the share of the rate after this share of the steps that follow the warm-up."""
        if self.scheduler == "linear":
            return 1 - done
        if self.scheduler == "polynomial":
            return float((1 - done) ** self.power)
        if self.scheduler == "rex":  # arXiv 2107.04197
            return (1 - done) / (1 - done / 2)
        if self.scheduler == "cosine_with_min_lr":
            return self._no_less(_half_cosine(done))
        return _half_cosine(self.cycles * done % 1.0 if self.scheduler == "cosine_with_restarts" else done)


def _half_cosine(done: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * done))
