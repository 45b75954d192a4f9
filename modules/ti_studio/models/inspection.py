"""What is known about an embedding: its rows by themselves, and beside the vocabulary of a checkpoint."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ti_studio.embeddings.embedding import Embedding, IncompatibleEmbedding
from ti_studio.models.checkpoint.checkpoints import CheckpointInfo

if TYPE_CHECKING:
    from ti_studio.prompts.vocabulary import RowReport

NEAREST = 5
"""Words of the vocabulary that are named for each row."""


def norms(embedding: Embedding) -> dict[str, list[float]]:
    """Returns the Euclidean norm of each row by text encoder."""
    return {encoder: rows.double().norm(dim=-1).tolist() for encoder, rows in embedding.vectors.items()}


def beside_vocabulary(embedding: Embedding, info: CheckpointInfo) -> "Mapping[str, list[RowReport]]":
    """Returns for each row, by text encoder, how it compares with the checkpoint's vocabulary.

    Its text encoders are loaded for this and forgotten again.

    Raises:
        IncompatibleEmbedding: the embedding is for another kind of checkpoint.
        CheckpointNotLoaded: the text encoders can't be loaded.
    """
    if embedding.widths != info.widths:
        raise IncompatibleEmbedding(
            f"{embedding.name} is an {embedding.family} embedding of {embedding.widths}; the checkpoint {info.title} "
            f"has {dict(info.widths)}. Expected a checkpoint of its kind."
        )
    # torch's models take seconds to import, and most who inspect do not ask for them.
    from ti_studio.models.hardware import hardware_for  # noqa: PLC0415
    from ti_studio.models.loading import load_encoders  # noqa: PLC0415
    from ti_studio.prompts.vocabulary import compare_with_vocabulary  # noqa: PLC0415

    return {
        encoder.key: compare_with_vocabulary(encoder, embedding.vectors[encoder.key], NEAREST)
        for encoder in load_encoders(info, hardware_for(info))
    }
