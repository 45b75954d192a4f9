"""One training at a time for a file: a lock of the operating system, which goes with the process that holds it.

It holds between servers, command lines and sd-scripts' commands, whatever their job folders are. Imports no torch.
"""

import hashlib
import json
import os
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from ti_studio.errors import Conflict
from ti_studio.folders import atomic_write

_SECONDS_TO_WAIT = 1.0
"""Others look whether a lock is held by taking it for a moment."""


@dataclass(frozen=True)
class Holder:
    """Who holds a lock."""

    pid: int
    host: str
    since: float
    """Unix seconds."""
    folder: str
    """Where it keeps its state."""


class NameHeld(Conflict):
    """Another process trains a word of this name, or writes this file."""

    def __init__(self, what: str, holder: Holder | None) -> None:
        if holder is None:
            who = "another process"
        else:
            since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(holder.since))
            who = f"process {holder.pid} on {holder.host} since {since}, in the folder {holder.folder}"
        super().__init__(f"{what!r} is being trained by {who}. Stop that training first, or choose another name.")
        self.holder = holder


def name_lock(embeddings: Path, name: str) -> Path:
    """Returns the lock file of a word, upper and lower case alike.

    It lies in a folder beside the embeddings folder, not in it, where other programs would come across it; or in the
    system's temporary folder, where nothing can be written beside it.
    """
    beside = embeddings.parent / f".{embeddings.name}-locks"
    with suppress(OSError):
        beside.mkdir(exist_ok=True)
    if not (beside.is_dir() and os.access(beside, os.W_OK)):
        digest = hashlib.sha256(str(embeddings).encode()).hexdigest()[:16]
        beside = Path(tempfile.gettempdir()) / f"ti-studio-locks-{digest}"
        beside.mkdir(exist_ok=True)
    return beside / f"{name.lower()}.lock"


@contextmanager
def holding(lock: Path, what: str, folder: Path) -> Iterator[None]:
    """Holds a lock; nothing of it is left behind.

    Args:
        lock: the lock file.
        what: the word or file, for the message to who comes second.
        folder: where this process keeps its state, for the same.

    Raises:
        NameHeld: another process holds it.
    """
    held = FileLock(lock, timeout=_SECONDS_TO_WAIT)
    try:
        held.acquire()
    except Timeout as error:
        raise NameHeld(what, _holder(lock)) from error
    note = _note(lock)
    try:
        holder = Holder(os.getpid(), socket.gethostname(), time.time(), str(folder))
        atomic_write(note, json.dumps(asdict(holder)).encode())
        yield
    finally:
        # While it is held, or another process might hold it already; one that waits sees that the file is gone. Windows
        # deletes no file that is open.
        with suppress(OSError):
            note.unlink(missing_ok=True)
            lock.unlink(missing_ok=True)
        held.release()


def check_not_held(lock: Path, what: str) -> None:
    """Checks that a lock could be taken now.

    Raises:
        NameHeld: another process holds it.
    """
    if not lock.exists():
        return
    try:
        with FileLock(lock, timeout=0):
            return
    except Timeout as error:
        raise NameHeld(what, _holder(lock)) from error


def _note(lock: Path) -> Path:
    """Returns the file that says who holds a lock."""
    return lock.with_suffix(".json")


def _holder(lock: Path) -> Holder | None:
    try:
        return Holder(**json.loads(_note(lock).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
