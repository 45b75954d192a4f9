"""The folder for the page's uploads, with a quota and removal of old files."""

import logging
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from ti_studio.folders import Folders

GIGABYTE = 1024**3
QUOTA = 4 * GIGABYTE
MAX_AGE_SECONDS = 24 * 3600.0
"""Uploads older than this are removed. Files that are to stay were copied elsewhere long before."""
IN_USE_SECONDS = 600.0
"""Younger uploads are never removed to make room, because they are probably in use."""
LEAST_FREE = GIGABYTE // 2
"""Bytes that uploads leave free on the disk."""

log = logging.getLogger(__name__)


class Uploads:
    """The uploads of all servers that share a data folder. Safe to use from several threads."""

    def __init__(self, folder: Path, quota: int = QUOTA) -> None:
        """Sets the folder without creating it.

        Args:
            folder: the folder, which holds nothing else.
            quota: the most bytes in the folder.
        """
        self.folder = folder
        self._quota = quota

    @classmethod
    def of(cls, folders: Folders, quota: int = QUOTA) -> "Uploads":
        """Returns the uploads of a data folder."""
        return cls(folders.cache / "uploads", quota)

    def use(self) -> None:
        """Makes Gradio store uploads in this folder, by an environment variable, and removes old ones."""
        self.folder.mkdir(parents=True, exist_ok=True)
        os.environ["GRADIO_TEMP_DIR"] = str(self.folder)
        self.make_room(0)

    def make_room(self, size: int) -> int:
        """Removes old uploads, then the oldest until `size` more bytes fit; returns the free bytes."""
        now = time.time()
        files = sorted(self._files())
        used = sum(file_size for _, file_size, _ in files)
        for modified, file_size, path in files:
            age = now - modified
            if age > MAX_AGE_SECONDS or (used + size > self._quota and age > IN_USE_SECONDS):
                used -= file_size if _remove(path) else 0
        free = shutil.disk_usage(self.folder).free - LEAST_FREE
        return max(0, min(self._quota - used, free))

    def _files(self) -> Iterator[tuple[float, int, Path]]:
        """Yields each file's modification time, size in bytes and path."""
        for folder, _, names in os.walk(self.folder):
            for name in names:
                path = Path(folder, name)
                try:
                    status = path.lstat()
                except FileNotFoundError:  # removed by another request
                    continue
                yield status.st_mtime, status.st_size, path


def _remove(path: Path) -> bool:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:  # on Windows it may be open in another program
        log.warning("The old upload %s can't be removed: %s", path, error)
        return False
    return True
