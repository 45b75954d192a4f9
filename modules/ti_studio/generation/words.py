"""The library's words as one checkpoint sees them: which can be used, which can't and why."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

from ti_studio.embeddings.embedding import Embedding
from ti_studio.embeddings.library.entries import named_as
from ti_studio.embeddings.library.library import Entry, EntryState, Library
from ti_studio.generation.request import GenerateRequest
from ti_studio.models.checkpoint.checkpoints import CheckpointInfo
from ti_studio.prompts.chunks import CHUNK_TOKENS, Word, WordIndex
from ti_studio.prompts.parser import PromptLexer, Reading, ReadPrompt


@dataclass(frozen=True)
class EmbeddingIndex:
    """What a library has for a checkpoint at one moment, and where its words are looked up."""

    entries: tuple[Entry, ...]
    usable: Mapping[str, Entry]
    reasons: Mapping[str, str]
    """Why the other words can't be used."""
    index: WordIndex
    refused: WordIndex
    """Of the other words."""

    def named(self, name: str) -> Entry | None:
        """Returns the file that a prompt calls so."""
        last = name.casefold().replace("\\", "/").strip("/ ").rpartition("/")[2]
        likely = {*self._by_word.get(last, ()), *self._by_word.get(last.rpartition(".")[0], ())}
        return named_as((self.entries[number] for number in sorted(likely)), name)

    @cached_property
    def _by_word(self) -> Mapping[str, list[int]]:
        numbers: dict[str, list[int]] = defaultdict(list)
        for number, entry in enumerate(self.entries):
            numbers[entry.word.casefold()].append(number)
        return numbers


class EmbeddingLookup:
    """Looks up a library's words for prompts. It keeps them, for sorting thousands anew for each prompt takes long."""

    def __init__(self, lexer: PromptLexer) -> None:
        self._lexer = lexer
        self._known: EmbeddingIndex | None = None

    def open(self, library: Library, info: CheckpointInfo) -> "PromptWords":
        """Returns the words that prompts may use at this moment; what has changed on disk `library.refresh` sees."""
        entries = library.entries(info.widths, info.family.name)
        if self._known is None or self._known.entries is not entries:
            self._known = self._sorted_in(entries)
        return PromptWords(library, self._known, self._lexer)

    def _sorted_in(self, entries: tuple[Entry, ...]) -> EmbeddingIndex:
        usable: dict[str, Entry] = {}
        reasons: dict[str, str] = {}
        for entry in entries:
            if entry.conflict is not None:
                continue
            reason = _why_not(entry)
            if reason is None:
                usable[entry.word] = entry
            else:
                reasons[entry.word] = reason
        vectors = {word: entry.vectors_per_token or 0 for word, entry in usable.items()}
        before = self._known
        index = self._lexer.index(vectors, before.index if before else None)
        refused = self._lexer.index(dict.fromkeys(reasons, 1), before.refused if before else None)
        return EmbeddingIndex(entries, usable, reasons, index, refused)


class PromptWords:
    """The words that prompts may use at one moment."""

    def __init__(self, library: Library, known: EmbeddingIndex, prompts: PromptLexer) -> None:
        self._library = library
        self._prompts = prompts
        self._known = known
        self._called: dict[str, Entry] = {}

    def read(self, request: GenerateRequest) -> tuple[ReadPrompt, ReadPrompt]:
        """Reads a request's prompt and negative prompt."""
        reading = Reading(request.steps, request.emphasis, self._find)
        positive = self._prompts.read(request.prompt, self._known.index, reading)
        return positive, self._prompts.read(request.negative_prompt, self._known.index, reading, joins=False)

    def notices(self, request: GenerateRequest, *read: ReadPrompt) -> Iterator[str]:
        """Yields a sentence for everything in the prompts that was not used."""
        texts = ", ".join((request.prompt, request.negative_prompt))
        for word in self._prompts.mentions(texts, self._known.refused):
            yield f"The embedding {word} was not used: {self._known.reasons[word]}."
        for name in dict.fromkeys(chain.from_iterable(prompt.unknown for prompt in read)):
            entry = self._known.named(name)
            why = None if entry is None else _why_not(entry)
            yield f"The embedding {name} was not used: {why or 'there is none of this name'}."
        for tag in dict.fromkeys(chain.from_iterable(prompt.left_out for prompt in read)):
            yield f"{tag} was left out of the prompt: only embeddings are used here."

    def load(self, word: str) -> Embedding:
        """Returns the embedding of a word that was read; its rows are read again if they changed on disk since they
        were last used."""
        return self._library.load(self._entry(word))

    def hashes(self, *prompts: ReadPrompt) -> dict[str, str]:
        """Returns the SHA-256 of the file of each word in the prompts."""
        words = dict.fromkeys(word for prompt in prompts for word in prompt.words)
        return {word: self._library.sha256(self._entry(word)) for word in words}

    def _entry(self, word: str) -> Entry:
        return self._called.get(word) or self._known.usable[word]

    def files(self, *prompts: ReadPrompt) -> tuple[str, ...]:
        """Returns the path in the library of each word in the prompts."""
        return tuple(dict.fromkeys(self._entry(word).relative for prompt in prompts for word in prompt.words))

    def _find(self, name: str) -> Word | None:
        """Returns the embedding that is called so, if it can be used; a file whose word another file has goes by its
        path."""
        entry = self._known.named(name)
        if entry is None or _why_not(entry) is not None:
            return None
        key = entry.word if entry.conflict is None else entry.relative
        self._called[key] = entry
        return Word(key, (), entry.vectors_per_token or 0)


def _why_not(entry: Entry) -> str | None:
    if entry.state is not EntryState.USABLE:
        return entry.reason or entry.state.value
    if (entry.vectors_per_token or 0) > CHUNK_TOKENS:
        return f"it has {entry.vectors_per_token} vectors; a prompt chunk has room for {CHUNK_TOKENS}"
    return None
