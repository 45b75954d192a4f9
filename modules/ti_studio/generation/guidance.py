"""What the UNet is told at each step, and how its answers make one prediction."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ti_studio.embeddings.embedding import Embedding
from ti_studio.generation.request import GenerateRequest
from ti_studio.models.loading import Model
from ti_studio.prompts.conditioning import Conditioning, ConditioningCache
from ti_studio.prompts.grammar import Emphasis
from ti_studio.prompts.limits import PromptLimits
from ti_studio.prompts.parser import PromptLexer, ReadPrompt, TokenizedPrompt


class PromptEncoder(PromptLexer):
    """Reads and encodes prompts for a loaded checkpoint, and remembers what it encoded."""

    def __init__(self, model: Model, limits: PromptLimits | None = None) -> None:
        super().__init__(model.encoders[0].tokenizer, limits)
        self._cache = ConditioningCache(model.encoders)

    def encode(
        self,
        prompt: TokenizedPrompt,
        embeddings: Mapping[str, Embedding],
        clip_skip: int = 1,
        *,
        restores_mean: bool = True,
    ) -> Conditioning:
        """Returns the encoded prompt."""
        words = {name: embedding.vectors for name, embedding in embeddings.items()}
        return self._cache.encode(prompt.chunks, words, clip_skip, restores_mean=restores_mean)


@dataclass(frozen=True)
class Timed:
    """A prompt's encodings over the steps."""

    stages: tuple[tuple[int, Conditioning], ...]
    """The last step each is for, counted from 1, and the one prompt, encoded."""

    def at(self, step: int) -> Conditioning:
        """Returns what is said at a step, counted from 1."""
        return next((said for last_step, said in self.stages if step <= last_step), self.stages[-1][1])

    def zeros(self) -> "Timed":
        """Returns a prompt that says nothing at all."""
        return Timed(tuple((last_step, said.zeros()) for last_step, said in self.stages))


@dataclass(frozen=True)
class Guidance:
    """What a picture is guided by; all encodings have as many chunks."""

    positives: tuple[tuple[float, Timed], ...]
    """Each prompt that AND joins, with its weight."""
    negative: Timed

    def predict(self, model: Model, latents: Tensor, timestep: Tensor, step_and_scale: tuple[int, float]) -> Tensor:
        """Returns the prediction after classifier-free guidance (arXiv 2207.12598), of several prompts if there are
        (composable diffusion, arXiv 2206.01714).

        Args:
            model: the checkpoint.
            latents: [n, 4, h, w].
            timestep: one for all.
            step_and_scale: the step, counted from 1, and the CFG scale.
        """
        step, scale = step_and_scale
        weights = [weight for weight, _ in self.positives]
        said = [prompt.at(step) for _, prompt in self.positives]
        if scale == 1 and weights == [1.0]:
            return model.predict(latents, timestep, said[0].repeated(len(latents)))
        conditioning = self.negative.at(step).repeated(len(latents))
        for prompt in said:
            conditioning = conditioning.joined(prompt.repeated(len(latents)))
        copies = torch.cat([latents] * (1 + len(said)))
        negative, *positives = model.predict(copies, timestep, conditioning).chunk(1 + len(said))
        return negative + sum(
            scale * weight * (positive - negative) for weight, positive in zip(weights, positives, strict=True)
        )


def encode_guidance(
    prompts: PromptEncoder,
    request: GenerateRequest,
    read: tuple[ReadPrompt, ReadPrompt],
    load: Callable[[str], Embedding],
) -> Guidance:
    """Encodes a request's prompt and negative prompt as they were read, both in as many chunks.

    Args:
        prompts: encodes them.
        request: says which layer is taken and what weights do.
        read: the prompt and the negative prompt.
        load: gives the embedding of a word.
    """
    length = max(prompt.length for prompt in read)
    mean = request.emphasis is not Emphasis.NO_NORM

    def encoded(prompt: TokenizedPrompt) -> Conditioning:
        embeddings = {word: load(word) for word in prompt.words}
        return prompts.encode(prompt.padded(length), embeddings, request.clip_skip, restores_mean=mean)

    positives, (negative,) = (
        [
            (guide.weight, Timed(tuple((stage.last_step, encoded(stage.prompt)) for stage in guide.stages)))
            for guide in prompt.guides
        ]
        for prompt in read
    )
    return Guidance(tuple(positives), negative[1])
