"""From a prompt's text to what the UNet is given, with learned words in it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ti_studio.embeddings.embedding import Embedding
from ti_studio.models.loading import Model
from ti_studio.prompts.chunks import Chunk, WordIndex, chunk_prompt
from ti_studio.prompts.conditioning import Conditioning, ConditioningCache
from ti_studio.prompts.grammar import parse_attention


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


def same_length(*prompts: TokenizedPrompt) -> list[TokenizedPrompt]:
    """Returns the prompts with as many chunks each as the longest has."""
    length = max(len(prompt.chunks) for prompt in prompts)
    return [prompt.padded(length) for prompt in prompts]


class PromptEncoder:
    """Tokenizes and encodes prompts for a loaded checkpoint, and remembers what it encoded."""

    def __init__(self, model: Model) -> None:
        self._tokenizer = model.encoders[0].tokenizer
        self._cache = ConditioningCache(model.encoders)

    def index(self, vectors: Mapping[str, int]) -> WordIndex:
        """Returns the index of these words, each with its number of vectors."""
        return WordIndex.of(vectors, self._tokenizer)

    def tokenize(self, text: str, words: WordIndex) -> TokenizedPrompt:
        """Parses a prompt and cuts it into chunks."""
        return TokenizedPrompt(chunk_prompt(parse_attention(text), self._tokenizer, words))

    def mentions(self, text: str, words: Iterable[str]) -> tuple[str, ...]:
        """Returns those of the words that stand in the text, whether or not they can be used."""
        return self.tokenize(text, self.index(dict.fromkeys(words, 1))).words

    def encode(self, prompt: TokenizedPrompt, embeddings: Mapping[str, Embedding], clip_skip: int = 1) -> Conditioning:
        """Returns the encoded prompt."""
        words = {name: embedding.vectors for name, embedding in embeddings.items()}
        return self._cache.encode(prompt.chunks, words, clip_skip)
