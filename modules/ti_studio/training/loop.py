"""The steps of a training."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from ti_studio.errors import StudioError
from ti_studio.models.loading import Model
from ti_studio.training.batches import TrainingBatches
from ti_studio.training.events import Step, Warned
from ti_studio.training.loss.denoising import denoising_losses
from ti_studio.training.optim.grad_scaler import MOST_DROPPED
from ti_studio.training.optim.lr_schedule import StepLearningRate
from ti_studio.training.optim.trainable_embedding import TrainableEmbedding
from ti_studio.training.penalties import EncodedBatch, batch_penalties, vector_penalties
from ti_studio.training.prompt_embeds import PromptEmbeds


class Diverged(StudioError):
    """Numbers are no longer finite, step after step."""


def optimise(model: Model, training_batches: TrainingBatches, trainable: TrainableEmbedding) -> Iterator[Step | Warned]:
    """Makes one optimizer step after another until `max_steps`, and yields an event after each.

    Only the trainable vectors change. The first step is the one after those already made. A step with a loss, gradient
    or vector that is not finite is undone: it counts, and changes nothing.

    Raises:
        Diverged: too many steps in a row were undone; the vectors are as they were before them.
    """
    schedule, scaler = StepLearningRate.of(training_batches.request), trainable.grad_scaler
    for step in range(trainable.step + 1, training_batches.request.max_steps + 1):
        losses = forward_backward(model, training_batches, trainable, step)
        training_batches.process_group.all_reduce([losses, *trainable.gradients()])
        learning_rate = schedule.rate(step)
        norms = trainable.update(learning_rate)
        # The step's one wait for the device. The update is made by then, and undone if need be.
        loss, penalty, gradient_norm, vector_norm = torch.cat([losses, norms]).tolist()
        if all(map(math.isfinite, (loss, penalty, gradient_norm, vector_norm))):
            scaler.accept()
            yield Step(step, loss, learning_rate, gradient_norm, vector_norm, penalty)
        else:
            numbers = {"loss": loss + penalty, "gradient's norm": gradient_norm, "rows' norm": vector_norm}
            yield _undone(trainable, numbers, learning_rate)


def forward_backward(
    model: Model, training_batches: TrainingBatches, trainable: TrainableEmbedding, step: int
) -> Tensor:
    """Adds the gradient of a step to the trainable vectors, times the gradient scaler's factor.

    Returns:
        The mean loss and the weighted penalties, float32 [2], on the training device; nothing here waits for the
        device. Of several processes, each returns its part of the sum.
    """
    request, factor = training_batches.request, trainable.grad_scaler.factor
    sums = torch.zeros(2, device=model.hardware.device)
    batches = training_batches.of_step(step)  # latents, noise, timesteps and prompts
    if not batches:  # fewer pictures than processes
        return sums
    rows, initial = trainable.rows, trainable.initial
    embeds = PromptEmbeds.encode(model, batches, rows, initial, request)  # the text encoders, once for all batches
    for batch in batches:
        conditioning = embeds.leaves.conditioning(batch.prompts)
        loss = denoising_losses(model, batch.pictures, conditioning, request).mean()  # the UNet's prediction
        encoded, penalty = EncodedBatch(batch, conditioning, embeds), torch.zeros_like(loss)
        for weight, batch_penalty in batch_penalties(request):
            penalty = penalty + weight * batch_penalty(model, encoded)
        losses = batch.scaled(torch.stack((loss, penalty)), request.gradient_accumulation_steps)
        if losses.requires_grad:  # otherwise no prompt of the batch holds a word
            (losses.sum() * factor).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        sums += losses.detach()
    outputs, gradients = embeds.gradients()
    if training_batches.process_group.is_main:
        for weight, vector_penalty in vector_penalties(request):
            penalty = weight * vector_penalty(rows, initial)
            outputs, gradients = [*outputs, penalty * factor], [*gradients, torch.ones_like(penalty)]
            sums[1] += penalty.detach()
    if outputs:
        torch.autograd.backward(outputs, gradients)
    return sums


def _undone(trainable: TrainableEmbedding, numbers: dict[str, float], learning_rate: float) -> Warned:
    """Undoes a step, and returns a warning that names the first number that is not finite.

    Raises:
        Diverged: it was one too many.
    """
    trainable.undo()
    step, scaler = trainable.step, trainable.grad_scaler
    name, value = next((name, value) for name, value in numbers.items() if not math.isfinite(value))
    factor = scaler.factor
    scaler.drop(loss_is_finite=name != "loss")
    if scaler.factor < factor:
        return Warned(
            f"Step {step} was left out: its gradient overflowed at loss scale {factor:g}; now {factor / 2:g}."
        )
    if scaler.gives_up:
        raise Diverged(
            f"The {name} is {value} at step {step}, the last of {MOST_DROPPED} in a row that had to be left out, with "
            f"learning rate {learning_rate:g}. Try a lower learning rate, or precision fp32."
        )
    return Warned(f"Step {step} was left out: its {name} is {value}.")
