"""Writes an embedding in the layout of another program."""

from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
from PIL import Image

from ti_studio.embeddings.embedding import Embedding, EmbeddingError
from ti_studio.embeddings.files import check_name, write_embedding
from ti_studio.embeddings.layouts import to_a1111
from ti_studio.embeddings.pictures import picture_with
from ti_studio.errors import Conflict
from ti_studio.folders import atomic_write

FORMATS = ("safetensors", "pt", "diffusers", "png")

_CARD = (512, 512)


def export(
    embedding: Embedding, form: str, folder: Path, *, image: Image.Image | None = None, overwrite: bool = False
) -> list[Path]:
    """Writes an embedding and returns the paths of its files.

    Args:
        embedding: what is written, under its name.
        form: one of FORMATS: `safetensors`, A1111's `pt`, `diffusers` (`<name>.safetensors` with the name as its key,
            and `<name>_2.safetensors` for the second text encoder of SDXL), or `png` (A1111's picture with the
            embedding inside).
        folder: where to.
        image: the picture of a `png`.
        overwrite: whether files that exist are replaced.

    Raises:
        EmbeddingError: the name can't be a file's, or the layout can't hold the embedding.
        Conflict: a file exists; nothing is written then.
        WriteFailed: the disk is full or the folder can't be written to.
    """
    check_name(embedding.name)
    if form in ("safetensors", "pt"):
        path = folder / f"{embedding.name}.{form}"
        write_embedding(embedding, path, overwrite=overwrite)
        return [path]
    written = _diffusers(embedding, folder) if form == "diffusers" else _picture(embedding, folder, image)
    taken = [path.name for path in written if path.exists()]
    if taken and not overwrite:
        raise Conflict(
            f"{' and '.join(taken)} exists already in {folder}; allow it to be overwritten, or name another."
        )
    for path, content in written.items():
        atomic_write(path, content)
    return list(written)


def _diffusers(embedding: Embedding, folder: Path) -> Mapping[Path, bytes]:
    """One file for each text encoder: diffusers' loader takes a file with exactly one key, which is the token."""
    endings = ("", "_2")
    if len(embedding.vectors) > len(endings):
        raise EmbeddingError(
            f"{embedding.name} has rows for {', '.join(embedding.vectors)}; expected one or two encoders."
        )
    return {
        folder / f"{embedding.name}{ending}.safetensors": safetensors.torch.save({embedding.name: rows.contiguous()})
        for ending, rows in zip(endings, embedding.vectors.values(), strict=False)
    }


def _picture(embedding: Embedding, folder: Path, image: Image.Image | None) -> Mapping[Path, bytes]:
    card = image or Image.new("RGB", _CARD, (48, 56, 72))
    data = {key: value for key, value in to_a1111(embedding).items() if key != "ti_studio"}
    return {folder / f"{embedding.name}.png": picture_with(data, card)}
