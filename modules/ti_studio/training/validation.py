"""The validation loss: a plain denoising error on fixed pictures, noise and timesteps."""

import torch
from torch import Tensor

from ti_studio.models.loading import Model
from ti_studio.prompts.conditioning import Words, encode
from ti_studio.training.batches import Batch, TrainingBatches
from ti_studio.training.cancellation import Check, go_on
from ti_studio.training.loss.denoising import denoising_losses
from ti_studio.training.optim.parametrization import Rows
from ti_studio.training.word_rows import rows_by_word


def batch_loss(model: Model, batch: Batch, words: Words, clip_skip: int = 1) -> Tensor:
    """Returns the plain mean squared error of a batch, a scalar with a graph to the words' vectors.

    Args:
        model: the frozen checkpoint.
        batch: noisy pictures and their prompts.
        words: name → text encoder → [vectors, width].
        clip_skip: which layer of the text encoder is used, counted from the last.
    """
    conditioning = encode(model.encoders, batch.prompts, words, clip_skip)
    return denoising_losses(model, batch.pictures, conditioning).mean()


@torch.no_grad()
def validation_loss(model: Model, training_batches: TrainingBatches, rows: Rows, check: Check = go_on) -> float:
    """Returns the plain mean squared error over all validation batches.

    Of several processes each computes its part of the batches, and all return the same number.

    Args:
        model: the frozen checkpoint.
        training_batches: the source of the validation batches.
        rows: the vectors of all words, text encoder → [sum of all vectors, width].
        check: called before each batch; raises to leave early.
    """
    losses, count = torch.zeros((), device=model.hardware.device), 0
    request, process_group = training_batches.request, training_batches.process_group
    words = rows_by_word(rows, request.vectors)
    for index, batch in enumerate(training_batches.validation_batches()):
        check()
        count += len(batch.prompts)
        if index % process_group.size != process_group.rank:
            continue
        losses += batch_loss(model, batch, words, request.clip_skip) * len(batch.prompts)
    process_group.all_reduce([losses])
    return (losses / count).item()
