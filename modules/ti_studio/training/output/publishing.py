"""A finished word's way into the embeddings folder."""

import shutil
from pathlib import Path

import torch

from ti_studio.embeddings.embedding import Embedding
from ti_studio.embeddings.formats.files import EMBEDDING_ENDINGS, read_embedding, write_embedding
from ti_studio.embeddings.sharing import undescribed
from ti_studio.errors import Conflict
from ti_studio.folders import atomic_write
from ti_studio.training.config.request import TrainRequest


class NameTaken(Conflict):
    """There is an embedding of this name already, and nothing was said about replacing it."""


def taken_by(name: str, folder: Path) -> list[Path]:
    """Returns the files that give a word, upper and lower case alike, wherever below the folder they lie."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in EMBEDDING_ENDINGS and path.stem.lower() == name.lower() and path.is_file()
    )


def check_free(name: str, folder: Path, *, overwrite: bool, job: Path | None = None) -> None:
    """Checks that a word may be written.

    Args:
        name: the word.
        folder: the embeddings folder.
        overwrite: whether another embedding may be replaced.
        job: the folder of a training that goes on, whose own finished file may be there already.

    Raises:
        NameTaken: there is one already, and it is not to be overwritten.
    """
    taken = [path for path in taken_by(name, folder) if job is None or not _is_from(job, path)]
    if taken and not overwrite:
        raise NameTaken(
            f"The name {name!r} is taken by {taken[0].relative_to(folder).as_posix()}. "
            "Choose another one, or tick “Overwrite Old Embedding” (--overwrite)."
        )


def publish(embedding: Embedding, request: TrainRequest, folder: Path, job: Path) -> Path:
    """Writes a word into the embeddings folder, in the place of the one it replaces; that one is kept in the job's
    folder under `replaced/`.

    A training that is killed in here can do it again: the finished file is kept under `snapshots/` first, by which the
    one in the embeddings folder is known to be its own.

    Raises:
        NameTaken: meanwhile another embedding took the name; nothing is overwritten.
    """
    if not request.metadata:
        embedding = undescribed(embedding)
    check_free(embedding.name, folder, overwrite=request.overwrite, job=job)
    taken = taken_by(embedding.name, folder)
    own = next((path for path in taken if _is_from(job, path)), None)
    old = [path for path in taken if path != own]
    for file in old:
        _keep(file, job / "replaced")
    if own is None or not _holds(own, embedding):
        kept = job / "snapshots" / f"{embedding.name}.{request.save_as}"
        kept.parent.mkdir(exist_ok=True)
        write_embedding(embedding, kept)
        own = own or (old[0].parent if old else folder) / kept.name
        atomic_write(own, kept.read_bytes())
    for file in old:
        # Where upper and lower case are one, the new file may have the old one's place.
        if file.exists() and not file.samefile(own):
            file.unlink()
    return own


def _is_from(job: Path, path: Path) -> bool:
    """Tells whether a file is the one that a training has put there itself."""
    kept = job / "snapshots" / path.name
    return kept.is_file() and path.is_file() and kept.read_bytes() == path.read_bytes()


def _holds(path: Path, embedding: Embedding) -> bool:
    """Tells whether a file has the very rows of an embedding."""
    existing = read_embedding(path)
    same = existing.step == embedding.step and existing.widths == embedding.widths
    return same and all(torch.equal(rows, embedding.vectors[encoder]) for encoder, rows in existing.vectors.items())


def _keep(file: Path, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    atomic_write(folder / file.name, file.read_bytes())
    shutil.copystat(file, folder / file.name)
