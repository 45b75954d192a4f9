"""The vectors of several words in one block, as they are trained together."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ti_studio.embeddings.embedding import Embedding


def rows_by_word(rows: Mapping[str, Tensor], vectors: Mapping[str, int]) -> dict[str, dict[str, Tensor]]:
    """Returns each word's vectors as slices of the block of all, with a graph to it.

    Args:
        rows: the block, by text encoder: [sum of all vectors, width].
        vectors: the number of vectors of each word, in the block's order.

    Returns:
        name → text encoder → [vectors, width].
    """
    if len(vectors) == 1:
        # No slices in the graph: gradients would add up in another order, and round differently.
        return {name: dict(rows) for name in vectors}
    by_word: dict[str, dict[str, Tensor]] = {}
    start = 0
    for name, count in vectors.items():
        by_word[name] = {encoder: values[start : start + count] for encoder, values in rows.items()}
        start += count
    return by_word


def block_of(words: Sequence[Embedding]) -> Embedding:
    """Returns the words' vectors in one block, under the first one's name."""
    first = words[0]
    rows = {encoder: torch.cat([word.vectors[encoder] for word in words]) for encoder in first.vectors}
    return Embedding(first.name, rows, step=first.step)
