"""What files say that people pass on: headers of embeddings, pickles, texts in pictures and cards."""

import base64
import re
from collections.abc import Iterator
from pathlib import Path

SHARED = (".safetensors", ".pt", ".bin", ".png", ".webp", ".jpg")
NOT_SHARED = ("state.safetensors",)
"""What a resume needs, in a job's folder."""

_LENGTH_BYTES = 8
_MOST_BYTES = 16 * 2**20
_EMBEDDING_IN_PICTURE = re.compile(rb"sd-ti-embedding\0((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2,3}=+)?)")
"""Base64 comes in fours; what stands behind its chunk may look like more of it."""


def shared_files(folder: Path) -> Iterator[Path]:
    """Yields the files below a folder that a person may pass on."""
    for path in folder.rglob("*"):
        if path.suffix.lower() in SHARED and path.name not in NOT_SHARED and path.is_file() and not path.is_symlink():
            yield path


def text_in(path: Path) -> str:
    """Returns everything that a file says in text, between bytes that say nothing; of a safetensors file, its
    header."""
    with path.open("rb") as file:
        content = file.read(_LENGTH_BYTES)
        most = int.from_bytes(content, "little") if path.suffix.lower() == ".safetensors" else _MOST_BYTES
        content += file.read(min(most, _MOST_BYTES))
    hidden = (base64.b64decode(found) for found in _EMBEDDING_IN_PICTURE.findall(content))
    return b"\n".join([content, *hidden]).decode(errors="replace")
