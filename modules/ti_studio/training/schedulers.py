"""The learning rate of each step, as a function of the step's number alone: a resume needs no state. Imports no
torch."""

import math
from dataclasses import dataclass

from ti_studio.training.learning_rate import LearningRateSchedule
from ti_studio.training.options import Scheduler
from ti_studio.training.request import TrainRequest


@dataclass(frozen=True)
class RateOfSteps:
    """A1111's schedule, bent by a named scheduler and a warm-up."""

    schedule: LearningRateSchedule
    scheduler: Scheduler = "schedule"
    steps: int = 1
    """Steps of the whole training."""
    warmup: int = 0
    cycles: int = 1
    power: float = 1.0

    @classmethod
    def of(cls, request: TrainRequest) -> "RateOfSteps":
        """Returns the rates that a request asks for."""
        return cls(
            LearningRateSchedule.parse(request.learning_rate),
            request.lr_scheduler,
            request.max_steps,
            request.lr_warmup_steps,
            request.lr_num_cycles,
            request.lr_power,
        )

    def rate(self, step: int) -> float:
        """Returns the rate of a step, counted from 1. No step has a rate of 0: the first and the last one count too."""
        rate = self.schedule.rate(step)
        if step <= self.warmup:
            return rate * step / (self.warmup + 1)
        if self.scheduler in ("schedule", "constant", "constant_with_warmup"):
            return rate
        done = (step - 1 - self.warmup) / max(1, self.steps - self.warmup)
        return rate * self._remaining(min(1.0, done))

    def _remaining(self, done: float) -> float:
        """Returns the share of the rate after this share of the steps that follow the warm-up."""
        if self.scheduler == "linear":
            return 1 - done
        if self.scheduler == "polynomial":
            return float((1 - done) ** self.power)
        cycles = self.cycles if self.scheduler == "cosine_with_restarts" else 1
        return 0.5 * (1 + math.cos(math.pi * (cycles * done % 1.0)))
