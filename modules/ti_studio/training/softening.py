"""Softening towards a class word of a checkpoint's vocabulary."""

from collections.abc import Sequence

from ti_studio.embeddings.embedding import Embedding, IncompatibleEmbedding
from ti_studio.embeddings.metadata import INITIALIZATION_TEXT
from ti_studio.embeddings.softening import Softening, softened
from ti_studio.errors import StudioError
from ti_studio.models.checkpoint.checkpoints import CheckpointInfo
from ti_studio.models.hardware import hardware_for
from ti_studio.models.loading import load_encoders
from ti_studio.training.output.initialization import initial_embedding

NO_CLASS = "*"
"""The initialization text of words that began as nothing in particular."""


class NoClassWord(StudioError):
    """A word whose class nobody has named."""


def soften(
    name: str, embedding: Embedding, info: CheckpointInfo, class_word: str, softenings: Sequence[Softening]
) -> list[Embedding]:
    """Returns the embedding softened in several ways.

    The class word's tokens are stretched over the vectors, or cut to as many, as an initialization text's are: a word
    of one vector goes towards the first token. The text encoders are loaded for this and forgotten again.

    Args:
        name: of the new words.
        embedding: the word.
        info: a checkpoint of its kind.
        class_word: what kind of thing the word is, such as `cat`; empty takes the initialization text that the file
            names.
        softenings: how far.

    Raises:
        NoClassWord: there is none, here and in the file.
        IncompatibleEmbedding: the embedding is for another kind of checkpoint.
        StudioError: the text encoders can't be loaded, or a row is not finite.
    """
    text = class_word.strip() or embedding.metadata.get(INITIALIZATION_TEXT, "").strip()
    if text in ("", NO_CLASS):
        raise NoClassWord(f"{embedding.name} does not say what it is. Expected a class word, such as “cat”.")
    if embedding.widths != info.widths:
        raise IncompatibleEmbedding(
            f"{embedding.name} is an {embedding.family} embedding of {embedding.widths}; the checkpoint {info.title} "
            f"has {dict(info.widths)}. Expected a checkpoint of its kind."
        )
    encoders = load_encoders(info, hardware_for(info))
    towards = initial_embedding(text, tuple(encoders), text, embedding.vectors_per_token)
    return [softened(name, embedding, towards, each) for each in softenings]
