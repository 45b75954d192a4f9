"""The record of one embedding: the learned rows of each text encoder, and what is known about them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from ti_studio.embeddings.errors import BadName, EmbeddingError, IncompatibleEmbedding, UnreadableEmbedding

__all__ = [
    "FAMILY_ENCODERS",
    "KNOWN_ENCODERS",
    "BadName",
    "Embedding",
    "EmbeddingError",
    "IncompatibleEmbedding",
    "UnreadableEmbedding",
    "family_of",
]

FAMILY_ENCODERS: Mapping[str, frozenset[str]] = {
    "SD 1": frozenset({"clip_l"}),
    "SD 2": frozenset({"clip_h"}),
    "SDXL": frozenset({"clip_l", "clip_g"}),
}

KNOWN_ENCODERS = frozenset().union(*FAMILY_ENCODERS.values())
"""Text encoders of the checkpoints that can be used here."""

_MATRIX_DIMENSIONS = 2


@dataclass(frozen=True, eq=False)
class Embedding:
    """A learned word.

    Raises:
        EmbeddingError: the rows are not a non-empty matrix for each encoder, with as many rows in one as in the other.
    """

    name: str
    vectors: Mapping[str, Tensor]
    """Rows of the token table by text encoder: float32 [n, width], `clip_l` (SD 1), `clip_h` (SD 2) or both of SDXL."""
    step: int | None = None
    """Optimiser steps that the rows were trained for; None where the file does not say."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """What the safetensors header holds beside the rows."""

    def __post_init__(self) -> None:
        shapes = {encoder: tuple(rows.shape) for encoder, rows in self.vectors.items()}
        matrices = all(len(shape) == _MATRIX_DIMENSIONS and min(shape) > 0 for shape in shapes.values())
        if not matrices or len({shape[0] for shape in shapes.values()}) != 1:
            raise EmbeddingError(
                f"{self.name!r} has rows of shape {shapes}; expected [n, width] for each text encoder, one n for all."
            )

    @property
    def vectors_per_token(self) -> int:
        """Returns how many prompt positions the word occupies."""
        return next(iter(self.vectors.values())).shape[0]

    @property
    def widths(self) -> dict[str, int]:
        """Returns the width of a row by text encoder."""
        return {encoder: rows.shape[1] for encoder, rows in self.vectors.items()}

    @property
    def family(self) -> str:
        """Returns the kind of checkpoint that the rows fit: "SD 1", "SD 2", "SDXL" or "unknown"."""
        return family_of(self.vectors)


def family_of(encoders: Mapping[str, object]) -> str:
    """Returns the family whose text encoders are the keys of `encoders`, or "unknown".

    A family is its encoders, not their width: the demo checkpoint is an SD 1 whose `clip_l` is 96 wide.
    """
    for family, members in FAMILY_ENCODERS.items():
        if encoders.keys() == members:
            return family
    return "unknown"
