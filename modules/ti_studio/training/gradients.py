"""The gradient of a step: its pictures through the UNet batch by batch, its prompts through the text encoders once."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ti_studio.models.loading import Model
from ti_studio.prompts.conditioning import EncodedChunks, encode_chunks, padded
from ti_studio.training.batches import Batch, TrainingBatches
from ti_studio.training.config.request import TrainRequest
from ti_studio.training.loss.denoising import denoising_losses
from ti_studio.training.optim.parametrization import Rows
from ti_studio.training.optim.trainable_embedding import TrainableEmbedding
from ti_studio.training.penalties import context_penalty, distance_penalty, prompt_penalty
from ti_studio.training.word_rows import rows_by_word


def accumulate_gradients(
    model: Model, training_batches: TrainingBatches, trainable: TrainableEmbedding, step: int
) -> Tensor:
    """Adds up the gradients of a step's batches, times the learner's loss scale.

    The text encoders see each distinct chunk of the step once. Their output is a leaf to the batches, in which the
    UNet's gradients add up in float32, and which then goes back through the encoders in one pass.

    Returns:
        The mean loss and the penalties that were added to it, [2], on the training device, which nothing here waits
        for. Of several processes, each one's part of the sum.
    """
    request, factor = training_batches.request, trainable.grad_scaler.factor
    parts = request.gradient_accumulation_steps
    batches = [batch for part in range(parts) if (batch := training_batches.batch(step, part)).prompts]
    if not batches:  # too few pictures for this process
        return torch.zeros(2, device=model.hardware.device)
    rows = trainable.rows
    told = _Told.of(model, batches, (rows, trainable.initial), request)
    sums = torch.zeros(2, device=model.hardware.device)
    for batch in batches:
        losses = torch.stack(_losses(model, batch, told, request))
        if parts > 1:
            losses = losses / parts
        if batch.share != 1:
            losses = losses * batch.share
        if losses.requires_grad:  # else no prompt of the batch holds a word
            (losses.sum() * factor).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        sums += losses.detach()
    roots, gradients = told.collected()
    if request.init_weight and training_batches.process_group.is_main:
        penalty = request.init_weight * distance_penalty(rows, trainable.initial)
        roots, gradients = [*roots, penalty * factor], [*gradients, torch.ones_like(penalty)]
        sums[1] += penalty.detach()
    if roots:
        torch.autograd.backward(roots, gradients)
    return sums


@dataclass(frozen=True)
class _Told:
    """What the text encoders say of a step's prompts."""

    outputs: EncodedChunks
    """With a graph to the rows."""
    leaves: EncodedChunks
    """The same for the batches."""
    initially: EncodedChunks | None
    """The same with the initial rows in the word's place, for the penalties that compare with it."""

    @classmethod
    def of(
        cls, model: Model, batches: list[Batch], rows_and_initial: tuple[Rows, Rows], request: TrainRequest
    ) -> "_Told":
        chunks = [
            chunk for batch in batches for prompts in (batch.prompts, batch.other_prompts) for chunk in padded(prompts)
        ]
        rows, initial = rows_and_initial
        outputs = encode_chunks(model.encoders, chunks, rows_by_word(rows, request.vectors), request.clip_skip)
        initially = None
        if request.context_weight or request.prompt_weight:
            with torch.no_grad():
                words = rows_by_word(initial, request.vectors)
                initially = encode_chunks(model.encoders, chunks, words, request.clip_skip)
        return cls(outputs, outputs.detached(), initially)

    def collected(self) -> tuple[list[Tensor], list[Tensor]]:
        """Returns the encoders' outputs, and the gradients of them that have added up."""
        outputs, leaves = self.outputs.outputs, self.leaves.outputs
        pairs = [(outputs.encoder_hidden_states, leaves.encoder_hidden_states.grad)]
        if outputs.pooled is not None and leaves.pooled is not None:
            pairs.append((outputs.pooled, leaves.pooled.grad))
        found = [(output, gradient.to(output.dtype)) for output, gradient in pairs if gradient is not None]
        return [output for output, _ in found], [gradient for _, gradient in found]


def _losses(model: Model, batch: Batch, told: _Told, request: TrainRequest) -> tuple[Tensor, Tensor]:
    """Returns a batch's mean loss, and the weighted penalties of its prompts."""
    conditioning = told.leaves.conditioning(batch.prompts)
    loss = denoising_losses(model, batch.pictures, conditioning, request).mean()
    penalty = torch.zeros_like(loss)
    if told.initially is not None and request.context_weight:
        initially = told.initially.conditioning(batch.prompts)
        penalty = penalty + request.context_weight * context_penalty(
            conditioning.encoder_hidden_states, initially.encoder_hidden_states, batch.prompts
        )
    if told.initially is not None and request.prompt_weight:
        penalty = penalty + request.prompt_weight * prompt_penalty(model, batch, told.leaves, told.initially)
    return loss, penalty
