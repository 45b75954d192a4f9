"""An embedding that has not been trained, as A1111's "Create embedding" makes it."""

from dataclasses import dataclass, replace
from pathlib import Path

from ti_studio.embeddings.formats.files import write_embedding
from ti_studio.embeddings.metadata import FAMILY, INITIALIZATION_TEXT, TRIGGER
from ti_studio.embeddings.names import check_name
from ti_studio.embeddings.sharing import undescribed
from ti_studio.errors import StudioError
from ti_studio.models.checkpoint.checkpoints import CheckpointInfo
from ti_studio.models.hardware import Hardware
from ti_studio.models.loading import load
from ti_studio.prompts.chunks import CHUNK_TOKENS
from ti_studio.training.output.initialization import initial_embedding
from ti_studio.training.output.publishing import check_free


class BadVectorCount(StudioError):
    """A number of vectors that a prompt has no room for, or none."""


@dataclass(frozen=True)
class NewEmbedding:
    """What is to be created."""

    name: str
    initialization_text: str = "*"
    vectors_per_token: int = 1
    overwrite: bool = False
    save_as: str = "safetensors"
    metadata: bool = True
    """Whether the file says what the embedding began as."""


def create_embedding(new: NewEmbedding, info: CheckpointInfo, folder: Path) -> Path:
    """Writes the embedding into the folder and returns its path.

    Raises:
        StudioError: the name is bad or taken, or the number of vectors is not between 1 and 75. Nothing is written.
    """
    check_name(new.name)
    check_free(new.name, folder, overwrite=new.overwrite)
    if not 1 <= new.vectors_per_token <= CHUNK_TOKENS:
        raise BadVectorCount(f"{new.vectors_per_token} vectors per token; expected 1 to {CHUNK_TOKENS}.")
    encoders = load(info, Hardware.automatic()).encoders
    embedding = initial_embedding(new.name, encoders, new.initialization_text, new.vectors_per_token)
    metadata = {FAMILY: info.family.name, TRIGGER: new.name, INITIALIZATION_TEXT: new.initialization_text}
    path = folder / f"{new.name}.{new.save_as}"
    made = replace(embedding, metadata=metadata) if new.metadata else undescribed(embedding)
    write_embedding(made, path, overwrite=new.overwrite)
    return path
