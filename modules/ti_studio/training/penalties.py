"""Penalties added to the loss, so that the word leaves the rest of the prompt to the checkpoint.

A new penalty is a function of the signature `BatchPenalty` or `VectorPenalty`, a weight in
`training.config.regularization`, and a line in one of the two lists below.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ti_studio.device import to_device
from ti_studio.models.loading import Model
from ti_studio.prompts.conditioning import POSITIONS, Conditioning, EncodedChunks
from ti_studio.training.batches import Batch
from ti_studio.training.config.request import TrainRequest
from ti_studio.training.data.prompts import Prompt
from ti_studio.training.optim.parametrization import Rows
from ti_studio.training.prompt_embeds import PromptEmbeds

LAYOUT_TIMESTEP = 500
"""Above this timestep a picture's layout and background are decided."""


@dataclass(frozen=True)
class EncodedBatch:
    """A batch and its encoded prompts."""

    batch: Batch
    conditioning: Conditioning
    """The batch's own prompts, with a graph to `embeds.leaves`."""
    embeds: PromptEmbeds

    @property
    def reference_embeds(self) -> EncodedChunks:
        """The prompts with the initial vectors in the word's place; there where a penalty of the request needs them."""
        assert self.embeds.reference is not None
        return self.embeds.reference


BatchPenalty = Callable[[Model, EncodedBatch], Tensor]
"""Returns the penalty of a batch, a scalar ≥ 0 with a graph to the prompt embeddings."""
VectorPenalty = Callable[[Rows, Rows], Tensor]
"""Returns the penalty of the vectors, given the initial ones: a scalar ≥ 0 with a graph to the vectors."""


def batch_penalties(request: TrainRequest) -> list[tuple[float, BatchPenalty]]:
    """Returns the weight and the function of each penalty that is computed batch by batch."""
    penalties: tuple[tuple[float, BatchPenalty], ...] = (
        (request.context_weight, _context_penalty_of),
        (request.prompt_weight, _prompt_penalty_of),
    )
    return [(weight, penalty) for weight, penalty in penalties if weight]


def vector_penalties(request: TrainRequest) -> list[tuple[float, VectorPenalty]]:
    """Returns the weight and the function of each penalty that is computed once a step."""
    return [(request.init_weight, distance_penalty)] if request.init_weight else []


def distance_penalty(rows: Rows, initial: Rows) -> Tensor:
    """Returns the mean squared distance of the vectors from the initial ones, over the initial mean squared norm.

    Both are text encoder → [vectors, width]; the result is a scalar.
    """
    shares = [
        (rows[encoder] - start).square().sum(dim=-1).mean() / _or_one(start.square().sum(dim=-1).mean())
        for encoder, start in initial.items()
    ]
    return torch.stack(shares).mean()


def context_penalty(hidden_states: Tensor, reference_hidden_states: Tensor, prompts: Sequence[Prompt]) -> Tensor:
    """Returns how far the word changes the encoding of the other tokens: mean squared difference over squared length.

    It follows CoRe (arXiv 2408.15914), which makes the context tokens match those of a class word.

    Args:
        hidden_states: the prompts with the word, [n, 77 · chunks, width].
        reference_hidden_states: the prompts with the initial vectors in the word's place, of the same shape.
        prompts: the n prompts; they hold the word's places.
    """
    others = torch.tensor([_others(prompt, hidden_states.shape[1]) for prompt in prompts])
    shares = to_device(others / others.sum(), hidden_states.device)
    difference = (hidden_states - reference_hidden_states).float().square().sum(dim=-1)
    length = reference_hidden_states.float().square().sum(dim=-1)
    return (difference / length * shares).sum()


def prompt_penalty(model: Model, batch: Batch, prompt_embeds: EncodedChunks, reference_embeds: EncodedChunks) -> Tensor:
    """Returns how far the word changes the pictures of other prompts, compared with its initialization text.

    It is the mean squared change of the UNet's prediction at timesteps above LAYOUT_TIMESTEP, for prompts of other
    pictures, over the batch's size: a scalar. Pictures at lower timesteps cost nothing.

    Args:
        model: the frozen checkpoint.
        batch: with the other pictures' prompts.
        prompt_embeds: the chunks of these prompts with the word.
        reference_embeds: the same with the initial vectors in the word's place.
    """
    noisy = [index for index, timestep in enumerate(batch.timesteps) if timestep > LAYOUT_TIMESTEP]
    if not noisy:
        return torch.zeros((), device=model.hardware.device)
    prompts = [batch.other_prompts[index] for index in noisy]
    chosen = to_device(torch.tensor(noisy), batch.pictures.noisy.device)
    latents, timesteps = batch.pictures.noisy[chosen], batch.pictures.timesteps[chosen]
    time_ids = None if batch.pictures.add_time_ids is None else batch.pictures.add_time_ids[chosen]
    with torch.no_grad():
        reference = model.predict(latents, timesteps, reference_embeds.conditioning(prompts), time_ids)
    changed = model.predict(latents, timesteps, prompt_embeds.conditioning(prompts), time_ids)
    return (changed - reference).square().mean(dim=(1, 2, 3)).sum() / len(batch.prompts)


def _context_penalty_of(_model: Model, encoded: EncodedBatch) -> Tensor:
    prompts = encoded.batch.prompts
    reference = encoded.reference_embeds.conditioning(prompts)
    return context_penalty(encoded.conditioning.encoder_hidden_states, reference.encoder_hidden_states, prompts)


def _prompt_penalty_of(model: Model, encoded: EncodedBatch) -> Tensor:
    return prompt_penalty(model, encoded.batch, encoded.embeds.leaves, encoded.reference_embeds)


def _others(prompt: Prompt, length: int) -> list[bool]:
    """Returns for every position of an encoded prompt whether it is outside the word."""
    others = [True] * length
    for number, chunk in enumerate(prompt):
        for placement in chunk.placements:
            start = number * POSITIONS + 1 + placement.offset
            others[start : start + placement.vectors] = [False] * placement.vectors
    return others


def _or_one(value: Tensor) -> Tensor:
    """Returns the value, or 1 for the zero of an empty initialization text."""
    return torch.where(value > 0, value, torch.ones_like(value))
