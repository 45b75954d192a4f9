"""The steps of a training."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from ti_studio.errors import StudioError
from ti_studio.models.loading import Model
from ti_studio.prompts.conditioning import Words
from ti_studio.training.batches import Batch, TrainingBatches
from ti_studio.training.cancellation import Check, go_on
from ti_studio.training.events import Step, Warned
from ti_studio.training.gradients import accumulate_gradients
from ti_studio.training.loss.denoising import denoising_losses
from ti_studio.training.optim.grad_scaler import MOST_DROPPED
from ti_studio.training.optim.lr_schedule import StepLearningRate
from ti_studio.training.optim.trainable_embedding import TrainableEmbedding
from ti_studio.training.penalties import Rows, conditioned
from ti_studio.training.word_rows import rows_by_word


class Diverged(StudioError):
    """Numbers are no longer finite, step after step."""


def optimise(model: Model, training_batches: TrainingBatches, trainable: TrainableEmbedding) -> Iterator[Step | Warned]:
    """Makes one optimizer step after another until `max_steps`, and yields after each.

    Only the learner's rows change. The first step is the one after those it has made already. A step whose loss,
    gradient or rows are not finite is dropped: it counts, but everything stays as it was before it.

    Raises:
        Diverged: too many steps in a row were dropped; the rows are as they were before them.
    """
    rates = StepLearningRate.of(training_batches.request)
    for step in range(trainable.step + 1, training_batches.request.max_steps + 1):
        losses = accumulate_gradients(model, training_batches, trainable, step)
        training_batches.process_group.all_reduce([losses, *trainable.gradients()])
        rate = rates.rate(step)
        norms = trainable.update(rate)
        # The step's one wait for the device. The update is made by then, and undone if need be.
        loss, penalty, gradient, vector = torch.cat([losses, norms]).tolist()
        if all(map(math.isfinite, (loss, penalty, gradient, vector))):
            trainable.grad_scaler.accept()
            yield Step(step, loss, rate, gradient, vector, penalty)
        else:
            yield _dropped(trainable, {"loss": loss + penalty, "gradient's norm": gradient, "rows' norm": vector}, rate)


def _dropped(trainable: TrainableEmbedding, numbers: dict[str, float], rate: float) -> Warned:
    """Undoes a step, and tells which of its numbers is the first that is not finite.

    Raises:
        Diverged: it was one too many.
    """
    trainable.undo()
    step, scale = trainable.step, trainable.grad_scaler
    name, value = next((name, value) for name, value in numbers.items() if not math.isfinite(value))
    factor = scale.factor
    scale.drop(loss_is_finite=name != "loss")
    if scale.factor < factor:
        return Warned(
            f"Step {step} was left out: its gradient overflowed at loss scale {factor:g}; now {factor / 2:g}."
        )
    if scale.gives_up:
        raise Diverged(
            f"The {name} is {value} at step {step}, the last of {MOST_DROPPED} in a row that had to be left out, with "
            f"learning rate {rate:g}. Try a lower learning rate, or precision fp32."
        )
    return Warned(f"Step {step} was left out: its {name} is {value}.")


def batch_loss(model: Model, batch: Batch, words: Words, clip_skip: int = 1) -> Tensor:
    """Returns the plain mean squared error of a batch, with a graph from it to the words' rows."""
    return denoising_losses(model, batch.pictures, conditioned(model, batch.prompts, words, clip_skip)).mean()


@torch.no_grad()
def validation_loss(model: Model, training_batches: TrainingBatches, rows: Rows, check: Check = go_on) -> float:
    """Returns the plain mean squared error of what every validation looks at; `check` is called before each batch.

    Of several processes each computes every so many batches, and all get the same number.
    """
    losses, count = torch.zeros((), device=model.hardware.device), 0
    words, clip_skip = rows_by_word(rows, training_batches.request.vectors), training_batches.request.clip_skip
    process_group = training_batches.process_group
    for index, batch in enumerate(training_batches.validation_batches()):
        check()
        count += len(batch.prompts)
        if index % process_group.size != process_group.rank:
            continue
        losses += batch_loss(model, batch, words, clip_skip) * len(batch.prompts)
    process_group.all_reduce([losses])
    return (losses / count).item()
