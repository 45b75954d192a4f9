"""How much of its chunks a prompt fills: what the counters beside the prompt boxes show. Loads no checkpoint."""

import threading
from dataclasses import dataclass

from ti_studio.embeddings.library import Library
from ti_studio.generation.reading import PromptLexer, ReadPrompt
from ti_studio.generation.request import GenerateRequest
from ti_studio.generation.words import PromptWords
from ti_studio.models.checkpoints import CheckpointInfo
from ti_studio.prompts.chunks import CHUNK_TOKENS


@dataclass(frozen=True)
class TokenCount:
    """Tokens of a prompt, where it says most."""

    used: int
    """Tokens up to its end, those included that BREAK and moved words leave empty."""
    room: int
    """Tokens that its chunks hold: 75 for each."""


class TokenCounter:
    """Counts tokens as the loaded checkpoint would, embeddings at their number of vectors."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._lexer: PromptLexer | None = None
        self._words: PromptWords | None = None
        self._words_of: object = None
        self._lock = threading.Lock()

    def count(self, request: GenerateRequest, info: CheckpointInfo) -> tuple[TokenCount, TokenCount]:
        """Returns the counts of a request's prompt and negative prompt."""
        with self._lock:
            self._library.refresh()
            known = (self._library.version, info.path)
            if self._words is None or self._words_of != known:
                self._words, self._words_of = PromptWords(self._library, info, self._shared_lexer()), known
            positive, negative = self._words.read(request)
        return _count(positive), _count(negative)

    def _shared_lexer(self) -> PromptLexer:
        if self._lexer is None:
            # transformers takes a second to import, and the page is up before anybody types.
            from ti_studio.models.tokenizers import load_tokenizer, shared_tokenizer_folder  # noqa: PLC0415

            self._lexer = PromptLexer(load_tokenizer(shared_tokenizer_folder(), "clip_l"))
        return self._lexer


def _count(read: ReadPrompt) -> TokenCount:
    return max(
        (
            TokenCount(CHUNK_TOKENS * (len(chunks) - 1) + len(chunks[-1].ids), CHUNK_TOKENS * len(chunks))
            for chunks in (prompt.chunks for prompt in read.prompts)
        ),
        key=lambda count: count.used,
    )
