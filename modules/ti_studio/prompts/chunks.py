"""A prompt cut into chunks of 75 tokens, with the learned words placed in them. Imports no torch."""

from collections.abc import Callable, Iterable, Mapping, Sequence
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
        self._words: dict[str, Word] = {}
        self._spelled: dict[tuple[int, ...], tuple[Word, ...]] = {}
        self._lengths: dict[int, tuple[int, ...]] = {}
        for word in words:
            self._add(word)

    @classmethod
    def of(cls, vectors: Mapping[str, int], tokenizer: PromptTokenizer) -> "WordIndex":
        """Builds the index of these names, each with its number of vectors."""
        return cls().changed_to(vectors, tokenizer.batch)

    def changed_to(
        self, vectors: Mapping[str, int], spell: Callable[[Sequence[str]], Iterable[Sequence[int]]]
    ) -> "WordIndex":
        """Returns the index of these names, each with its number of vectors. Only those that are new or have another
        number are spelled and sorted in; `spell` returns their token ids."""
        index = WordIndex(named=self._named)
        index._words, index._spelled, index._lengths = dict(self._words), dict(self._spelled), dict(self._lengths)
        for name, word in self._words.items():
            if vectors.get(name) != word.vectors:
                index._remove(word)
        fresh = [name for name in vectors if name not in index._words]
        rivals: set[tuple[int, ...]] = set()
        for name, ids in zip(fresh, spell(fresh), strict=True):
            word = Word(name, tuple(ids), vectors[name])
            index._add(word)
            if len(index._spelled.get(word.ids, ())) > 1:
                rivals.add(word.ids)
        order = {name: number for number, name in enumerate(vectors)} if rivals else {}
        for spelling in rivals:
            index._spelled[spelling] = tuple(sorted(index._spelled[spelling], key=lambda word: order[word.name]))
        return index

    def with_named(self, named: Mapping[str, Word]) -> "WordIndex":
        """Returns this index with other words to be called by name."""
        index = WordIndex(named=named)
        index._words, index._spelled, index._lengths = self._words, self._spelled, self._lengths
        return index

    def _add(self, word: Word) -> None:
        self._words[word.name] = word
        if not word.ids or not 0 < word.vectors <= CHUNK_TOKENS:
            return
        self._spelled[word.ids] = (*self._spelled.get(word.ids, ()), word)
        lengths = self._lengths.get(word.ids[0], ())
        if len(word.ids) not in lengths:
            self._lengths[word.ids[0]] = tuple(sorted((*lengths, len(word.ids)), reverse=True))

    def _remove(self, word: Word) -> None:
        del self._words[word.name]
        left = tuple(other for other in self._spelled.get(word.ids, ()) if other.name != word.name)
        if left:
            self._spelled[word.ids] = left
        else:
            self._spelled.pop(word.ids, None)

    def named(self, name: str) -> Word | None:
        """Returns the word that a prompt calls so, if there is one."""
        return self._named.get(name)

    def match(self, ids: Sequence[int], position: int) -> Word | None:
        """Returns the word that is spelled at this position, if there is one."""
        for length in self._lengths.get(ids[position], ()):
            words = self._spelled.get(tuple(ids[position : position + length]))
            if words:
                return words[0]
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
