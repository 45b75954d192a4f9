"""How much of its chunks a prompt fills: what the counters beside the prompt boxes show. Loads no checkpoint."""

import threading
from dataclasses import dataclass

from ti_studio.embeddings.library.library import Library
from ti_studio.generation.request import GenerateRequest
from ti_studio.generation.words import EmbeddingLookup
from ti_studio.models.checkpoint.checkpoints import CheckpointInfo
from ti_studio.prompts.chunks import CHUNK_TOKENS
from ti_studio.prompts.limits import PromptLimits
from ti_studio.prompts.parser import PromptLexer, ReadPrompt


@dataclass(frozen=True)
class TokenCount:
    """Tokens of a prompt, where it says most."""

    used: int
    """Tokens up to its end, those included that BREAK and moved words leave empty."""
    room: int
    """Tokens that its chunks hold: 75 for each."""


class TokenCounter:
    """Counts tokens as the loaded checkpoint would, embeddings at their number of vectors."""

    def __init__(self, library: Library, limits: PromptLimits) -> None:
        """Counts with the words of a library; `limits` says how many characters it looks at."""
        self._library = library
        self._limits = limits
        self._words: EmbeddingLookup | None = None
        self._lock = threading.Lock()

    def count(self, request: GenerateRequest, info: CheckpointInfo) -> tuple[TokenCount, TokenCount]:
        """Returns the counts of a request's prompt and negative prompt.

        Raises:
            PromptTooLong: one has too many characters. More chunks than may be painted are counted.
        """
        for text in (request.prompt, request.negative_prompt):
            self._limits.check_text(text)
        with self._lock:
            self._library.refresh()
            positive, negative = self._lookup().open(self._library, info).read(request)
        return _count(positive), _count(negative)

    def _lookup(self) -> EmbeddingLookup:
        if self._words is None:
            # transformers takes a second to import, and the page is up before anybody types.
            from ti_studio.models.tokenizers import load_tokenizer, shared_tokenizer_folder  # noqa: PLC0415

            self._words = EmbeddingLookup(PromptLexer(load_tokenizer(shared_tokenizer_folder(), "clip_l")))
        return self._words


def _count(read: ReadPrompt) -> TokenCount:
    return max(
        (
            TokenCount(CHUNK_TOKENS * (len(chunks) - 1) + len(chunks[-1].ids), CHUNK_TOKENS * len(chunks))
            for chunks in (prompt.chunks for prompt in read.prompts)
        ),
        key=lambda count: count.used,
    )
