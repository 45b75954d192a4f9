"""Where things are kept, which paths may be reached, and how a file is replaced without ever being half-written."""

import errno
import os
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from ti_studio.errors import StudioError

TEMPORARY_PREFIX = ".tmp-"


class OutsideFolder(StudioError):
    """A path leads out of the folder that it has to stay in."""

    status = 403


class WriteFailed(StudioError):
    """A file could not be written; what was there before is unchanged."""

    status = 507


@dataclass(frozen=True)
class Folders:
    """The folders that the studio works in, all absolute."""

    data: Path
    embeddings: Path
    checkpoints: Path
    templates: Path
    outputs: Path
    dataset_root: Path | None = None
    """Datasets must lie in here; None lets every folder of this machine be a dataset (the server is on loopback)."""

    @classmethod
    def under(
        cls,
        data: Path,
        *,
        embeddings: Path | None = None,
        checkpoints: Path | None = None,
        dataset_root: Path | None = None,
    ) -> "Folders":
        """Returns A1111's folder names under `data`, each replaceable by one of the user's own."""
        data = data.resolve()
        return cls(
            data=data,
            embeddings=(embeddings or data / "embeddings").resolve(),
            checkpoints=(checkpoints or data / "models" / "Stable-diffusion").resolve(),
            templates=data / "textual_inversion_templates",
            outputs=data / "outputs",
            dataset_root=dataset_root.resolve() if dataset_root else None,
        )

    @property
    def cache(self) -> Path:
        """Where things are kept that only spare time; all of it may be deleted."""
        return self.outputs / "cache"

    def make(self) -> None:
        """Creates those folders that the studio writes to."""
        for folder in (self.embeddings, self.checkpoints, self.outputs):
            folder.mkdir(parents=True, exist_ok=True)


def repository_root() -> Path:
    """Returns the folder that holds `modules/`: shipped templates, the demo checkpoint, `javascript/` and
    `style.css`."""
    return Path(__file__).resolve().parents[2]


def inside(root: Path, relative: str) -> Path:
    """Returns `root/relative` with links and `..` resolved.

    Raises:
        OutsideFolder: the result is not below `root`, or can't be a path.
    """
    if "\0" in relative:
        raise OutsideFolder(f"{relative!r} is no path: it has a null character in it.")
    path = (root / relative).resolve()
    if not path.is_relative_to(root.resolve()):
        raise OutsideFolder(f"{relative!r} leads out of {root}; expected a path inside it.")
    return path


def why_not_written(error: OSError) -> str:
    """Returns in a few words why something could not be written."""
    return "the disk is full" if error.errno == errno.ENOSPC else error.strerror or type(error).__name__


def remove_temporaries(folder: Path, *, unchanged_for: float = 0.0) -> None:
    """Removes what processes that were killed while they wrote have left in a folder and below it.

    Args:
        folder: the folder.
        unchanged_for: seconds; a younger file is left alone, for where living processes may be writing.
    """
    for path in folder.rglob(f"{TEMPORARY_PREFIX}*"):
        try:
            if time.time() - path.stat().st_mtime >= unchanged_for:
                path.unlink()
        except FileNotFoundError:  # its process has put it into its place
            continue


def atomic_write(path: Path, data: bytes) -> None:
    """Replaces `path` by a file with these bytes; whatever happens, the old or the new content is there, never a part.

    Raises:
        WriteFailed: the disk is full or the folder can't be written to; the old file is as it was.
    """
    temporary = path.parent / f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}"
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise WriteFailed(
            f"{path} could not be written ({len(data):,} bytes): {why_not_written(error)}. Nothing was changed."
        ) from error
