"""Changes the library's files: rename, move, duplicate, delete, bring back, write their cards and previews.

Whatever is changed lies really inside the library: what is reached through a link is somebody else's, and left alone.
"""

import itertools
import os
import threading
from collections.abc import Callable
from pathlib import Path

from ti_studio.embeddings.cards.editing import CardChange, rename_in_card, write_card
from ti_studio.embeddings.cards.file_groups import FileGroup, copy_files, move_files
from ti_studio.embeddings.cards.trash import Trash, Trashed
from ti_studio.embeddings.library.entries import Entry
from ti_studio.embeddings.library.last_used import LastUsed
from ti_studio.embeddings.library.library import Library
from ti_studio.embeddings.names import check_name, displayed
from ti_studio.embeddings.sidecars import PREVIEW_ENDINGS, preview_path
from ti_studio.errors import Conflict, NotFound
from ti_studio.folders import OutsideFolder, WriteFailed, atomic_write

MAX_DEPTH = 16


class WordTaken(Conflict):
    """Another embedding has this word."""


class EmbeddingFiles:
    """The files of a library, one change at a time. Safe to use from several threads of one server."""

    def __init__(self, library: Library, last_used: LastUsed, check: Callable[[str], None] = lambda word: None) -> None:
        """Makes the shelf.

        Args:
            library: whose files they are.
            last_used: keeps its notes for what is renamed.
            check: called with a word before its file is changed; raises a `Conflict` if it is being trained.
        """
        self._library = library
        self._last_used = last_used
        self._check = check
        self._trash = Trash(library.root)
        self._lock = threading.Lock()

    def write(self, entry: Entry, change: CardChange) -> None:
        """Writes the card beside an embedding.

        Raises:
            DamagedCard, WriteFailed, OutsideFolder: it can't be written.
        """
        with self._lock:
            self._hold(entry)
            write_card(entry.path, change, entry.family)

    def rename(self, entry: Entry, word: str) -> Entry:
        """Gives an embedding another name, which is its word.

        Raises:
            BadName: it can't have this one.
            WordTaken, FileTaken: another file has it.
            NameHeld, WriteFailed, OutsideFolder: the file can't be renamed.
        """
        check_name(word)
        with self._lock:
            group = self._taken_in_hand(entry)
            self._check(word)
            self._check_free(word, entry)
            return self._put(entry, group, group.renamed(entry.path.parent, word))

    def move(self, entry: Entry, folder: str) -> Entry:
        """Moves an embedding to a folder of the library, which is made if it isn't there; empty is the library itself.

        Raises:
            BadName: the folder can't have this name.
            OutsideFolder: it leads out of the library.
            FileTaken, NameHeld, WriteFailed: the file can't be moved.
        """
        with self._lock:
            group = self._taken_in_hand(entry)
            place = self._folder(folder)
            if place == entry.path.parent:
                return entry
            place.mkdir(parents=True, exist_ok=True)
            return self._put(entry, group, group.renamed(place, entry.path.stem))

    def duplicate(self, entry: Entry, word: str | None = None) -> Entry:
        """Copies an embedding and what is beside it; without a word for the copy, a number is added to its own.

        Raises:
            BadName, WordTaken, FileTaken, WriteFailed, OutsideFolder: it can't be copied.
        """
        with self._lock:
            self._hold(entry)
            if word is None:
                taken = {other.word.lower() for other in self._library.entries()}
                numbered = (f"{entry.path.stem}-{number}" for number in itertools.count(2))
                word = next(name for name in numbered if name.lower() not in taken)
            check_name(word)
            self._check_free(word)
            pairs = FileGroup.of(entry.path).renamed(entry.path.parent, word)
            copy_files(pairs)
            rename_in_card(pairs[-1][1], entry.path.stem)
            return self._seen(pairs[-1][1])

    def delete(self, entry: Entry) -> Trashed:
        """Moves an embedding and what is beside it to the trash; what another one of its name uses too stays.

        Raises:
            NameHeld, WriteFailed, OutsideFolder: it can't be deleted.
        """
        with self._lock:
            group = self._taken_in_hand(entry)
            item = self._trash.put([group.embedding, *(() if group.shared else group.sidecars)])
            self._library.refresh()
            return item

    def set_preview(self, entry: Entry, png: bytes | None) -> Trashed | None:
        """Replaces the preview picture; None takes it away. Returns the old ones, which are in the trash, if any was.

        Raises:
            WriteFailed, OutsideFolder: it can't be replaced.
        """
        with self._lock:
            self._hold(entry)
            old = self._put_previews_away(entry.path)
            try:
                if png is not None:
                    atomic_write(preview_path(entry.path), png)
            except WriteFailed:
                if old is not None:
                    self._trash.restore(old.id)
                raise
            self._library.refresh()
            return old

    def restore_preview(self, entry: Entry, identity: str | None) -> None:
        """Undoes `set_preview`: the present picture goes, and what went to the trash for it comes back."""
        with self._lock:
            self._hold(entry)
            self._put_previews_away(entry.path)
            if identity is not None:
                self._trash.restore(identity)
            self._library.refresh()

    def trashed(self) -> list[Trashed]:
        """Returns what is in the trash, the newest first."""
        return self._trash.items()

    def restore(self, identity: str) -> Entry | None:
        """Brings something back from the trash; returns the embedding, or None where it was only a preview.

        Raises:
            NotFound, FileTaken, WriteFailed: it can't be.
        """
        with self._lock:
            path = self._trash.restore(identity)
            self._library.refresh()
            return self._at(path)

    def empty_trash(self) -> int:
        """Deletes for good what is in the trash, and returns how many items there were."""
        with self._lock:
            return self._trash.empty()

    def _put(self, entry: Entry, group: FileGroup, pairs: list[tuple[Path, Path]]) -> Entry:
        if group.shared:
            *beside, (source, target) = pairs
            copy_files(beside)
            move_files([(source, target)])
        else:
            move_files(pairs)
        target = pairs[-1][1]
        if target.stem != entry.path.stem:
            rename_in_card(target, entry.path.stem)
        moved = self._seen(target)
        self._last_used.rename(entry.relative, moved.relative)
        return moved

    def _put_previews_away(self, path: Path) -> Trashed | None:
        """A preview may hide another one, so all go at once."""
        pictures = [beside for beside in FileGroup.of(path).sidecars if beside.suffix.lower() in PREVIEW_ENDINGS]
        return self._trash.put(pictures) if pictures else None

    def _taken_in_hand(self, entry: Entry) -> FileGroup:
        self._hold(entry)
        self._check(entry.word)
        return FileGroup.of(entry.path)

    def _hold(self, entry: Entry) -> None:
        if not entry.path.is_file():
            raise NotFound(f"{entry.relative} is gone; look again.")
        real, root = os.path.realpath(entry.path), os.path.realpath(self._library.root)
        if entry.path.is_symlink() or not Path(real).is_relative_to(root):
            raise OutsideFolder(f"{entry.relative} is a link, or lies in a folder that is one; change it where it is.")

    def _check_free(self, word: str, own: Entry | None = None) -> None:
        for other in self._library.entries():
            if other.word.lower() == word.lower() and (own is None or other.id != own.id):
                raise WordTaken(f"The name {word!r} is taken by {other.relative}. Choose another one.")

    def _folder(self, folder: str) -> Path:
        parts = [part for part in folder.replace("\\", "/").split("/") if part]
        place = self._library.root.joinpath(*parts)
        if not os.path.isdir(place) or any(part.startswith(".") for part in parts):
            for part in parts:
                check_name(part)
        if len(parts) > MAX_DEPTH:
            raise OutsideFolder(f"{displayed(folder)!r} is {len(parts)} folders deep; expected at most {MAX_DEPTH}.")
        if not Path(os.path.realpath(place)).is_relative_to(os.path.realpath(self._library.root)):
            raise OutsideFolder(f"{displayed(folder)!r} leads out of the embeddings folder.")
        return place

    def _seen(self, path: Path) -> Entry:
        self._library.refresh()
        entry = self._at(path)
        if entry is None:
            raise NotFound(f"{displayed(path.name)} was changed by another program meanwhile; look again.")
        return entry

    def _at(self, path: Path) -> Entry | None:
        return next((entry for entry in self._library.entries() if entry.path == path), None)
