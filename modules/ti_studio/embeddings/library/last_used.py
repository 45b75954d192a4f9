"""When each embedding was last used in a picture: one small file for all of them."""

import json
import logging
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from ti_studio.folders import WriteFailed, atomic_write

FILE = "last_used.json"
MAX_KNOWN = 20_000
"""Files whose times are kept, those that were used last."""

log = logging.getLogger(__name__)


class LastUsed:
    """The times, by path in the library. Safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._read: tuple[int, int] | None = None
        self._times: dict[str, float] = {}

    def times(self) -> dict[str, float]:
        """Returns Unix seconds by path relative to the library."""
        with self._lock:
            return dict(self._known())

    def record(self, files: Iterable[str]) -> None:
        """Notes that these files were used now. A note that can't be written is given up: no picture is lost for it."""
        now = time.time()
        used = dict.fromkeys(files, now)
        if used:
            with self._lock:
                self._write({**self._known(), **used})

    def rename(self, old: str, new: str) -> None:
        """Keeps the time of a file that goes by another path now."""
        with self._lock:
            known = dict(self._known())
            if old in known:
                known[new] = known.pop(old)
                self._write(known)

    def _known(self) -> dict[str, float]:
        """Reads the file again if another process has written it."""
        try:
            about = self._path.stat()
        except OSError:
            self._read, self._times = None, {}
            return self._times
        if (about.st_mtime_ns, about.st_ino) != self._read:
            self._times = _times(self._path)
            self._read = (about.st_mtime_ns, about.st_ino)
        return self._times

    def _write(self, times: dict[str, float]) -> None:
        kept = sorted(times.items(), key=lambda item: item[1], reverse=True)[:MAX_KNOWN]
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            atomic_write(self._path, json.dumps(dict(kept), ensure_ascii=False).encode())
        except (WriteFailed, OSError) as error:
            log.warning("When embeddings were used could not be noted: %s", error)


def _times(path: Path) -> dict[str, float]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    items = content.items() if isinstance(content, dict) else ()
    return {name: float(when) for name, when in items if isinstance(when, int | float)}
