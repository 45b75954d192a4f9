"""What a checkpoint's .safetensors file says about itself, read without its tensors. Imports no torch."""

from pathlib import Path

from ti_studio.embeddings.errors import UnreadableEmbedding
from ti_studio.embeddings.formats.headers import Header
from ti_studio.embeddings.formats.headers import read_header as read_open_header
from ti_studio.errors import StudioError


class BrokenFile(StudioError):
    """A weights file that is cut off or is not what its name says."""


def read_header(path: Path) -> Header:
    """Returns the header of a .safetensors file.

    Raises:
        BrokenFile: the file is no safetensors file, or shorter than its header says.
    """
    try:
        with path.open("rb") as file:
            return read_open_header(file, path.stat().st_size)
    except UnreadableEmbedding as error:
        raise BrokenFile(f"{path} {error}.") from error
