"""Everything that the steps of a training draw from, prepared once: latents, tokenized prompts, the noise schedule."""

import hashlib
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ti_studio.models.loading import Model
from ti_studio.training.dataset import Dataset, repeats_of
from ti_studio.training.latents import Latents
from ti_studio.training.objective import NoiseSchedule, NoisyBatch
from ti_studio.training.order import Order
from ti_studio.training.prompts import PicturePrompts, Prompt
from ti_studio.training.randomness import generator
from ti_studio.training.request import TrainRequest


@dataclass(frozen=True)
class Batch:
    """What one forward pass looks at."""

    pictures: NoisyBatch
    prompts: list[Prompt]
    """One for each picture."""


@dataclass(frozen=True)
class Lesson:
    """The material of a training."""

    latents: Latents
    prompts: tuple[PicturePrompts, ...]
    """For each picture, the prompts that the template makes of its caption."""
    order: Order
    noise: NoiseSchedule
    request: TrainRequest

    def batch(self, step: int, part: int) -> Batch:
        """Draws batch `part` (of `gradient_accumulation_steps`) of a step, counted from 1.

        Pictures come in shuffled rounds, each as often as it is to be repeated, those of one size together; the
        template line, what varies in the caption and the picture, the VAE's noise, the noise and the timestep are drawn
        anew each time. The timesteps of a batch are spread evenly over the schedule, which calms the gradient. The draw
        depends on the seed, step and part alone.
        """
        request = self.request
        number = (step - 1) * request.gradient_accumulation_steps + part
        drawn = generator(request.seed, "batch", number)
        pictures = self.order.batch(number)
        prompts = [self.prompts[picture].draw(drawn) for picture in pictures]
        return Batch(self._noisy(pictures, drawn), prompts)

    def _noisy(self, pictures: list[int], drawn: torch.Generator) -> NoisyBatch:
        found = self.latents.draw(pictures, drawn)
        noise = torch.randn(found.latents.shape, generator=drawn).to(found.latents.device)
        timesteps = self._timesteps(len(pictures), drawn).to(found.latents.device)
        return replace(self.noise.add_noise(found.latents, noise, timesteps), mask=found.mask)

    def _timesteps(self, count: int, drawn: torch.Generator) -> Tensor:
        """Returns one timestep from each of `count` equal parts of the schedule, in random order."""
        within = torch.rand(count, generator=drawn)
        order = torch.randperm(count, generator=drawn)
        return ((order + within) / count * self.noise.timesteps).long().clamp(max=self.noise.timesteps - 1)


def fingerprint(dataset: Dataset) -> str:
    """Returns a SHA-256 over the pictures' contents and their captions, to notice that a dataset has changed."""
    digest = hashlib.sha256()
    for sample in dataset.samples:
        digest.update(hashlib.sha256(sample.path.read_bytes()).digest())
        digest.update(sample.caption.encode())
    return digest.hexdigest()


def prepare_lesson(
    request: TrainRequest, model: Model, latents: Latents, prompts: tuple[PicturePrompts, ...]
) -> Lesson:
    """Puts the material together for a loaded checkpoint."""
    samples = [picture.sample for picture in prompts]
    order = Order.of([sample.size for sample in samples], repeats_of(samples), request.batch_size, request.seed)
    return Lesson(latents, prompts, order, NoiseSchedule(model.scheduler_config, model.hardware.device), request)
