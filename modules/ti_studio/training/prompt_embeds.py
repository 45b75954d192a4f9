"""The prompts of one step through the text encoders: once forward, and once backward."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ti_studio.models.loading import Model
from ti_studio.prompts.conditioning import EncodedChunks, encode_chunks, padded
from ti_studio.training.batches import Batch
from ti_studio.training.config.request import TrainRequest
from ti_studio.training.optim.parametrization import Rows
from ti_studio.training.word_rows import rows_by_word


@dataclass(frozen=True)
class PromptEmbeds:
    """The text encoders' output for every distinct chunk of a step's prompts.

    The UNet's gradients of all batches add up in `leaves`, in float32. One backward pass takes their sum through the
    encoders.
    """

    outputs: EncodedChunks
    """With a graph to the word's vectors."""
    leaves: EncodedChunks
    """The same numbers, detached; the batches' losses have a graph to these."""
    reference: EncodedChunks | None
    """The same prompts with the initial vectors in the word's place; None without a penalty that compares with it."""

    @classmethod
    def encode(
        cls, model: Model, batches: Sequence[Batch], rows: Rows, initial: Rows, request: TrainRequest
    ) -> "PromptEmbeds":
        """Encodes the prompts of a step's batches.

        Args:
            model: the frozen checkpoint.
            batches: the step's batches.
            rows: the vectors in the words' place, text encoder → [sum of all vectors, width], with a graph.
            initial: the vectors before the first step, of the same shapes.
            request: which penalties there are, and the clip skip.
        """
        chunks = [
            chunk for batch in batches for prompts in (batch.prompts, batch.other_prompts) for chunk in padded(prompts)
        ]
        words = rows_by_word(rows, request.vectors)
        outputs = encode_chunks(model.encoders, chunks, words, request.clip_skip)
        if not (request.context_weight or request.prompt_weight):
            return cls(outputs, outputs.detached(), None)
        with torch.no_grad():
            initial_words = rows_by_word(initial, request.vectors)
            reference = encode_chunks(model.encoders, chunks, initial_words, request.clip_skip)
        return cls(outputs, outputs.detached(), reference)

    def gradients(self) -> tuple[list[Tensor], list[Tensor]]:
        """Returns the encoders' outputs and the gradients that the batches have summed in them, shape for shape:
        [chunks, 77, width] and, for SDXL, the pooled [chunks, d]."""
        outputs, leaves = self.outputs.outputs, self.leaves.outputs
        pairs = [(outputs.encoder_hidden_states, leaves.encoder_hidden_states.grad)]
        if outputs.pooled is not None and leaves.pooled is not None:
            pairs.append((outputs.pooled, leaves.pooled.grad))
        summed = [(output, gradient.to(output.dtype)) for output, gradient in pairs if gradient is not None]
        return [output for output, _ in summed], [gradient for _, gradient in summed]
