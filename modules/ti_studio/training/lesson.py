"""Everything that the steps of a training draw from, prepared once: latents, tokenized prompts, the noise schedule."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ti_studio.errors import StudioError
from ti_studio.models.loading import Model
from ti_studio.prompts.chunks import Chunk, WordIndex, chunk_prompt
from ti_studio.prompts.grammar import literal
from ti_studio.prompts.tokens import PromptTokenizer
from ti_studio.training.captions import PromptTemplate
from ti_studio.training.dataset import Dataset, Sample
from ti_studio.training.latents import LatentCache
from ti_studio.training.noise import shaped_noise
from ti_studio.training.objective import NoiseSchedule, NoisyBatch
from ti_studio.training.randomness import generator, permutation
from ti_studio.training.request import TrainRequest

Prompt = tuple[Chunk, ...]

_VALIDATED_PICTURES = 32
"""A validation looks at no more pictures than this, evenly chosen: enough to compare by, and it stays short."""


class WordNotInPrompt(StudioError):
    """A training prompt in which the word can't be found, and which would teach it nothing."""


@dataclass(frozen=True)
class Batch:
    """What one forward pass looks at."""

    pictures: NoisyBatch
    prompts: list[Prompt]
    """One for each picture."""
    other_prompts: list[Prompt] = field(default_factory=list)
    """For each picture a prompt of another one; drawn only if `prompt_weight` asks for them."""


@dataclass(frozen=True)
class Lesson:
    """The material of a training."""

    latents: LatentCache
    prompts: tuple[tuple[Prompt, ...], ...]
    """For each picture, the prompts that the template makes of its caption."""
    noise: NoiseSchedule
    request: TrainRequest

    def batch(self, step: int, part: int) -> Batch:
        """Draws batch `part` (of `gradient_accumulation_steps`) of a step, counted from 1.

        Pictures come in shuffled rounds, each as often as the others; the template line, the mirroring, the VAE's
        noise, the noise and the timestep are drawn anew each time. The timesteps of a batch are spread evenly over the
        schedule, which calms the gradient. The draw depends on the seed, step and part alone.
        """
        request = self.request
        number = (step - 1) * request.gradient_accumulation_steps + part
        drawn = generator(request.seed, "batch", number)
        pictures = [self._picture(number * request.batch_size + index) for index in range(request.batch_size)]
        prompts = [self._draw(self.prompts[picture], drawn) for picture in pictures]
        others = self._other_prompts(pictures, number) if request.prompt_weight else []
        return Batch(self._noisy(pictures, drawn, number), prompts, others)

    def validation_batches(self) -> Iterator[Batch]:
        """Draws what every validation looks at: the same pictures, prompts, noise and timesteps each time.

        `validation_count` versions of each of 32 pictures at most, at timesteps that are spread evenly over the trained
        ones; as many at once as a step has.
        """
        request, count = self.request, len(self.prompts)
        drawn = generator(request.seed, "validation", 0)
        chosen = sorted({index * count // _VALIDATED_PICTURES for index in range(_VALIDATED_PICTURES)})
        pictures = (list(range(count)) if count <= _VALIDATED_PICTURES else chosen) * request.validation_count
        prompts = [self._draw(self.prompts[picture], drawn) for picture in pictures]
        shape = (len(pictures), *self.latents.mean.shape[1:])
        sampling, noise = torch.randn(shape, generator=drawn), torch.randn(shape, generator=drawn)
        timesteps = self._stratified(len(pictures), drawn)
        device = self.latents.mean.device
        for start in range(0, len(pictures), request.batch_size):
            part = slice(start, start + request.batch_size)
            indices = torch.tensor(pictures[part])
            latents = self.latents.sample(indices.to(device), sampling[part].to(device))
            noisy = self.noise.add_noise(latents, noise[part].to(device), timesteps[part].to(device))
            yield Batch(noisy, prompts[part])

    def _other_prompts(self, pictures: list[int], number: int) -> list[Prompt]:
        drawn = generator(self.request.seed, "other prompts", number)
        count = len(self.prompts)
        shifts = torch.randint(1, max(2, count), (len(pictures),), generator=drawn).tolist()
        others = [(picture + shift) % count for picture, shift in zip(pictures, shifts, strict=True)]
        return [self._draw(self.prompts[other], drawn) for other in others]

    def _picture(self, position: int) -> int:
        count = len(self.prompts)
        return permutation(self.request.seed, position // count, count)[position % count]

    def _draw(self, prompts: Sequence[Prompt], drawn: torch.Generator) -> Prompt:
        return prompts[int(torch.randint(len(prompts), (1,), generator=drawn))]

    def _noisy(self, pictures: list[int], drawn: torch.Generator, number: int) -> NoisyBatch:
        count, device = len(pictures), self.latents.mean.device
        orientations = len(self.latents) // len(self.prompts)
        mirrored = torch.randint(orientations, (count,), generator=drawn)
        indices = torch.tensor(pictures) + mirrored * len(self.prompts)
        shape = (count, *self.latents.mean.shape[1:])
        sampling = torch.randn(shape, generator=drawn)
        noise = torch.randn(shape, generator=drawn)
        latents = self.latents.sample(indices.to(device), sampling.to(device))
        timesteps = self._timesteps(count, drawn)
        # Generators of their own, so that an option changes nothing else that is drawn.
        noise = shaped_noise(noise, self.request, generator(self.request.seed, "shape of the noise", number))
        perturbation = None
        if gamma := self.request.ip_noise_gamma:
            more = torch.randn(shape, generator=generator(self.request.seed, "perturbation", number))
            perturbation = (gamma * more).to(device)
        return self.noise.add_noise(latents, noise.to(device), timesteps.to(device), perturbation)

    def _timesteps(self, count: int, drawn: torch.Generator) -> Tensor:
        if self.request.timestep_sampling == "uniform":
            first, end = self._timestep_range
            return torch.randint(first, end, (count,), generator=drawn)
        return self._stratified(count, drawn)

    def _stratified(self, count: int, drawn: torch.Generator) -> Tensor:
        """Returns one timestep from each of `count` equal parts of the trained ones, in random order."""
        first, end = self._timestep_range
        within = torch.rand(count, generator=drawn)
        order = torch.randperm(count, generator=drawn)
        return first + ((order + within) / count * (end - first)).long().clamp(max=end - first - 1)

    @property
    def _timestep_range(self) -> tuple[int, int]:
        """The first timestep that is trained, and the one after the last."""
        end = min(self.request.max_timestep, self.noise.timesteps)
        return min(self.request.min_timestep, end - 1), end


def tokenize_prompts(
    dataset: Dataset, template: PromptTemplate, name: str, tokenizer: PromptTokenizer, vectors: int
) -> tuple[tuple[Prompt, ...], ...]:
    """Returns every prompt that a training may draw, for each picture in the dataset's order.

    Captions are literal here: brackets in them are no emphasis.

    Raises:
        WordNotInPrompt: a prompt, once tokenized, does not hold the word.
    """
    words = WordIndex.of({name: vectors}, tokenizer)

    def tokenize(sample: Sample, text: str) -> Prompt:
        chunks = chunk_prompt(literal(text), tokenizer, words)
        if not any(chunk.placements for chunk in chunks):
            raise WordNotInPrompt(
                f"The prompt {text!r} (for {sample.path.name}) does not hold the word {name!r}: what stands beside it "
                "runs into it. Put a space around [name] in the template."
            )
        return chunks

    return tuple(
        tuple(tokenize(sample, text) for text in template.prompts(name, sample.caption)) for sample in dataset.samples
    )


def fingerprint(dataset: Dataset) -> str:
    """Returns a SHA-256 over the pictures' contents and their captions, to notice that a dataset has changed."""
    digest = hashlib.sha256()
    for sample in dataset.samples:
        digest.update(hashlib.sha256(sample.path.read_bytes()).digest())
        digest.update(sample.caption.encode())
    return digest.hexdigest()


def prepare_lesson(
    request: TrainRequest, model: Model, latents: LatentCache, prompts: tuple[tuple[Prompt, ...], ...]
) -> Lesson:
    """Puts the material together for a loaded checkpoint."""
    return Lesson(latents, prompts, NoiseSchedule(model.scheduler_config, model.hardware.device, request), request)
