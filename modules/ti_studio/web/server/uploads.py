"""The folder that the page's uploads go to: no larger than it may be, and emptied of what is old."""

import logging
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from ti_studio.folders import Folders

GIGABYTE = 1024**3
QUOTA = 4 * GIGABYTE
KEPT_SECONDS = 24 * 3600.0
"""How long a page may go on with what was uploaded; what is to stay was copied elsewhere long before."""
IN_USE_SECONDS = 600.0
"""What is younger is not removed to make room: somebody is just about to use it."""
LEAST_FREE = GIGABYTE // 2
"""Bytes that uploads leave free on the disk."""

log = logging.getLogger(__name__)


class Uploads:
    """What was uploaded to this server and to others of the same data folder. Safe to use from several threads."""

    def __init__(self, folder: Path, quota: int = QUOTA) -> None:
        """Knows the folder; it is made when it is used.

        Args:
            folder: the folder, in which nothing else is kept.
            quota: bytes that it may have in it.
        """
        self.folder = folder
        self._quota = quota

    @classmethod
    def of(cls, folders: Folders, quota: int = QUOTA) -> "Uploads":
        """Returns those of a data folder."""
        return cls(folders.cache / "uploads", quota)

    def use(self) -> None:
        """Makes Gradio, which asks the environment, keep uploads in this folder, and removes what is old there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        os.environ["GRADIO_TEMP_DIR"] = str(self.folder)
        self.make_room(0)

    def make_room(self, needed: int) -> int:
        """Removes what is old, and what is oldest until so many bytes more have room; returns how many have."""
        now = time.time()
        files = sorted(self._files())
        left = sum(size for _, size, _ in files)
        for modified, size, path in files:
            age = now - modified
            if age > KEPT_SECONDS or (left + needed > self._quota and age > IN_USE_SECONDS):
                left -= size if _removed(path) else 0
        free = shutil.disk_usage(self.folder).free - LEAST_FREE
        return max(0, min(self._quota - left, free))

    def _files(self) -> Iterator[tuple[float, int, Path]]:
        """Yields the time of each file's last change, its bytes, and its path."""
        for folder, _, names in os.walk(self.folder):
            for name in names:
                path = Path(folder, name)
                try:
                    about = path.lstat()
                except FileNotFoundError:  # another request has removed it
                    continue
                yield about.st_mtime, about.st_size, path


def _removed(path: Path) -> bool:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:  # on Windows somebody may have it open
        log.warning("The old upload %s can't be removed: %s", path, error)
        return False
    return True
