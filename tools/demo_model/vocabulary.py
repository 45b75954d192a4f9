"""The few words that training uses, numbered compactly; CLIP's 49,408 rows come back when the text model is saved.

A full table would cost most of the training time (its gradient has 4.7 million numbers) and would teach nothing: all
words but these never occur. They share one row here, `unknown`, which training meets in the midst of captions, and so
learns to mean nothing; a person may then type any word at all without harm.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from transformers import CLIPTokenizer

from tools.demo_model.captions import known_words

LENGTH = 77
CLIP_ROWS = 49_408
STRANGE_SHARE = 0.12
"""Captions into which unknown words are strewn."""


MOST_ROWS = 4
"""How many rows a caption has places for."""
ROWS = tuple(f"<row{k}>" for k in range(1, MOST_ROWS + 1))
"""Words of a caption in whose places the rows of a picture are put."""


class Vocabulary:
    """Compact numbers: start, end, unknown, then the known words' tokens in CLIP's order, then the places of rows."""

    START, END, UNKNOWN = 0, 1, 2

    def __init__(self, tokenizer: CLIPTokenizer, more_words: Iterable[str] = ()) -> None:
        """Knows the words of the drawn world, and `more_words`."""
        words = sorted({*known_words(), *more_words})
        self._tokens = {word: tokenizer(word, add_special_tokens=False).input_ids for word in words}
        used = sorted({token for tokens in self._tokens.values() for token in tokens})
        self.clip_ids = [tokenizer.bos_token_id, tokenizer.eos_token_id, *used]
        numbers = {token: place + 3 for place, token in enumerate(used)}
        self._numbers = {word: [numbers[token] for token in tokens] for word, tokens in self._tokens.items()}
        self.first_row = len(self)
        self._numbers.update({word: [self.first_row + k] for k, word in enumerate(ROWS)})

    def __len__(self) -> int:
        """How many rows of the table stand for tokens; the places of rows come after them."""
        return len(self.clip_ids) + 1

    def encode(self, captions: Sequence[str], rng: np.random.Generator | None = None) -> Tensor:
        """Compact numbers, int64 [n, 77], padded with END as CLIP does; with `rng`, strange words are strewn in."""
        rows = np.full((len(captions), LENGTH), self.END, dtype=np.int64)
        for row, text in zip(rows, captions, strict=True):
            numbers = [n for word in text.split() for n in self._numbers.get(word, [self.UNKNOWN])]
            if rng is not None and rng.random() < STRANGE_SHARE:
                numbers = self._with_strange_words(numbers, rng)
            row[0] = self.START
            kept = numbers[: LENGTH - 2]
            row[1 : len(kept) + 1] = kept
        return torch.from_numpy(rows)

    def _with_strange_words(self, numbers: list[int], rng: np.random.Generator) -> list[int]:
        """The same caption with one to four unknown words somewhere in it."""
        for _ in range(int(rng.integers(1, 5))):
            place = int(rng.integers(len(numbers) + 1))
            numbers = [*numbers[:place], self.UNKNOWN, *numbers[place:]]
        return numbers

    def full_table(self, rows: Tensor) -> Tensor:
        """CLIP's table [49408, width] from the compact one [len(self), width]; all other words get UNKNOWN's row."""
        table = rows[self.UNKNOWN].expand(CLIP_ROWS, -1).clone()
        compact = [self.START, self.END, *range(3, len(self))]
        table[self.clip_ids] = rows[compact]
        return table


def load_vocabulary(tokenizer_folder: Path, more_words: Iterable[str] = ()) -> Vocabulary:
    """The vocabulary over the tokenizer in a folder."""
    return Vocabulary(CLIPTokenizer.from_pretrained(tokenizer_folder, local_files_only=True), more_words)
