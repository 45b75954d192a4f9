"""The cards of a whole library: what is written beside each embedding, read again only where a file has changed; sorted
and filtered as the picker asks."""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from ti_studio.embeddings.library.entries import Entry, EntryState
from ti_studio.embeddings.library.last_used import LastUsed
from ti_studio.embeddings.sidecars import TEXT_ENDINGS, Card, read_card

_NUMBER = re.compile("[0-9]+")
_DIGITS = 12

Stamps = tuple[tuple[int, int, int] | None, ...]
"""Size, time and inode of each sidecar text of an embedding, and of its preview; None for one that is not there."""


class Sort(str, Enum):
    """What cards can be sorted by."""

    NAME = "name"
    PATH = "path"
    CREATED = "created"
    MODIFIED = "modified"
    USED = "used"


@dataclass(frozen=True)
class CardQuery:
    """Which cards are asked for, and in which order."""

    sort: Sort = Sort.PATH
    descending: bool = False
    folder: str = ""
    """Only what lies in it, or deeper; empty: everywhere."""
    fits: bool = False
    """Only what can be used with the checkpoint."""


@dataclass(frozen=True)
class FullCard:
    """An embedding with all that its card shows."""

    entry: Entry
    card: Card
    used: float
    """Unix seconds of its last use; 0 for none that is known."""
    picture: str | None
    """Changes when the preview does; None without one."""


class CardIndex:
    """Reads the cards of library entries. Safe to use from several threads."""

    def __init__(self, last_used: LastUsed) -> None:
        self._last_used = last_used
        # No lock around it: a page of a few cards would wait for the thousands of another one.
        self._cards: dict[str, tuple[Stamps, Card]] = {}

    def select(self, entries: Iterable[Entry], query: CardQuery) -> list[Entry]:
        """Returns the entries that a query is about, in its order; none of their files is looked at."""
        folder = query.folder.strip("/")
        matching = [
            entry
            for entry in entries
            if (not folder or entry.folder == folder or entry.folder.startswith(f"{folder}/"))
            and (not query.fits or entry.state is EntryState.USABLE)
        ]
        matching.sort(key=self._key(query.sort), reverse=query.descending)
        return matching

    def cards(self, entries: Sequence[Entry]) -> list[FullCard]:
        """Returns the entries with what is beside them now."""
        used = self._last_used.times()
        return [
            FullCard(entry, self._card(entry, stamp[:-1]), used.get(entry.relative, 0.0), _version(stamp[-1]))
            for entry, stamp in zip(entries, self.stamps(entries), strict=True)
        ]

    def stamps(self, entries: Sequence[Entry]) -> list[Stamps]:
        """Returns what changes when a file beside an entry does; a folder is listed once."""
        folders: dict[Path, Mapping[str, str]] = {}
        return [self._stamps(entry, folders) for entry in entries]

    def used(self) -> Mapping[str, float]:
        """Returns when files were last used, by path in the library."""
        return self._last_used.times()

    def _stamps(self, entry: Entry, folders: dict[Path, Mapping[str, str]]) -> Stamps:
        parent = entry.path.parent
        names = folders.get(parent)
        if names is None:
            names = folders[parent] = dict(_sidecar_names(parent))
        stem = entry.path.stem.lower()
        beside = (names.get(f"{stem}{ending}") for ending in TEXT_ENDINGS)
        texts = tuple(_stamp(parent / name) if name else None for name in beside)
        return (*texts, _stamp(entry.preview) if entry.preview else None)

    def _card(self, entry: Entry, texts: Stamps) -> Card:
        key = str(entry.path)
        if not any(texts):
            self._cards.pop(key, None)
            return _BLANK
        known = self._cards.get(key)
        if known is None or known[0] != texts:
            known = self._cards[key] = (texts, read_card(entry.path))
        return known[1]

    def _key(self, sort: Sort) -> Callable[[Entry], tuple[object, str]]:
        if sort is Sort.USED:
            used = self._last_used.times()
            return lambda entry: (used.get(entry.relative, 0.0), natural(entry.relative))
        return _KEYS[sort]


def natural(text: str) -> str:
    """Returns a key that sorts numbers in a text by their value, and upper and lower case alike."""
    return _NUMBER.sub(lambda match: match.group().zfill(_DIGITS), text.lower())


def created(entry: Entry) -> float:
    """Returns when the file came to its place, in Unix seconds: the file system's status change time, which a copy that
    keeps its old time of modification has of its own."""
    state = entry.identity[1]
    return entry.modified if state is None else state.changed_ns / 1e9


_BLANK = Card()
_KEYS: Mapping[Sort, Callable[[Entry], tuple[object, str]]] = {
    Sort.NAME: lambda entry: (natural(entry.word), natural(entry.relative)),
    Sort.PATH: lambda entry: (natural(entry.relative), ""),
    Sort.CREATED: lambda entry: (created(entry), natural(entry.relative)),
    Sort.MODIFIED: lambda entry: (entry.modified, natural(entry.relative)),
}


def _sidecar_names(folder: Path) -> Iterator[tuple[str, str]]:
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in names:
        lower = name.lower()
        if lower.endswith(TEXT_ENDINGS):
            yield lower, name


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        about = os.stat(path)
    except OSError:
        return None
    return about.st_size, about.st_mtime_ns, about.st_ino


def _version(stamp: tuple[int, int, int] | None) -> str | None:
    return None if stamp is None else f"{stamp[1]:x}-{stamp[0]:x}"
