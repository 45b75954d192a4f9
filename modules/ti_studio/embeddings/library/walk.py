"""Finds the embedding files below a folder, with all that tells whether one has changed, and opens none of them."""

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import NamedTuple

from ti_studio.embeddings.formats.files import EMBEDDING_ENDINGS
from ti_studio.embeddings.formats.png_embeddings import PICTURE_ENDINGS
from ti_studio.embeddings.sidecars import PREVIEW_ENDINGS, choose_preview

facts_of = attrgetter("st_size", "st_mtime_ns", "st_ctime_ns", "st_ino")
"""Takes the fields of a `FileState` from a file's status."""


_PREVIEW = ".preview"
"""What A1111 writes between an embedding's name and the ending of its preview."""


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
    """Embedding files, and pictures that may hold an embedding; where nothing changed, the very object of last time."""
    problems: dict[str, str] = field(default_factory=dict)
    """Folders that could not be looked into, and why."""


@dataclass(slots=True)
class _Folder:
    """What was in a folder when it was last sorted out."""

    about: tuple[int, ...]
    names: list[str]
    """As the system lists them."""
    certain: bool = True
    """Whether the same names mean the same kinds of things: not so for a link to nothing, which may come to be."""
    folders: list[str] = field(default_factory=list)
    """Relative to the root, with `/` behind."""
    links: list[str] = field(default_factory=list)
    """The same, of links to folders."""
    files: list[tuple[str, str, str | None]] = field(default_factory=list)
    """Path and relative path of each file, and the name of its preview."""


class Walker:
    """Walks a folder again and again.

    Each time it lists every folder and asks for the status of every file, and so trusts no folder's times: an
    overwritten file leaves them as they are, and some network drives keep none. Only what names mean is remembered.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self._folders: dict[str, _Folder] = {}
        self._files: dict[str, FoundFile] = {}

    def walk(self) -> Walked:
        """Returns the embedding files below the root, links followed; hidden files and folders are left out.

        A folder that can be reached in several ways is looked into once, so a link to a folder above can't loop.
        """
        walked = Walked()
        known, self._folders = self._folders, {}
        folders, links, seen = [""], list[str](), set[tuple[int, int]]()
        while folders or links:
            # Links come last: a folder counts under its own place, not under that of a link to it.
            relative = folders.pop() if folders else links.pop()
            try:
                about = os.stat(os.path.join(self._root, relative))
                if (about.st_dev, about.st_ino) in seen:
                    continue
                seen.add((about.st_dev, about.st_ino))
                folder = self._looked_into(relative, about, known.get(relative))
            except OSError as error:
                walked.problems[relative] = error.strerror or type(error).__name__
                continue
            self._folders[relative] = folder
            folders += folder.folders
            links += folder.links
            self._note(folder, walked.files)
        self._files = walked.files
        return walked

    def _looked_into(self, relative: str, about: os.stat_result, known: _Folder | None) -> _Folder:
        path = os.path.join(self._root, relative)
        facts = (about.st_dev, about.st_ino, about.st_mtime_ns, about.st_ctime_ns)
        if known and known.certain and known.about == facts and os.listdir(path) == known.names:
            return known
        with os.scandir(path) as entries:
            return _sorted_out(path, relative, facts, list(entries))

    def _note(self, folder: _Folder, files: dict[str, FoundFile]) -> None:
        """Adds the files of a folder, each with its present status."""
        for path, relative, preview in folder.files:
            try:
                about = os.stat(path)
            except OSError:  # a link to nothing, or deleted since it was listed
                continue
            known = self._files.get(relative)
            if known is not None and known[0] == facts_of(about) and known[1] == preview:
                files[relative] = known
            elif stat.S_ISREG(about.st_mode):
                files[relative] = FoundFile(state_of(about), preview)


def walk(root: str) -> Walked:
    """Returns the embedding files below `root`, as `Walker` finds them."""
    return Walker(root).walk()


def state_of(about: os.stat_result) -> FileState:
    """Returns what of a file's status tells whether its content may have changed."""
    return FileState._make(facts_of(about))


def _sorted_out(path: str, relative: str, about: tuple[int, ...], entries: list[os.DirEntry[str]]) -> _Folder:
    folder = _Folder(about, [entry.name for entry in entries])
    names: list[str] = []
    for entry in entries:
        if entry.name.startswith("."):
            continue
        try:
            is_folder = entry.is_dir()
            exists = is_folder or not entry.is_symlink() or entry.is_file()
        except OSError:  # a link to itself
            is_folder = exists = False
        folder.certain &= exists
        if is_folder:
            (folder.links if entry.is_symlink() else folder.folders).append(f"{relative}{entry.name}/")
        else:
            names.append(entry.name)
    for name, preview in _with_previews(names):
        folder.files.append((os.path.join(path, name), f"{relative}{name}", preview))
    return folder


def _with_previews(names: Iterable[str]) -> list[tuple[str, str | None]]:
    """Returns those of a folder's files that are or may hold an embedding, with the name of their preview picture.

    A picture of the same name as an embedding file belongs to it, and holds none of its own.
    """
    embeddings, cards, pictures = list[tuple[str, str]](), list[tuple[str, str]](), dict[str, str]()
    for name in names:
        stem, ending = os.path.splitext(name.lower())
        if ending in EMBEDDING_ENDINGS:
            embeddings.append((stem, name))
        if ending in PREVIEW_ENDINGS:
            pictures[name.lower()] = name
        if ending in PICTURE_ENDINGS and not stem.endswith(_PREVIEW):
            cards.append((stem, name))
    taken = {stem for stem, _ in embeddings} if cards else set[str]()
    embeddings += [card for card in cards if card[0] not in taken]
    pictured = {os.path.splitext(name)[0].removesuffix(_PREVIEW) for name in pictures}
    return [(name, _preview_of(name, pictures) if stem in pictured else None) for stem, name in embeddings]


def _preview_of(name: str, pictures: dict[str, str]) -> str | None:
    """Returns the picture beside a file; one with an embedding inside shows itself, unless it has a preview too."""
    stem = os.path.splitext(name)[0]
    if name.lower() in pictures:
        return choose_preview(f"{stem}{_PREVIEW}", pictures) or name
    return choose_preview(stem, pictures)
