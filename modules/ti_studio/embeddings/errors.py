"""What can be wrong with an embedding. Kept apart from the record so that importing it needs no torch."""

from ti_studio.errors import StudioError


class EmbeddingError(StudioError):
    """Something is wrong with an embedding or its file."""


class UnreadableEmbedding(EmbeddingError):
    """A file is damaged, dangerous, or no embedding at all."""


class NoEmbedding(UnreadableEmbedding):
    """A picture is an ordinary one, without an embedding inside."""


class IncompatibleEmbedding(EmbeddingError):
    """An embedding is fine, but made for another kind of checkpoint."""


class BadName(EmbeddingError):
    """A name can't be the name of an embedding's file on every system."""
