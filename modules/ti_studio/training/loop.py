"""The steps of a training."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from ti_studio.errors import StudioError
from ti_studio.models.loading import Model
from ti_studio.prompts.conditioning import Conditioning
from ti_studio.training.events import Step
from ti_studio.training.keeping import Rows, conditioned, context_penalty, distance_penalty, prompt_penalty
from ti_studio.training.learner import Learner
from ti_studio.training.lesson import Batch, Lesson
from ti_studio.training.objective import denoising_losses
from ti_studio.training.schedulers import RateOfSteps


class Diverged(StudioError):
    """The loss is no longer a number."""


def optimise(model: Model, lesson: Lesson, learner: Learner) -> Iterator[Step]:
    """Makes one optimizer step after another until `max_steps`, and yields after each.

    Only the learner's rows change. The first step is the one after those it has made already.

    Raises:
        Diverged: the loss is infinite or not a number; the rows are as they were before that step.
    """
    request = lesson.request
    rates = RateOfSteps.of(request)
    for step in range(learner.step + 1, request.max_steps + 1):
        loss, penalty = _sum_gradients(model, lesson, learner, step)
        rate = rates.rate(step)
        if not math.isfinite(loss + penalty):
            raise Diverged(
                f"The loss is {loss + penalty} at step {step}, with learning rate {rate:g}. Try a lower learning rate."
            )
        norms = learner.update(rate)
        yield Step(step, loss, rate, norms.gradient, norms.vector, penalty)


def batch_loss(model: Model, batch: Batch, rows: Rows, name: str) -> Tensor:
    """Returns the plain mean squared error of a batch, with a graph from it to the rows."""
    return denoising_losses(model, batch.pictures, conditioned(model, batch.prompts, rows, name)).mean()


@torch.no_grad()
def validation_loss(model: Model, lesson: Lesson, rows: Rows) -> float:
    """Returns the plain mean squared error of what every validation looks at."""
    losses, count = torch.zeros((), device=model.hardware.device), 0
    for batch in lesson.validation_batches():
        losses += batch_loss(model, batch, rows, lesson.request.name) * len(batch.prompts)
        count += len(batch.prompts)
    return (losses / count).item()


def _sum_gradients(model: Model, lesson: Lesson, learner: Learner, step: int) -> tuple[float, float]:
    """Adds up the gradients of a step's batches; returns the mean loss, and the penalties that were added to it."""
    request = lesson.request
    parts = request.gradient_accumulation_steps
    sums = torch.zeros(2, device=model.hardware.device)
    for part in range(parts):
        batch, rows = lesson.batch(step, part), learner.rows
        told = conditioned(model, batch.prompts, rows, request.name)
        loss = denoising_losses(model, batch.pictures, told, request).mean() / parts
        penalties = _penalties(model, lesson, batch, told, (rows, learner.initial))
        penalty = sum(penalties, start=torch.zeros_like(loss)) / parts
        total = loss + penalty if penalties else loss
        if not total.requires_grad:  # no prompt of the batch holds the word
            total = total + sum(values.sum() * 0 for values in rows.values())
        total.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        sums += torch.stack([loss.detach(), penalty.detach()])
    mean_loss, mean_penalty = sums.tolist()
    return mean_loss, mean_penalty


def _penalties(
    model: Model, lesson: Lesson, batch: Batch, told: Conditioning, rows_and_initial: tuple[Rows, Rows]
) -> list[Tensor]:
    """Returns the penalties that the request asks for, weighted."""
    request = lesson.request
    rows, initial = rows_and_initial
    penalties = []
    if request.init_weight:
        penalties.append(request.init_weight * distance_penalty(rows, initial))
    if request.context_weight:
        with torch.no_grad():
            initially_told = conditioned(model, batch.prompts, initial, request.name)
        penalties.append(request.context_weight * context_penalty(told.context, initially_told.context, batch.prompts))
    if request.prompt_weight:
        penalties.append(request.prompt_weight * prompt_penalty(model, lesson, batch, rows, initial))
    return penalties
