"""The library's words as one checkpoint sees them: which can be used, which can't and why."""

from collections.abc import Iterator
from itertools import chain

from ti_studio.embeddings.embedding import Embedding
from ti_studio.embeddings.entries import named_as
from ti_studio.embeddings.library import Entry, Library, State
from ti_studio.generation.reading import PromptLexer, Reading, ReadPrompt
from ti_studio.generation.request import GenerateRequest
from ti_studio.models.checkpoints import CheckpointInfo
from ti_studio.prompts.chunks import CHUNK_TOKENS, Word


class PromptWords:
    """The words that prompts may use at this moment."""

    def __init__(self, library: Library, info: CheckpointInfo, prompts: PromptLexer) -> None:
        self._library = library
        self._prompts = prompts
        self._entries = library.entries(info.widths, info.family.name)
        self._usable: dict[str, Entry] = {}
        self._reasons: dict[str, str] = {}
        for entry in self._entries:
            if entry.conflict is not None:
                continue
            reason = _why_not(entry)
            if reason is None:
                self._usable[entry.word] = entry
            else:
                self._reasons[entry.word] = reason
        self._index = prompts.index({word: entry.vectors_per_token or 0 for word, entry in self._usable.items()})

    def read(self, request: GenerateRequest) -> tuple[ReadPrompt, ReadPrompt]:
        """Reads a request's prompt and negative prompt."""
        reading = Reading(request.steps, request.emphasis, self._find)
        positive = self._prompts.read(request.prompt, self._index, reading)
        return positive, self._prompts.read(request.negative_prompt, self._index, reading, joins=False)

    def notices(self, request: GenerateRequest, *read: ReadPrompt) -> Iterator[str]:
        """Yields a sentence for everything in the prompts that was not used."""
        texts = ", ".join((request.prompt, request.negative_prompt))
        for word in self._prompts.mentions(texts, self._reasons):
            yield f"The embedding {word} was not used: {self._reasons[word]}."
        for name in dict.fromkeys(chain.from_iterable(prompt.unknown for prompt in read)):
            entry = named_as(self._entries, name)
            why = None if entry is None else _why_not(entry)
            yield f"The embedding {name} was not used: {why or 'there is none of this name'}."
        for tag in dict.fromkeys(chain.from_iterable(prompt.left_out for prompt in read)):
            yield f"{tag} was left out of the prompt: only embeddings are used here."

    def load(self, word: str) -> Embedding:
        """Returns the embedding of a word that was read; its rows are read again if they changed on disk since they
        were last used."""
        return self._library.load(self._usable[word])

    def hashes(self, *prompts: ReadPrompt) -> dict[str, str]:
        """Returns the SHA-256 of the file of each word in the prompts."""
        words = dict.fromkeys(word for prompt in prompts for word in prompt.words)
        return {word: self._library.sha256(self._usable[word]) for word in words}

    def files(self, *prompts: ReadPrompt) -> tuple[str, ...]:
        """Returns the path in the library of each word in the prompts."""
        return tuple(dict.fromkeys(self._usable[word].relative for prompt in prompts for word in prompt.words))

    def _find(self, name: str) -> Word | None:
        """Returns the embedding that is called so, if it can be used; a file whose word another file has goes by its
        path."""
        entry = named_as(self._entries, name)
        if entry is None or _why_not(entry) is not None:
            return None
        key = entry.word if entry.conflict is None else entry.relative
        self._usable[key] = entry
        return Word(key, (), entry.vectors_per_token or 0)


def _why_not(entry: Entry) -> str | None:
    if entry.state is not State.USABLE:
        return entry.reason or entry.state.value
    if (entry.vectors_per_token or 0) > CHUNK_TOKENS:
        return f"it has {entry.vectors_per_token} vectors; a prompt chunk has room for {CHUNK_TOKENS}"
    return None
