"""Deleted embeddings, in a hidden folder of the library from which they can be brought back.

It lies in the library, so that deleting moves nothing from one disk to another. Other programs look into hidden folders
too, so what lies in it has an ending that is none of an embedding's.
"""

import json
import shutil
import time
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ti_studio.embeddings.cards.file_groups import move_files
from ti_studio.embeddings.names import displayed
from ti_studio.errors import NotFound
from ti_studio.folders import atomic_write, inside

FOLDER = ".trash"
ENDING = ".deleted"
_ABOUT = "about.json"


@dataclass(frozen=True)
class Trashed:
    """What was deleted at one time."""

    id: str
    """For routes; it sorts by time."""
    name: str
    """Name of the first file."""
    folder: str
    """Where it was, relative to the library."""
    deleted: float
    """Unix seconds."""
    files: tuple[str, ...]
    """Names of all files, in the order of the numbers that they lie under here: a name with an ending more may be too
    long."""


class Trash:
    """The hidden folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folder = root / FOLDER

    def put(self, files: Sequence[Path]) -> Trashed:
        """Moves files of one folder into the trash.

        Raises:
            WriteFailed: they can't be moved; nothing was.
            OutsideFolder: the trash is a link that leads out of the library.
        """
        now = time.time()
        identity = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(now))}-{uuid.uuid4().hex[:8]}"
        folder = files[0].parent.relative_to(self._root).as_posix()
        names = tuple(path.name for path in files)
        item = Trashed(identity, names[0], "" if folder == "." else folder, now, names)
        place = inside(self._root, FOLDER) / identity
        place.mkdir(parents=True)
        try:
            atomic_write(place / _ABOUT, json.dumps(asdict(item)).encode())
            # The first file goes last: the library misses an embedding only when all of it is gone.
            move_files([(path, place / f"{number}{ENDING}") for number, path in reversed(list(enumerate(files)))])
        finally:
            # What was moved before a failure, and could not be moved back, is the only copy.
            if not any(place.glob(f"*{ENDING}")):
                shutil.rmtree(place)
        return item

    def items(self) -> list[Trashed]:
        """Returns what is in it, the newest first; folders that are not its own are left out."""
        if not self._folder.is_dir():
            return []
        items = (_read(place) for place in sorted(self._folder.iterdir(), reverse=True))
        return [item for item in items if item is not None]

    def restore(self, identity: str) -> Path:
        """Brings an item back to where it was, and returns the path of its first file.

        Raises:
            NotFound: it is not in the trash.
            FileTaken: a file of that name is there again.
            WriteFailed: the files can't be moved.
        """
        item, place = self._find(identity)
        folder = inside(self._root, item.folder)
        folder.mkdir(parents=True, exist_ok=True)
        kept = reversed(list(enumerate(item.files)))
        move_files([(place / f"{number}{ENDING}", inside(folder, name)) for number, name in kept])
        shutil.rmtree(place)
        return self._root.joinpath(item.folder, item.name)

    def empty(self) -> int:
        """Deletes everything in it for good, and returns how many items there were."""
        items = self.items()
        for item in items:
            shutil.rmtree(self._folder / item.id)
        return len(items)

    def _find(self, identity: str) -> tuple[Trashed, Path]:
        for item in self.items():
            if item.id == identity:
                return item, self._folder / item.id
        raise NotFound(f"{displayed(identity)!r} is not in the trash; it may have been restored or the trash emptied.")


def _read(place: Path) -> Trashed | None:
    try:
        about = json.loads((place / _ABOUT).read_bytes())
        item = Trashed(**{**about, "files": tuple(map(str, about["files"]))})
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return item if item.id == place.name and item.files[:1] == (item.name,) else None
