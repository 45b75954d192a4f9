"""From a prompt's text to chunks of tokens for each step, with learned words in them. Imports no torch."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ti_studio.prompts.chunks import Chunk, Word, WordIndex, chunk_prompt
from ti_studio.prompts.composable import Weighted, split_and
from ti_studio.prompts.grammar import Emphasis, parse_attention, read_emphasis
from ti_studio.prompts.limits import PromptLimits
from ti_studio.prompts.schedule import edited
from ti_studio.prompts.tags import TaggedText, take_tags_out
from ti_studio.prompts.tokens import PromptTokenizer

_MOST_REMEMBERED = 100_000
"""Names whose spelling is kept."""


@dataclass(frozen=True)
class TokenizedPrompt:
    """A prompt in chunks."""

    chunks: tuple[Chunk, ...]

    @property
    def words(self) -> tuple[str, ...]:
        """The learned words in it, in order, each once."""
        return tuple(dict.fromkeys(placement.name for chunk in self.chunks for placement in chunk.placements))

    def padded(self, length: int) -> "TokenizedPrompt":
        """Returns the prompt with empty chunks added until there are `length`."""
        return TokenizedPrompt(self.chunks + (Chunk(),) * (length - len(self.chunks)))


@dataclass(frozen=True)
class Stage:
    """What a prompt says up to a step."""

    last_step: int
    """Counted from 1."""
    prompt: TokenizedPrompt


@dataclass(frozen=True)
class Guide:
    """One prompt of those that AND joins: how strongly it guides, and what it says over the steps."""

    weight: float
    stages: tuple[Stage, ...]


@dataclass(frozen=True)
class ReadPrompt:
    """A prompt that has been read and cut into chunks."""

    guides: tuple[Guide, ...]
    left_out: tuple[str, ...] = ()
    """Tags that mean nothing here."""
    unknown: tuple[str, ...] = ()
    """Names by which the prompt calls embeddings that nobody has."""

    @property
    def prompts(self) -> Iterator[TokenizedPrompt]:
        """Everything that it says at any step."""
        return (stage.prompt for guide in self.guides for stage in guide.stages)

    @property
    def words(self) -> tuple[str, ...]:
        """The learned words in it, each once."""
        return tuple(dict.fromkeys(word for prompt in self.prompts for word in prompt.words))

    @property
    def length(self) -> int:
        """Its chunks, where it has most of them."""
        return max(len(prompt.chunks) for prompt in self.prompts)


@dataclass(frozen=True)
class Reading:
    """How prompts are read."""

    steps: int
    emphasis: Emphasis = Emphasis.ORIGINAL
    find: Callable[[str], Word | None] = field(default=lambda _name: None)
    """Finds the embedding that a prompt calls by name."""


class PromptLexer:
    """Reads prompts with a checkpoint's tokenizer."""

    def __init__(self, tokenizer: PromptTokenizer, limits: PromptLimits | None = None) -> None:
        """Takes the tokenizer, and how long a prompt may be; None: as long as one likes."""
        self._tokenizer = tokenizer
        self._limits = limits
        self._spelled: dict[str, tuple[int, ...]] = {}

    def index(self, vectors: Mapping[str, int], before: WordIndex | None = None) -> WordIndex:
        """Returns the index of these words, each with its number of vectors; the sooner, the less differs from the
        index `before`."""
        return (before or WordIndex()).changed_to(vectors, self._spell)

    def _spell(self, names: Sequence[str]) -> list[tuple[int, ...]]:
        unknown = [name for name in names if name not in self._spelled]
        if len(self._spelled) + len(unknown) > _MOST_REMEMBERED:
            self._spelled, unknown = {}, list(names)
        self._spelled |= zip(unknown, map(tuple, self._tokenizer.batch(unknown)), strict=True)
        return [self._spelled[name] for name in names]

    def read(self, text: str, words: WordIndex, reading: Reading, *, joins: bool = True) -> ReadPrompt:
        """Reads a prompt with all of A1111's syntax.

        Args:
            text: the prompt.
            words: what is found by its spelling.
            reading: how to read.
            joins: whether AND joins several prompts; in a negative prompt it is an ordinary word.

        Raises:
            PromptTooLong: it is longer than it may be.
        """
        if self._limits is not None:
            self._limits.check_text(text)
        tagged = take_tags_out(text)
        called = dict.fromkeys(named.name for named in tagged.named.values())
        words_by_name = {name: reading.find(name) for name in called}
        index = words.with_named({name: word for name, word in words_by_name.items() if word is not None})
        joined = split_and(tagged.text) if joins else (Weighted(tagged.text),)
        if self._limits is not None:
            self._limits.check_joined(len(joined))
        guides = tuple(Guide(weight, tuple(self._stages(part, tagged, index, reading))) for part, weight in joined)
        unknown = tuple(name for name, word in words_by_name.items() if word is None)
        if self._limits is not None:
            self._limits.check_chunks(*_chunks_in(guides))
        return ReadPrompt(guides, tagged.left_out, unknown)

    def _stages(self, text: str, tagged: TaggedText, index: WordIndex, reading: Reading) -> Iterator[Stage]:
        for last_step, said in edited(text, reading.steps):
            parts = tagged.put_back(read_emphasis(said, reading.emphasis))
            yield Stage(last_step, TokenizedPrompt(chunk_prompt(parts, self._tokenizer, index)))

    def tokenize(self, text: str, words: WordIndex) -> TokenizedPrompt:
        """Cuts a prompt of emphasis alone into chunks."""
        return TokenizedPrompt(chunk_prompt(parse_attention(text), self._tokenizer, words))

    def mentions(self, text: str, words: WordIndex) -> tuple[str, ...]:
        """Returns those of the words that stand in the text, whether or not they can be used."""
        return self.tokenize(take_tags_out(text).text, words).words


def _chunks_in(guides: Sequence[Guide]) -> tuple[int, int]:
    """Returns the chunks of joined prompts where they have most, and those over all steps."""
    lengths = [[len(stage.prompt.chunks) for stage in guide.stages] for guide in guides]
    distinct = {stage.prompt for guide in guides for stage in guide.stages}
    return sum(map(max, lengths)), sum(len(prompt.chunks) for prompt in distinct)
