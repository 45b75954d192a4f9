"""Everything that the steps of a training draw from, prepared once: latents, tokenized prompts, the noise schedule."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

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
from ti_studio.training.objective import NoiseSchedule, NoisyBatch
from ti_studio.training.randomness import generator, permutation
from ti_studio.training.request import TrainRequest

Prompt = tuple[Chunk, ...]


class WordNotInPrompt(StudioError):
    """A training prompt in which the word can't be found, and which would teach it nothing."""


@dataclass(frozen=True)
class Batch:
    """What one forward pass looks at."""

    pictures: NoisyBatch
    prompts: list[Prompt]
    """One for each picture."""


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
        return Batch(self._noisy(pictures, drawn), prompts)

    def _picture(self, position: int) -> int:
        count = len(self.prompts)
        return permutation(self.request.seed, position // count, count)[position % count]

    def _draw(self, prompts: Sequence[Prompt], drawn: torch.Generator) -> Prompt:
        return prompts[int(torch.randint(len(prompts), (1,), generator=drawn))]

    def _noisy(self, pictures: list[int], drawn: torch.Generator) -> NoisyBatch:
        count, device = len(pictures), self.latents.mean.device
        orientations = len(self.latents) // len(self.prompts)
        mirrored = torch.randint(orientations, (count,), generator=drawn)
        indices = torch.tensor(pictures) + mirrored * len(self.prompts)
        shape = (count, *self.latents.mean.shape[1:])
        sampling = torch.randn(shape, generator=drawn)
        noise = torch.randn(shape, generator=drawn)
        latents = self.latents.sample(indices.to(device), sampling.to(device))
        return self.noise.add_noise(latents, noise.to(device), self._timesteps(count, drawn).to(device))

    def _timesteps(self, count: int, drawn: torch.Generator) -> Tensor:
        """Returns one timestep from each of `count` equal parts of the schedule, in random order."""
        within = torch.rand(count, generator=drawn)
        order = torch.randperm(count, generator=drawn)
        return ((order + within) / count * self.noise.timesteps).long().clamp(max=self.noise.timesteps - 1)


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
    return Lesson(latents, prompts, NoiseSchedule(model.scheduler_config, model.hardware.device), request)
