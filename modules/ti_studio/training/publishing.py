"""A finished word's way into the embeddings folder."""

import shutil
from pathlib import Path

from ti_studio.embeddings.embedding import Embedding
from ti_studio.embeddings.files import EMBEDDING_ENDINGS, write_embedding
from ti_studio.errors import Conflict
from ti_studio.training.request import TrainRequest


class NameTaken(Conflict):
    """There is an embedding of this name already, and nothing was said about replacing it."""


def taken_by(name: str, folder: Path) -> list[Path]:
    """Returns the files that give a word, upper and lower case alike, wherever below the folder they lie."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in EMBEDDING_ENDINGS and path.stem.lower() == name.lower() and path.is_file()
    )


def check_free(name: str, folder: Path, *, overwrite: bool) -> None:
    """Checks that a word may be written.

    Raises:
        NameTaken: there is one already, and it is not to be overwritten.
    """
    taken = taken_by(name, folder)
    if taken and not overwrite:
        raise NameTaken(
            f"The name {name!r} is taken by {taken[0].relative_to(folder).as_posix()}. "
            "Choose another one, or tick “Overwrite Old Embedding” (--overwrite)."
        )


def publish(embedding: Embedding, request: TrainRequest, folder: Path, replaced: Path) -> Path:
    """Writes a word into the embeddings folder, in the place of the one it replaces; that one moves to `replaced`.

    Raises:
        NameTaken: meanwhile another embedding took the name; nothing is overwritten.
    """
    check_free(request.name, folder, overwrite=request.overwrite)
    old = taken_by(request.name, folder)
    path = (old[0].parent if old else folder) / request.file_name
    for file in old:
        replaced.mkdir(exist_ok=True)
        shutil.copy2(file, replaced / file.name)
    write_embedding(embedding, path, overwrite=request.overwrite)
    for file in old:
        if not file.samefile(path):  # where upper and lower case are one, the new file may have the old one's place
            file.unlink()
    return path
