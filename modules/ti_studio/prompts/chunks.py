"""A prompt cut into chunks of 75 tokens, with the learned words placed in them. Imports no torch."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ti_studio.prompts.grammar import Break, Part, Span
from ti_studio.prompts.tokens import PromptTokenizer

CHUNK_TOKENS = 75
"""Tokens in a chunk: CLIP's 77 positions without the begin and the end token."""

COMMA_PADDING_BACKTRACK = 20
"""A1111's default: how many tokens back a full chunk is broken at a comma, so that a phrase stays together."""

PLACEHOLDER = 0
"""The id that holds the place of a learned row until the row is put there."""


@dataclass(frozen=True)
class Word:
    """A learned word: how it is spelled in tokens, and how many positions it takes."""

    name: str
    ids: tuple[int, ...]
    vectors: int


class WordIndex:
    """Finds learned words in token ids: the longest spelling first, and the first given among equals, as in A1111."""

    def __init__(self, words: Iterable[Word] = (), named: Mapping[str, Word] | None = None) -> None:
        """Takes the words to be found by their spelling, and those that a prompt calls by name."""
        self._named = named or {}
        by_first: dict[int, list[Word]] = defaultdict(list)
        for word in words:
            if word.ids and 0 < word.vectors <= CHUNK_TOKENS:
                by_first[word.ids[0]].append(word)
        self._by_first: Mapping[int, list[Word]] = {
            first: sorted(group, key=lambda word: -len(word.ids)) for first, group in by_first.items()
        }

    @classmethod
    def of(cls, vectors: Mapping[str, int], tokenizer: PromptTokenizer) -> "WordIndex":
        """Builds the index of these names, each with its number of vectors."""
        spelled = zip(vectors.items(), tokenizer.batch(list(vectors)), strict=True)
        return cls(Word(name, tuple(ids), count) for (name, count), ids in spelled)

    def with_named(self, named: Mapping[str, Word]) -> "WordIndex":
        """Returns this index with other words to be called by name."""
        index = WordIndex(named=named)
        index._by_first = self._by_first
        return index

    def named(self, name: str) -> Word | None:
        """Returns the word that a prompt calls so, if there is one."""
        return self._named.get(name)

    def match(self, ids: Sequence[int], position: int) -> Word | None:
        """Returns the word that is spelled at this position, if there is one."""
        for word in self._by_first.get(ids[position], ()):
            if tuple(ids[position : position + len(word.ids)]) == word.ids:
                return word
        return None


@dataclass(frozen=True)
class Placement:
    """A learned word inside a chunk."""

    offset: int
    """Position of its first vector among the chunk's 75 tokens."""
    name: str
    vectors: int


@dataclass(frozen=True)
class Chunk:
    """At most 75 tokens, the weight of each, and the learned words whose places the placeholders keep."""

    ids: tuple[int, ...] = ()
    weights: tuple[float, ...] = ()
    placements: tuple[Placement, ...] = ()


@dataclass
class _Writer:
    """The chunks written so far, and the one being filled."""

    done: list[Chunk] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    placements: list[Placement] = field(default_factory=list)
    last_comma: int | None = None

    def finish_chunk(self) -> None:
        self._finish(len(self.ids))

    def room(self) -> int:
        return CHUNK_TOKENS - len(self.ids)

    def break_at_comma(self) -> None:
        """Moves what stands after the last comma, learned words included, to a new chunk if that is not too much."""
        if self.last_comma is not None and len(self.ids) - self.last_comma <= COMMA_PADDING_BACKTRACK:
            self._finish(self.last_comma + 1)

    def make_room(self, word: Word) -> None:
        """Begins a new chunk if the word does not fit into this one."""
        if word.vectors > self.room():
            self.finish_chunk()

    def add(self, token: int, weight: float) -> None:
        self.ids.append(token)
        self.weights.append(weight)

    def add_word(self, word: Word, weight: float) -> None:
        self.placements.append(Placement(len(self.ids), word.name, word.vectors))
        self.ids += [PLACEHOLDER] * word.vectors
        self.weights += [weight] * word.vectors

    def _finish(self, end: int) -> None:
        """Ends the chunk before token `end`; the tokens from there on begin the next one."""
        stays = tuple(placed for placed in self.placements if placed.offset < end)
        moves = [Placement(p.offset - end, p.name, p.vectors) for p in self.placements if p.offset >= end]
        self.done.append(Chunk(tuple(self.ids[:end]), tuple(self.weights[:end]), stays))
        self.ids, self.weights, self.placements = self.ids[end:], self.weights[end:], moves
        self.last_comma = None


def chunk_prompt(parts: Sequence[Part], tokenizer: PromptTokenizer, words: WordIndex) -> tuple[Chunk, ...]:
    """Cuts a prompt into chunks by A1111's rules.

    A learned word takes as many places as it has vectors and is never split: one that no longer fits begins a new
    chunk. A chunk that is full is broken after its last comma if that is at most 20 tokens back; what stands behind the
    comma moves on, learned words with it (A1111 leaves their vectors behind). BREAK begins a new chunk. A word that is
    called by a name nobody has takes no place.

    Returns:
        One chunk at least; chunks are not padded.
    """
    writer = _Writer()
    spelled = iter(tokenizer.batch([part.text for part in parts if isinstance(part, Span)]))
    for part in parts:
        if isinstance(part, Break):
            writer.finish_chunk()
        elif isinstance(part, Span):
            _write_span(writer, next(spelled), part.weight, _Reading(tokenizer.comma, words))
        elif (word := words.named(part.name)) is not None:
            writer.make_room(word)
            writer.add_word(word, part.weight)
    if writer.ids or not writer.done:
        writer.finish_chunk()
    return tuple(writer.done)


@dataclass(frozen=True)
class _Reading:
    """What the ids are read with."""

    comma: int
    words: WordIndex


def _write_span(writer: _Writer, ids: Sequence[int], weight: float, reading: _Reading) -> None:
    position = 0
    while position < len(ids):
        token = ids[position]
        if token == reading.comma:
            if writer.room() == 0:
                writer.finish_chunk()
            writer.last_comma = len(writer.ids)
        elif writer.room() == 0:
            writer.break_at_comma()
            if writer.room() == 0:
                writer.finish_chunk()
        word = reading.words.match(ids, position)
        if word is None:
            writer.add(token, weight)
            position += 1
            continue
        writer.make_room(word)
        writer.add_word(word, weight)
        position += len(word.ids)
