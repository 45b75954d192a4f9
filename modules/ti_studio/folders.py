"""Where things are kept, which paths may be reached, and how a file is replaced without ever being half-written."""

import errno
import os
import time
import uuid
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

from ti_studio.errors import NotFound, StudioError

TEMPORARY_PREFIX = ".tmp-"
MOST_CHARACTERS = 4096
"""Of a path, on every system that the studio runs on."""
_MOST_BYTES_OF_A_NAME = 255

_SHOWN = 80
"""Characters of a path that an error quotes."""


class OutsideFolder(StudioError):
    """A path leads out of the folder that it has to stay in."""

    status = 403


class ImpossiblePath(OutsideFolder):
    """A text that no file's path can be."""


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
    def are_guarded(self) -> bool:
        """Whether requests reach these folders alone, because others than this machine's people may ask."""
        return self.dataset_root is not None

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
        OutsideFolder: the result is not below `root`.
        ImpossiblePath: it can't be a path.
    """
    check_possible(relative)
    # Windows would ask the other machine, with the user's password, before it could be told that the path leads out.
    path = None if _is_on_another_machine(relative, root) else resolved(root / relative)
    if path is None or not path.is_relative_to(resolved(root)):
        raise OutsideFolder(f"{relative!r} leads out of {root}; expected a path inside it.")
    return path


def resolved(path: Path) -> Path:
    """Returns the absolute path with links and `..` resolved; a loop of links stays as it is."""
    return Path(os.path.realpath(path))  # before Python 3.13, `Path.resolve` raises an error of its own for loops


def expanded(text: str) -> Path:
    """Returns the path that a person means by a text, `~` being their own folder.

    Raises:
        ImpossiblePath: no file can have this path.
        NotFound: it begins with the folder of a user that there is not.
    """
    check_possible(text)
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise NotFound(f"{text!r} begins with the folder of a user that this machine does not know.") from error


def check_possible(text: str) -> None:
    """Checks that a text can be a path at all.

    Raises:
        ImpossiblePath: it has a null character or half a character in it, or it or a name in it is too long.
    """
    if "\0" in text:
        raise ImpossiblePath(f"{text[:_SHOWN]!r} is no path: it has a null character in it.")
    if len(text) > MOST_CHARACTERS:
        raise ImpossiblePath(f"A path has {len(text):,} characters; expected {MOST_CHARACTERS:,} at most.")
    try:
        longest = max(map(len, os.fsencode(text).split(b"/")))
    except UnicodeEncodeError as error:
        raise ImpossiblePath(f"{text[:_SHOWN]!r} is no path: it has half a character in it.") from error
    if longest > _MOST_BYTES_OF_A_NAME:
        raise ImpossiblePath(f"A name in a path has {longest:,} bytes; expected {_MOST_BYTES_OF_A_NAME} at most.")


def _is_on_another_machine(text: str, root: Path) -> bool:
    """Tells whether Windows would look for a path on another machine than the root's, or past its own reading of
    paths."""
    drive = PureWindowsPath(text).drive.lower()
    return drive.startswith("\\\\") and drive != PureWindowsPath(str(root)).drive.lower()


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
