"""Words that have grown too strong, brought back part of the way to what their class means.

A word that was trained for long is often far longer than the vocabulary's rows and points away from all of them. It
then paints the pictures that it was taught from, whatever else the prompt says. Nothing is trained here: rows are moved
towards those of the class word ("cat" for somebody's cat).
"""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from ti_studio.embeddings.arithmetic import slerp
from ti_studio.embeddings.embedding import Embedding, EmbeddingError, IncompatibleEmbedding

Method = Literal["adjust", "subspace"]
METHODS: tuple[Method, ...] = get_args(Method)

_MADE_BY = "ti_studio.made_by"
_MAIN_SHARE = 0.9
"""The share of the drift's energy that its subspace holds."""
_NO_DIRECTION = 1e-6
"""A moved row that is shorter than this share of the row points nowhere, as halfway between opposite rows does: it
keeps its direction."""


@dataclass(frozen=True)
class Softening:
    """How far rows go, each share from 0 (not at all) to 1 (all the way).

    The defaults are those of Embedding Adjustment's own code for DreamBooth; its script for Textual Inversion turns by
    0.4.
    """

    norm: float = 0.5
    """Of the way from the row's norm to the class word's."""
    direction: float = 0.2
    """Of the way from the row's direction to the class word's."""
    method: Method = "adjust"
    """`adjust` turns the whole row (Embedding Adjustment, arXiv 2506.22685). `subspace` takes the drift from the class
    word back only where the drifts of all rows mostly lie (after AdaptSP, arXiv 2605.07257); of a word with one vector
    that is the straight line to the class word."""

    @property
    def is_nothing(self) -> bool:
        """Tells whether rows stay as they are."""
        return self.norm == 0 and self.direction == 0


def softened(name: str, embedding: Embedding, class_word: Embedding, softening: Softening) -> Embedding:
    """Returns the embedding with its rows part of the way to the class word's.

    Args:
        name: of the new word.
        embedding: the word, of one or two text encoders and any number of vectors.
        class_word: what its class means: as many vectors of the same text encoders.
        softening: how far.

    Raises:
        EmbeddingError: a share is not from 0 to 1, or a row is not finite.
        IncompatibleEmbedding: the two are of other text encoders, widths or numbers of vectors.
    """
    for what, share in (("norm", softening.norm), ("direction", softening.direction)):
        if not 0 <= share <= 1:
            raise EmbeddingError(f"The share of the {what} is {share}; expected 0 to 1.")
    shapes, expected = (
        {key: tuple(rows.shape) for key, rows in each.vectors.items()} for each in (embedding, class_word)
    )
    if shapes != expected:
        raise IncompatibleEmbedding(
            f"{embedding.name} has rows {shapes}, the class word {expected}; expected the same."
        )
    vectors = {key: _moved(rows, class_word.vectors[key], softening) for key, rows in embedding.vectors.items()}
    said = f"softening (norm {softening.norm:g}, direction {softening.direction:g}, {softening.method})"
    before = embedding.metadata.get(_MADE_BY)
    made_by = f"{said} of {embedding.name} towards {class_word.name}" + (f"; before: {before}" if before else "")
    return Embedding(name, vectors, embedding.step, {**embedding.metadata, _MADE_BY: made_by})


def _moved(rows: Tensor, towards: Tensor, softening: Softening) -> Tensor:
    """Returns rows [n, width] part of the way to others."""
    if softening.is_nothing:
        return rows.clone()
    one, other = rows.double(), towards.double()  # squares of large float32 numbers are none in float32
    if not bool(torch.isfinite(one).all()):
        raise EmbeddingError("A row holds numbers that are not finite; there is no way from it to another one.")
    turned = (
        slerp(one, other, softening.direction) if softening.method == "adjust" else _drawn_back(one, other, softening)
    )
    norms = torch.lerp(one.norm(dim=-1, keepdim=True), other.norm(dim=-1, keepdim=True), softening.norm)
    lost = turned.norm(dim=-1, keepdim=True) <= _NO_DIRECTION * one.norm(dim=-1, keepdim=True)
    moved: Tensor = torch.nn.functional.normalize(torch.where(lost, one, turned), dim=-1) * norms
    return moved.to(rows.dtype)


def _drawn_back(rows: Tensor, towards: Tensor, softening: Softening) -> Tensor:
    """Returns rows with a share of their drift taken back, in the drifts' main directions alone."""
    drift = rows - towards
    _, sizes, directions = torch.linalg.svd(drift, full_matrices=False)
    energy = sizes.square().cumsum(dim=0)
    main = directions[: int((energy < _MAIN_SHARE * energy[-1]).sum()) + 1]
    drawn_back: Tensor = rows - softening.direction * (drift @ main.T) @ main
    return drawn_back
