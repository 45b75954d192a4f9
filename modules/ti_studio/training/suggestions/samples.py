"""What suggested texts are compared by: the same noisy pictures for every one of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path

import torch
from torch import Tensor

from ti_studio.models.loading import Model
from ti_studio.prompts.conditioning import encode
from ti_studio.training.data.dataset import Dataset, scan_dataset
from ti_studio.training.data.latents import LatentCache, cache_latents
from ti_studio.training.data.prompts import PromptReader
from ti_studio.training.loss.denoising import NoiseSchedule, NoisyBatch, denoising_losses
from ti_studio.training.randomness import permutation, seeded_generator

PROMPT = "a photo of {text}"
"""The prompt that a text is tried in."""

MOST_PICTURES = 32
"""Pictures that are looked at, evenly chosen of the folder's."""

_RANGE = 0.2, 0.9
"""Of the noise schedule: with less noise a prompt says next to nothing, with more there is nothing to be told apart."""

_MOST_LATENTS = 32768
"""Places of latents that are denoised at once: 8 pictures of 64×64 latents, 2 of 128×128."""

_MOST_AT_ONCE = 32
"""Texts that are tried at once: more gain nothing, and the time is looked at less often."""


@dataclass(frozen=True)
class Trial:
    """Pictures with noise, and the checkpoint that is to find it under the prompts that are tried."""

    model: Model
    samples: tuple[NoisyBatch, ...]
    """Each of one picture. The first so many show all pictures alike, at timesteps spread over all."""
    reader: PromptReader

    def losses(self, texts: Sequence[str], which: slice) -> Iterator[Tensor]:
        """Yields the denoising losses of the texts, [texts] on the CPU, for one of the samples after the other.

        They are few enough to be encoded together: at most `at_once`.
        """
        prompts = [self.reader.read(PROMPT.format(text=text)) for text in texts]
        with torch.no_grad():
            conditioning = encode(self.model.encoders, prompts, {})
        for sample in self.samples[which]:
            with torch.no_grad():
                losses = denoising_losses(self.model, _repeated(sample, len(prompts)), conditioning)
            yield losses.cpu()

    @property
    def at_once(self) -> int:
        """How many texts are tried together."""
        height, width = self.samples[0].noisy.shape[-2:]
        return max(1, min(_MOST_AT_ONCE, _MOST_LATENTS // (height * width)))


def _repeated(sample: NoisyBatch, count: int) -> NoisyBatch:
    """Returns a sample so many times, without copies."""

    def of(value: Tensor | None) -> Tensor | None:
        return None if value is None else value.expand(count, *value.shape[1:])

    return replace(
        sample,
        noisy=sample.noisy.expand(count, -1, -1, -1),
        timesteps=sample.timesteps.expand(count),
        target=sample.target.expand(count, -1, -1, -1),
        mask=of(sample.mask),
        add_time_ids=of(sample.add_time_ids),
    )


def prepare_trial(model: Model, folder: Path, count: int, seed: int) -> tuple[Trial, Dataset]:
    """Encodes a folder's pictures once, at the checkpoint's own size, and adds the noise.

    Args:
        model: the loaded checkpoint.
        folder: the pictures.
        count: how many samples are made of them.
        seed: the noise, and the order of the pictures, depend on it alone.

    Returns:
        The trial, and the pictures that it is made of.

    Raises:
        StudioError: there is no such folder, or no picture in it can be used.
    """
    size = model.info.default_size
    dataset = scan_dataset(folder, (size, size))
    number = len(dataset.samples)
    chosen = sorted({index * number // MOST_PICTURES for index in range(MOST_PICTURES)})
    few = tuple(dataset.samples[index] for index in (range(number) if number <= MOST_PICTURES else chosen))
    latents, dataset = cache_latents(model, replace(dataset, samples=few))
    reader = PromptReader.of_words({}, model.encoders[0].tokenizer)
    return Trial(model, tuple(_noisy_samples(model, latents.settled(None), count, seed)), reader), dataset


def _noisy_samples(model: Model, latents: LatentCache, count: int, seed: int) -> Iterator[NoisyBatch]:
    device = model.hardware.device
    schedule = NoiseSchedule(model.scheduler_config, device)
    first, last = (share * schedule.timesteps for share in _RANGE)
    order = permutation(seed, 0, len(latents.upright))
    for number, picture in enumerate(islice(cycle(order), count)):
        generator = seeded_generator(seed, "suggestion", number)
        latent_batch = latents.draw([picture], generator)
        timesteps = torch.tensor([int(first + _spread(number) * (last - first))], device=device)
        noise = torch.randn(latent_batch.latents.shape, generator=generator).to(device)
        noisy = schedule.add_noise(latent_batch.latents, noise, timesteps)
        yield replace(noisy, mask=latent_batch.mask, add_time_ids=latent_batch.add_time_ids)


def _spread(number: int) -> float:
    """Returns a number of a sequence in 0…1 whose beginnings, of any length, are spread evenly (van der Corput's)."""
    place, share = 0.0, 0.5
    number += 1
    while number:
        place += share * (number & 1)
        number, share = number >> 1, share / 2
    return place
