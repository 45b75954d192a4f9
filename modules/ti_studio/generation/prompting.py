"""Encodes prompts that have been read."""

from collections.abc import Mapping

from ti_studio.embeddings.embedding import Embedding
from ti_studio.models.loading import Model
from ti_studio.prompts.conditioning import Conditioning, ConditioningCache
from ti_studio.prompts.limits import PromptLimits
from ti_studio.prompts.parser import PromptLexer, TokenizedPrompt


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
