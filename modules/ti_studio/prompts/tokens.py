"""CLIP's tokenizer, as the chunks need it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

_WORD_END = "</w>"
"""What a token has at its end that ends a word."""


class TokenIds(Protocol):
    """What is asked of `transformers.CLIPTokenizer`."""

    bos_token_id: int
    eos_token_id: int

    def __call__(
        self, text: list[str], *, add_special_tokens: bool, truncation: bool, verbose: bool
    ) -> dict[str, list[list[int]]]: ...

    def convert_ids_to_tokens(self, ids: list[int]) -> list[str]: ...


@dataclass(frozen=True)
class PromptTokenizer:
    """Turns text into token ids, without begin and end tokens and without cutting it."""

    tokenizer: TokenIds
    pad: int | None = None
    """The id that follows the end token until a chunk is full; None is the end token again."""
    comma: int = field(init=False)
    """The id of a comma, at which a chunk that is full may be broken."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "comma", self.ids(",")[0])

    def ids(self, text: str) -> tuple[int, ...]:
        """Returns the token ids of a text; CLIP's tokenizer knows no upper case."""
        return tuple(self.batch([text])[0])

    def batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Returns the token ids of each text."""
        if not texts:
            return []
        encoded = self.tokenizer(list(texts), add_special_tokens=False, truncation=False, verbose=False)
        return encoded["input_ids"]

    def is_ordinary_word(self, text: str) -> bool:
        """Tells whether the text is one whole word of the vocabulary, which an embedding of that name would hide."""
        ids = self.ids(text)
        return len(ids) == 1 and self.tokenizer.convert_ids_to_tokens(list(ids))[0].endswith(_WORD_END)

    def spelling(self, token: int) -> str:
        """Returns how the vocabulary spells a token; a space stands where its word ends."""
        return self.tokenizer.convert_ids_to_tokens([token])[0].replace(_WORD_END, " ").strip()

    def whole_words(self, count: int) -> Iterator[tuple[int, str]]:
        """Yields those of the first `count` tokens that are whole words: their ids and how they are spelled."""
        for token, spelled in enumerate(self.tokenizer.convert_ids_to_tokens(list(range(count)))):
            if spelled.endswith(_WORD_END):
                yield token, spelled.removesuffix(_WORD_END)

    def with_special_tokens(self, ids: Sequence[int], length: int) -> list[int]:
        """Returns ids between begin and end token, padded to `length`."""
        with_special_tokens = [self.tokenizer.bos_token_id, *ids, self.tokenizer.eos_token_id]
        pad = self.tokenizer.eos_token_id if self.pad is None else self.pad
        return with_special_tokens + [pad] * (length - len(with_special_tokens))
