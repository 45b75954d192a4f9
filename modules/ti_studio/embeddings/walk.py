"""Finds the embedding files below a folder, with all that tells whether one has changed, and opens none of them."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from ti_studio.embeddings.cards import PREVIEW_ENDINGS, choose_preview
from ti_studio.embeddings.files import EMBEDDING_ENDINGS


class FileState(NamedTuple):
    """What changes when a file's content may have changed."""

    size: int
    modified_ns: int
    changed_ns: int
    """When the file was last touched at all: sees what is overwritten in place and given its old time back."""
    inode: int


class FoundFile(NamedTuple):
    """A file as the walk met it."""

    state: FileState
    preview: str | None
    """Name of the preview picture in the same folder."""


@dataclass
class Walked:
    """What a walk found; keys are paths relative to its root, with `/` between the parts."""

    files: dict[str, FoundFile] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    """Folders that could not be looked into, and why."""


def walk(root: str) -> Walked:
    """Returns the embedding files below `root`, links followed; hidden files and folders are left out.

    A folder that can be reached in several ways is looked into once, so a link to a folder above can't loop.
    """
    walked = Walked()
    folders, links, seen = [""], list[str](), set[tuple[int, int]]()
    while folders or links:
        # Links come last: a folder counts under its own place, not under that of a link to it.
        folder = folders.pop() if folders else links.pop()
        try:
            for entry in _unseen_entries(root, folder, seen, walked):
                (links if entry.is_symlink() else folders).append(f"{folder}{entry.name}/")
        except OSError as error:
            walked.problems[folder] = error.strerror or type(error).__name__
    return walked


def state_of(about: os.stat_result) -> FileState:
    """Returns what of a file's status tells whether its content may have changed."""
    return FileState(about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino)


def _unseen_entries(root: str, folder: str, seen: set[tuple[int, int]], walked: Walked) -> Iterator[os.DirEntry[str]]:
    """Notes the files of one folder and yields the folders in it; yields nothing for a folder met before."""
    path = os.path.join(root, folder)
    about = os.stat(path)
    if (about.st_dev, about.st_ino) in seen:
        return
    seen.add((about.st_dev, about.st_ino))
    embeddings: dict[str, FileState] = {}
    pictures: dict[str, str] = {}
    with os.scandir(path) as entries:
        for entry in entries:
            name = entry.name
            if name.startswith("."):
                continue
            ending = os.path.splitext(name)[1].lower()
            state = _regular_file(entry) if ending in EMBEDDING_ENDINGS else None
            if state:
                embeddings[name] = state
            elif ending in PREVIEW_ENDINGS:
                pictures[name.lower()] = name
            elif _is_folder(entry):
                yield entry
    for name, state in embeddings.items():
        preview = choose_preview(os.path.splitext(name)[0], pictures) if pictures else None
        walked.files[f"{folder}{name}"] = FoundFile(state, preview)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _regular_file(entry: os.DirEntry[str]) -> FileState | None:
    try:
        about = entry.stat()
    except OSError:  # a link to nothing, or deleted since it was listed
        return None
    return state_of(about) if stat.S_ISREG(about.st_mode) else None
