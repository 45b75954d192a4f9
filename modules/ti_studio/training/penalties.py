"""What keeps a word from taking the rest of the prompt away: penalties that are added to the loss."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ti_studio.models.loading import Model
from ti_studio.prompts.conditioning import POSITIONS, Conditioning, EncodedChunks, Words, encode
from ti_studio.prompts.transfer import to_device
from ti_studio.training.batches import Batch
from ti_studio.training.data.prompts import Prompt

DECIDES_LAYOUT = 500
"""Above this timestep a picture's layout and background are decided."""

Rows = Mapping[str, Tensor]


def conditioned(model: Model, prompts: Sequence[Prompt], words: Words, clip_skip: int = 1) -> Conditioning:
    """Returns encoded prompts for the UNet, with a graph from them to the words' rows."""
    return encode(model.encoders, prompts, words, clip_skip)


def distance_penalty(rows: Rows, initial: Rows) -> Tensor:
    """Returns the rows' mean squared distance from the initial ones, in units of these ones' mean squared norm."""
    shares = [
        (rows[encoder] - start).square().sum(dim=-1).mean() / _or_one(start.square().sum(dim=-1).mean())
        for encoder, start in initial.items()
    ]
    return torch.stack(shares).mean()


def context_penalty(encoder_hidden_states: Tensor, initial_hidden_states: Tensor, prompts: Sequence[Prompt]) -> Tensor:
    """Returns how much the word changes what the encoder says of the other tokens: the mean squared difference over the
    squared length.

    Args:
        context: the prompts with the word, [n, 77 · chunks, width].
        initial_context: the prompts with the initial rows in the word's place, of the same shape.
        prompts: the prompts, which say where the word is.
    """
    others = torch.tensor([_others(prompt, encoder_hidden_states.shape[1]) for prompt in prompts])
    shares = to_device(others / others.sum(), encoder_hidden_states.device)
    difference = (encoder_hidden_states - initial_hidden_states).float().square().sum(dim=-1)
    length = initial_hidden_states.float().square().sum(dim=-1)
    return (difference / length * shares).sum()


def prompt_penalty(model: Model, batch: Batch, told: EncodedChunks, initially: EncodedChunks) -> Tensor:
    """Returns how much the word, in place of its initialization text, changes what is painted of other pictures'
    prompts: the mean squared change of the UNet's prediction at timesteps above DECIDES_LAYOUT, over the batch's size.

    Costs nothing for pictures at other timesteps.

    Args:
        model: the frozen checkpoint.
        batch: with the other pictures' prompts.
        told: the chunks of these prompts with the word.
        initially: the same with the initial rows in the word's place.
    """
    noisy = [index for index, step in enumerate(batch.timesteps) if step > DECIDES_LAYOUT]
    if not noisy:
        return torch.zeros((), device=model.hardware.device)
    prompts = [batch.other_prompts[index] for index in noisy]
    chosen = to_device(torch.tensor(noisy), batch.pictures.noisy.device)
    latents, timesteps = batch.pictures.noisy[chosen], batch.pictures.timesteps[chosen]
    add_time_ids = None if batch.pictures.add_time_ids is None else batch.pictures.add_time_ids[chosen]
    with torch.no_grad():
        kept = model.predict(latents, timesteps, initially.conditioning(prompts), add_time_ids)
    changed = model.predict(latents, timesteps, told.conditioning(prompts), add_time_ids)
    return (changed - kept).square().mean(dim=(1, 2, 3)).sum() / len(batch.prompts)


def _others(prompt: Prompt, length: int) -> list[bool]:
    """Returns for every position of an encoded prompt whether something else than the word stands there."""
    others = [True] * length
    for number, chunk in enumerate(prompt):
        for placement in chunk.placements:
            start = number * POSITIONS + 1 + placement.offset
            others[start : start + placement.vectors] = [False] * placement.vectors
    return others


def _or_one(value: Tensor) -> Tensor:
    """Returns the value, or 1 for the zero of an empty initialization text."""
    return torch.where(value > 0, value, torch.ones_like(value))
