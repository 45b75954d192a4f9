"""The steps of a training."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from ti_studio.errors import StudioError
from ti_studio.models.loading import Model
from ti_studio.prompts.conditioning import encode
from ti_studio.training.events import Step
from ti_studio.training.learner import Learner
from ti_studio.training.learning_rate import LearningRateSchedule
from ti_studio.training.lesson import Batch, Lesson
from ti_studio.training.objective import denoising_losses


class Diverged(StudioError):
    """The loss is no longer a number."""


def optimise(model: Model, lesson: Lesson, learner: Learner) -> Iterator[Step]:
    """Makes one optimizer step after another until `max_steps`, and yields after each.

    Only the learner's rows change. The first step is the one after those it has made already.

    Raises:
        Diverged: the loss is infinite or not a number; the rows are as they were before that step.
    """
    request = lesson.request
    schedule = LearningRateSchedule.parse(request.learning_rate)
    parts = request.gradient_accumulation_steps
    for step in range(learner.step + 1, request.max_steps + 1):
        loss = torch.zeros((), device=model.hardware.device)
        for part in range(parts):
            part_loss = batch_loss(model, lesson.batch(step, part), learner.rows, request.name) / parts
            part_loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            loss += part_loss.detach()
        rate = schedule.rate(step)
        value = loss.item()
        if not math.isfinite(value):
            raise Diverged(
                f"The loss is {value} at step {step}, with learning rate {rate:g}. Try a lower learning rate."
            )
        norms = learner.update(rate)
        yield Step(step, value, rate, norms.gradient, norms.vector)


def batch_loss(model: Model, batch: Batch, rows: dict[str, Tensor], name: str) -> Tensor:
    """Returns the mean loss of a batch, with a graph from it to the rows."""
    contexts = [encode(encoder, batch.prompts, {name: rows[encoder.key]}) for encoder in model.encoders]
    loss = denoising_losses(model, batch.pictures, torch.cat(contexts, dim=-1)).mean()
    if not loss.requires_grad:  # no prompt of the batch holds the word
        loss = loss + sum(encoder_rows.sum() * 0 for encoder_rows in rows.values())
    return loss
