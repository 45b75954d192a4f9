"""The one way into extensions' code: whatever happens in there is put down to the extension, and ends there.

An extension may fail in any manner at all, so this is the one place of the studio, besides the two that translate
errors for people (`web/server/errors.py`), where every exception is caught.
"""

import logging
import threading
import traceback
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ti_studio.watchdog import long_work

logger = logging.getLogger(__name__)

T = TypeVar("T")
MOST_NOTES = 20
"""Of an extension. A callback that fails anew at every picture would fill the memory."""
NOT_OFFERED = "the studio does not offer this part of A1111 to extensions"


@dataclass(frozen=True)
class Owner:
    """Whose code it is."""

    extension: str
    """The name of the extension's folder."""
    folder: Path
    script: Path | None = None


class Boundary:
    """Calls extensions' code and keeps what went wrong in it. Safe to use from several threads."""

    def __init__(self) -> None:
        self._problems: dict[str, list[str]] = {}
        self._remarks: dict[str, list[str]] = {}
        self._lock = threading.Lock()
        self._running: ContextVar[Owner | None] = ContextVar("running", default=None)

    @property
    def running(self) -> Owner | None:
        """Whose code runs now, in this thread or task."""
        return self._running.get()

    def attempt(self, owner: Owner, doing: str, work: Callable[[], T], otherwise: T) -> T:
        """Runs an extension's code and returns its result.

        Args:
            owner: whose code it is.
            doing: what is done, as the beginning of a sentence: `scripts/a.py` (… failed).
            work: runs the code.
            otherwise: what is returned if it fails; the failure is noted and logged.
        """
        token = self._running.set(owner)
        try:
            with long_work():  # an extension's affair
                return work()
        except (Exception, SystemExit) as error:
            logger.error("Extension %s: %s failed", owner.extension, doing, exc_info=error)
            self._add(self._problems, owner.extension, f"{doing} failed: {explained(error, owner.folder)}")
            return otherwise
        finally:
            self._running.reset(token)

    def note(self, extension: str, problem: str) -> None:
        """Notes and logs something that is wrong with an extension."""
        if self._add(self._problems, extension, problem):
            logger.error("Extension %s: %s", extension, problem)

    def remark(self, extension: str, text: str) -> None:
        """Notes something that is worth knowing and no failure."""
        self._add(self._remarks, extension, text)

    def problems(self, extension: str) -> list[str]:
        """Returns what is wrong with an extension, oldest first."""
        with self._lock:
            return list(self._problems.get(extension, ()))

    def remarks(self, extension: str) -> list[str]:
        """Returns what is worth knowing of an extension."""
        with self._lock:
            return list(self._remarks.get(extension, ()))

    @property
    def failed(self) -> list[str]:
        """The extensions with which something is wrong."""
        with self._lock:
            return sorted(self._problems)

    def _add(self, notes: dict[str, list[str]], extension: str, text: str) -> bool:
        with self._lock:
            there = notes.setdefault(extension, [])
            new = text not in there and len(there) < MOST_NOTES
            if new:
                there.append(text)
            return new


def explained(error: BaseException, folder: Path) -> str:
    """Returns an error in a line: what, and where in the extension's own files."""
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if isinstance(error, ImportError) and (error.name or "").partition(".")[0] == "modules":
        text += f" – {NOT_OFFERED}"
    if isinstance(error, SyntaxError):  # says where by itself
        return text
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(folder)]
    if own:
        text += f" ({Path(own[-1].filename).relative_to(folder).as_posix()}, line {own[-1].lineno})"
    return text
