"""Writes an embedding in the layout of another program."""

from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

import safetensors.torch
from PIL import Image

from ti_studio.embeddings.embedding import Embedding, EmbeddingError
from ti_studio.embeddings.formats.files import check_name, embedding_bytes, onetrainer_bytes
from ti_studio.embeddings.formats.header_picture import opened_picture
from ti_studio.embeddings.formats.layouts import to_a1111
from ti_studio.embeddings.formats.png_embeddings import picture_with
from ti_studio.embeddings.sharing import shareable
from ti_studio.errors import Conflict
from ti_studio.folders import atomic_write

Format = Literal["safetensors", "pt", "diffusers", "onetrainer", "png"]
FORMATS: tuple[Format, ...] = get_args(Format)

_CARD = (512, 512)
_LONGEST_SIDE = 2048
"""Pixels of a card's picture; a larger one is made smaller."""
_PREVIEW = ".preview"


def export(
    embedding: Embedding, form: str, folder: Path, *, image: Image.Image | None = None, overwrite: bool = False
) -> list[Path]:
    """Writes an embedding and returns the paths of its files.

    Args:
        embedding: what is written, under its name.
        form: one of FORMATS: `safetensors`, A1111's `pt`, `diffusers` (`<name>.safetensors` with the name as its key,
            and `<name>_2.safetensors` for the second text encoder of SDXL), `onetrainer` (`<name>.safetensors` with
            OneTrainer's keys), or `png` (A1111's picture with the embedding inside).
        folder: where to.
        image: the picture of a `png`.
        overwrite: whether files that exist are replaced.

    Raises:
        EmbeddingError: the name can't be a file's, or the layout can't hold the embedding.
        Conflict: a file exists; nothing is written then.
        WriteFailed: the disk is full or the folder can't be written to.
    """
    contents = exported(embedding, form, image)
    taken = [name for name in contents if (folder / name).exists()]
    if taken and not overwrite:
        raise Conflict(
            f"{' and '.join(taken)} exists already in {folder}; allow it to be overwritten, or name another."
        )
    for name, content in contents.items():
        atomic_write(folder / name, content)
    return [folder / name for name in contents]


def exported(embedding: Embedding, form: str, image: Image.Image | None = None) -> dict[str, bytes]:
    """Returns the files of an embedding in one of the FORMATS, by their names; as `export`, and writes nothing.

    Raises:
        EmbeddingError: the name can't be a file's, or the layout can't hold the embedding.
    """
    check_name(embedding.name)
    if form in ("safetensors", "pt"):
        return {f"{embedding.name}.{form}": embedding_bytes(embedding, f".{form}")}
    if form == "onetrainer":
        return {f"{embedding.name}.safetensors": onetrainer_bytes(embedding)}
    return _diffusers(embedding) if form == "diffusers" else _picture(embedding, image)


def card_picture(path: Path) -> Image.Image:
    """Returns the picture for a `png`, at most 2048 pixels long.

    Raises:
        EmbeddingError: the file is no picture that can be read.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise EmbeddingError(f"The picture {path} can't be read: {error.strerror}.") from error
    return opened_picture(content, path.name, _LONGEST_SIDE)


def _diffusers(embedding: Embedding) -> dict[str, bytes]:
    """One file for each text encoder: diffusers' loader takes a file with exactly one key, which is the token."""
    endings = ("", "_2")
    if len(embedding.vectors) > len(endings):
        raise EmbeddingError(
            f"{embedding.name} has rows for {', '.join(embedding.vectors)}; expected one or two encoders."
        )
    return {
        f"{embedding.name}{ending}.safetensors": safetensors.torch.save({embedding.name: rows.contiguous()})
        for ending, rows in zip(endings, embedding.vectors.values(), strict=False)
    }


def _picture(embedding: Embedding, image: Image.Image | None) -> dict[str, bytes]:
    if embedding.name.lower().endswith(_PREVIEW):
        raise EmbeddingError(f"{embedding.name}.png would be taken for a preview; expected another name.")
    card = image or Image.new("RGB", _CARD, (48, 56, 72))
    shared = replace(embedding, metadata=shareable(embedding.metadata))
    data = {key: value for key, value in to_a1111(shared).items() if key != "ti_studio"}
    return {f"{embedding.name}.png": picture_with(data, card)}
