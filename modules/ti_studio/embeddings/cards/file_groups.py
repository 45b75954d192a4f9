"""An embedding and the files beside it, moved or copied together, never over another file."""

import errno
import os
import shutil
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ti_studio.embeddings.formats.files import EMBEDDING_ENDINGS
from ti_studio.embeddings.links import leads_away
from ti_studio.embeddings.sidecars import SIDECAR_ENDINGS
from ti_studio.errors import Conflict
from ti_studio.folders import TEMPORARY_PREFIX, WriteFailed, why_not_written

_NO_HARD_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV})

_THE_LINK_ITSELF = {"follow_symlinks": False} if os.link in os.supports_follow_symlinks else {}

Pair = tuple[Path, Path]
"""Where a file is, and where it is to be."""


class FileTaken(Conflict):
    """There is a file already where one should go."""


@dataclass(frozen=True)
class FileGroup:
    """An embedding and the files beside it."""

    embedding: Path
    sidecars: tuple[Path, ...]
    shared: bool
    """Whether another embedding has the same name but for its ending, and so the same files beside it."""

    @classmethod
    def of(cls, embedding: Path) -> "FileGroup":
        """Looks at what lies beside an embedding."""
        stem = embedding.stem.lower()
        belonging = {f"{stem}{ending}" for ending in SIDECAR_ENDINGS}
        twins = {f"{stem}{ending}" for ending in EMBEDDING_ENDINGS}
        beside = [path for path in sorted(embedding.parent.iterdir()) if path.name != embedding.name]
        return cls(
            embedding,
            tuple(path for path in beside if path.name.lower() in belonging),
            any(path.name.lower() in twins for path in beside),
        )

    def renamed(self, folder: Path, stem: str) -> list[Pair]:
        """Returns where each file goes when the embedding gets another name; the embedding itself comes last, so that
        it is only there when all is there."""
        length = len(self.embedding.stem)
        return [(path, folder / f"{stem}{path.name[length:]}") for path in (*self.sidecars, self.embedding)]


def check_free(pairs: Sequence[Pair]) -> None:
    """Checks that nothing is where the files should go.

    Raises:
        FileTaken: something is.
    """
    for source, target in pairs:
        if os.path.lexists(target) and not _is_same(source, target):
            raise FileTaken(f"{target.name} is there already; nothing was changed. Choose another name or folder.")


def move_files(pairs: Sequence[Pair]) -> None:
    """Moves files, all or none.

    Raises:
        FileTaken: one would go over another file.
        WriteFailed: one can't be moved.
    """
    check_free(pairs)
    done: list[Pair] = []
    try:
        for source, target in pairs:
            _put(source, target)
            done.append((source, target))
    except OSError as error:
        for source, target in reversed(done):
            _put(target, source)
        raise WriteFailed(
            f"{source.name} could not be moved: {why_not_written(error)}. Nothing was changed."
        ) from error


def copy_files(pairs: Sequence[Pair]) -> None:
    """Copies files, all or none; each appears whole.

    Raises:
        FileTaken: one would go over another file.
        WriteFailed: one can't be copied.
    """
    check_free(pairs)
    done: list[Path] = []
    try:
        for source, target in pairs:
            temporary = target.parent / f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}"
            try:
                # A link to a file elsewhere stays one: its content is not brought into the library.
                shutil.copyfile(source, temporary, follow_symlinks=not leads_away(source))
                _put(temporary, target)
            finally:
                temporary.unlink(missing_ok=True)
            done.append(target)
    except OSError as error:
        for target in done:
            target.unlink(missing_ok=True)
        why = why_not_written(error)
        raise WriteFailed(f"{source.name} could not be copied: {why}. Nothing was changed.") from error


def _put(source: Path, target: Path) -> None:
    """Gives a file its new place; unlike `os.rename`, never over another file that has just come there.

    Raises:
        OSError: it can't be, `FileExistsError` where there is one.
    """
    if os.path.lexists(target) and _is_same(source, target):
        os.rename(source, target)  # upper and lower case are one here
        return
    try:
        os.link(source, target, **_THE_LINK_ITSELF)
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from error
        os.rename(source, target)
        return
    try:
        os.unlink(source)
    except OSError:
        os.unlink(target)
        raise


def _is_same(source: Path, target: Path) -> bool:
    """Tells whether two names that differ in case alone are of one file."""
    alike = source.parent == target.parent and source.name.lower() == target.name.lower()
    return alike and os.path.lexists(source) and source.samefile(target)
