"""The batches of a training: latents with noise, and tokenized prompts, drawn for each step."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, islice

import torch
from torch import Tensor

from ti_studio.device import to_device
from ti_studio.models.loading import Model
from ti_studio.prompts.conditioning import padded
from ti_studio.training.config.request import TrainRequest
from ti_studio.training.data.dataset import repeats_of
from ti_studio.training.data.latents import Latents
from ti_studio.training.data.prompts import PicturePrompts, Prompt
from ti_studio.training.data.sampler import BucketBatchSampler
from ti_studio.training.distributed import ProcessGroup
from ti_studio.training.loss.denoising import NoiseSchedule, NoisyBatch
from ti_studio.training.loss.noise import is_shaped, perturbation, shaped_noise
from ti_studio.training.randomness import seeded_generator

_VALIDATED_PICTURES = 32
"""The most pictures of a validation, chosen evenly: enough to compare losses, and quick."""


@dataclass(frozen=True)
class Batch:
    """The pictures and prompts of one forward pass."""

    pictures: NoisyBatch
    prompts: list[Prompt]
    """One for each picture."""
    timesteps: list[int]
    """The pictures' timesteps on the CPU. Reading `pictures.timesteps` would wait for the device."""
    other_prompts: list[Prompt] = field(default_factory=list)
    """For each picture a prompt of another one; empty without `prompt_weight`."""
    share: float = 1.0
    """This process's part of the whole batch, 0 to 1."""

    def scaled(self, losses: Tensor, accumulated: int) -> Tensor:
        """Returns mean losses, of any shape, times this batch's part of the step.

        Args:
            losses: the means over this batch.
            accumulated: into how many batches the step is divided.
        """
        if accumulated > 1:
            losses = losses / accumulated
        return losses if self.share == 1 else losses * self.share

    def part(self, which: slice) -> "Batch":
        """Returns some of its pictures, their prompts padded to the longest of the whole batch."""
        prompts = _of_one_length(self.prompts)[which]
        return Batch(
            self.pictures.part(which),
            prompts,
            self.timesteps[which],
            _of_one_length(self.other_prompts)[which],
            len(prompts) / len(self.prompts),
        )


def _of_one_length(prompts: Sequence[Prompt]) -> list[Prompt]:
    """Returns prompts padded with empty chunks to the longest one, as encoding does."""
    chunks = padded(prompts)
    length = len(chunks) // max(1, len(prompts))
    return [tuple(chunks[start : start + length]) for start in range(0, len(chunks), length)] if length else []


@dataclass(frozen=True)
class TrainingBatches:
    """The source of a training's batches."""

    latents: Latents
    prompts: tuple[PicturePrompts, ...]
    """For each picture, the prompts made of the template and its caption."""
    sampler: BucketBatchSampler
    noise: NoiseSchedule
    request: TrainRequest
    process_group: ProcessGroup = field(default_factory=ProcessGroup)
    """The processes that share each batch."""

    def batch(self, step: int, part: int) -> Batch:
        """Draws batch `part` (of `gradient_accumulation_steps`) of a step, counted from 1.

        Pictures come in shuffled rounds, each with its repeats, those of one size together. The template line, the
        variations of caption and picture, the VAE's noise, the noise and the timestep are drawn anew each time. The
        timesteps of a batch are spread evenly over the schedule, which reduces the gradient's variance. The draw
        depends on seed, step and part alone. Each of several processes draws the whole batch and returns its part.
        """
        request = self.request
        number = (step - 1) * request.gradient_accumulation_steps + part
        generator = seeded_generator(request.seed, "batch", number)
        pictures = self.sampler.batch(number)
        done = (step - 1, request.max_steps)
        prompts = [self.prompts[picture].draw(generator, done) for picture in pictures]
        others = self._other_prompts(pictures, number) if request.prompt_weight else []
        noisy, timesteps = self._noisy(pictures, generator, number)
        whole = Batch(noisy, prompts, timesteps, others)
        return whole if self.process_group.size == 1 else whole.part(self.process_group.local_shard(len(prompts)))

    def of_step(self, step: int) -> list[Batch]:
        """Draws the batches of a step that hold pictures of this process; normally one for each accumulated part."""
        parts = range(self.request.gradient_accumulation_steps)
        return [batch for part in parts if (batch := self.batch(step, part)).prompts]

    def validation_batches(self) -> Iterator[Batch]:
        """Draws the validation batches: the same pictures, prompts, noise and timesteps each time.

        They hold `validation_count` versions of at most 32 pictures, at timesteps spread evenly over the trained range.
        A batch is as large as a step's, with pictures of one size. Regularisation pictures are left out.
        """
        request = self.request
        generator = seeded_generator(request.seed, "validation", 0)
        learned = [index for index, picture in enumerate(self.prompts) if not picture.sample.options.is_reg]
        count = len(learned)
        chosen = sorted({index * count // _VALIDATED_PICTURES for index in range(_VALIDATED_PICTURES)})
        pictures = [learned[index] for index in (range(count) if count <= _VALIDATED_PICTURES else chosen)]
        pictures *= request.validation_count
        timesteps = self._stratified(len(pictures), generator)
        for part in self._parts_of_a_size(pictures):
            shown = [pictures[index] for index in part]
            prompts = [self.prompts[picture].draw(generator) for picture in shown]
            latent_batch = self.latents.draw(shown, generator)
            device = latent_batch.latents.device
            noise = torch.randn(latent_batch.latents.shape, generator=generator).to(device)
            noised_to = timesteps[torch.tensor(part)]
            noisy = self.noise.add_noise(latent_batch.latents, noise, noised_to.to(device))
            noisy = replace(noisy, mask=latent_batch.mask, add_time_ids=latent_batch.add_time_ids)
            yield Batch(noisy, prompts, noised_to.tolist())

    def _parts_of_a_size(self, pictures: list[int]) -> Iterator[list[int]]:
        """Yields the places of pictures in the list, as many at once as a batch has, those of one size together."""

        def size(place: int) -> tuple[int, int]:
            return self.prompts[pictures[place]].sample.size

        for _, group in groupby(sorted(range(len(pictures)), key=size), key=size):
            while part := list(islice(group, self.request.batch_size)):
                yield part

    def _other_prompts(self, pictures: list[int], number: int) -> list[Prompt]:
        generator = seeded_generator(self.request.seed, "other prompts", number)
        count = len(self.prompts)
        shifts = torch.randint(1, max(2, count), (len(pictures),), generator=generator).tolist()
        others = [(picture + shift) % count for picture, shift in zip(pictures, shifts, strict=True)]
        return [self.prompts[other].draw(generator) for other in others]

    def _noisy(self, pictures: list[int], generator: torch.Generator, number: int) -> tuple[NoisyBatch, list[int]]:
        """Returns a batch's pictures with their noise, and their timesteps."""
        latent_batch = self.latents.draw(pictures, generator)
        shape, device = latent_batch.latents.shape, latent_batch.latents.device
        noise = torch.randn(shape, generator=generator)
        timesteps = self._timesteps(len(pictures), generator)
        # Generators of their own, so that an option changes nothing else that is drawn.
        noise, more, seed = to_device(noise, device), None, self.request.seed
        if is_shaped(self.request):
            shaping = seeded_generator(seed, "shape of the noise", number)
            noise = shaped_noise(noise, latent_batch.latents, self.request, shaping)
        if self.request.ip_noise_gamma:
            more = perturbation(noise, self.request, seeded_generator(seed, "perturbation", number))
        noisy = self.noise.add_noise(latent_batch.latents, noise, to_device(timesteps, device), more)
        weights = self._weighed(noisy.weights, pictures, device)
        return replace(
            noisy, weights=weights, mask=latent_batch.mask, add_time_ids=latent_batch.add_time_ids
        ), timesteps.tolist()

    def _weighed(self, weights: Tensor | None, pictures: list[int], device: torch.device) -> Tensor | None:
        """Returns the weights of a batch's errors, with those of regularisation pictures."""
        chosen = [self.prompts[picture].sample.options for picture in pictures]
        own = [options.prior_loss_weight if options.is_reg else 1.0 for options in chosen]
        if all(weight == 1 for weight in own):
            return weights
        of_pictures = to_device(torch.tensor(own), device)
        return of_pictures if weights is None else weights * of_pictures

    def _timesteps(self, count: int, generator: torch.Generator) -> Tensor:
        request, (first, end) = self.request, self._timestep_range
        if request.timestep_distribution == "uniform":
            if request.timestep_sampling == "stratified":
                return self._stratified(count, generator)
            return torch.randint(first, end, (count,), generator=generator)
        evenly = (
            _evenly(count, generator)
            if request.timestep_sampling == "stratified"
            else torch.rand(count, generator=generator)
        )
        drawn_share = torch.sigmoid(torch.special.ndtri(evenly.double()) + request.timestep_bias)
        return first + (drawn_share * (end - first)).long().clamp(max=end - first - 1)

    def _stratified(self, count: int, generator: torch.Generator) -> Tensor:
        """Returns one timestep from each of `count` equal parts of the trained ones, in random order."""
        first, end = self._timestep_range
        return first + (_evenly(count, generator) * (end - first)).long().clamp(max=end - first - 1)

    @property
    def _timestep_range(self) -> tuple[int, int]:
        """The first timestep that is trained, and the one after the last."""
        end = min(self.request.max_timestep, self.noise.timesteps)
        return min(self.request.min_timestep, end - 1), end


def _evenly(count: int, generator: torch.Generator) -> Tensor:
    """Returns one number from each of `count` equal parts of 0…1, in random order."""
    within = torch.rand(count, generator=generator)
    return (torch.randperm(count, generator=generator) + within) / count


def prepare_batches(
    request: TrainRequest,
    model: Model,
    latents: Latents,
    prompts: tuple[PicturePrompts, ...],
    process_group: ProcessGroup | None = None,
) -> TrainingBatches:
    """Returns the batches of a training.

    Args:
        request: batch size, seed, and how noise and timesteps are drawn.
        model: the loaded checkpoint, for its noise schedule and device.
        latents: the source of the pictures' latents.
        prompts: the prompts of each picture, in the latents' order.
        process_group: the processes that share each batch; this process alone by default.
    """
    samples = [picture.sample for picture in prompts]
    sampler = BucketBatchSampler.of(
        [sample.size for sample in samples], repeats_of(samples), request.batch_size, request.seed
    )
    noise = NoiseSchedule(model.scheduler_config, model.hardware.device, request)
    return TrainingBatches(latents, prompts, sampler, noise, request, process_group or ProcessGroup())
