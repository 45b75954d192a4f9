"""The folder of embeddings as a live library: what comes, changes, is renamed or goes is seen at the next refresh."""

import hashlib
import logging
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ti_studio.embeddings.embedding import Embedding, family_of
from ti_studio.embeddings.entries import Entry, Identity, State, judge
from ti_studio.embeddings.errors import UnreadableEmbedding
from ti_studio.embeddings.files import file_sha256, outline_embedding, read_embedding
from ti_studio.embeddings.names import displayed, unseen_character
from ti_studio.embeddings.walk import FoundFile, Walked, state_of, walk
from ti_studio.errors import NotFound

__all__ = ["Entry", "Library", "State"]

MAX_CACHED = 256
"""Embeddings whose rows are kept in memory."""

_CLOCK_TICK_NS = 20_000_000
"""File systems tell times no finer than this: a file this young may change again without its times changing."""

_WORDS_SHOWN = 5

log = logging.getLogger(__name__)


class Library:
    """Every embedding below a folder. Safe to use from several threads."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self._lock = threading.RLock()
        self._walked, self._settled = Walked(), True
        self._records: dict[str, Entry] = {}
        self._positions: dict[str, int] = {}
        self._judged: tuple[Entry, ...] = ()
        self._fitted: tuple[Entry, ...] = ()
        self._fitted_for: object = None
        self._rows: OrderedDict[Identity, Embedding] = OrderedDict()
        self._hashes: dict[Identity, str] = {}
        self._version = 0

    @property
    def version(self) -> int:
        """Returns a number that grows with every change seen."""
        return self._version

    def refresh(self) -> bool:
        """Looks at the folder again and reads what is new or changed; returns whether anything is different.

        With nothing changed it costs a directory listing and one `stat` a file.
        """
        with self._lock:
            walked = walk(str(self.root))
            if self._settled and walked == self._walked:
                return False
            for folder, problem in walked.problems.items() - self._walked.problems.items():
                log.warning("Embeddings in %s can't be listed: %s", displayed(str(self.root / folder)), problem)
            names = sorted(walked.files)
            looked_at = {relative: self._looked_at(relative, walked) for relative in names}
            self._walked, self._settled = walked, len(walked.files) == len(names)
            return self._publish({relative: entry for relative, entry in looked_at.items() if entry is not None})

    def entries(
        self, widths: Mapping[str, int] | None = None, checkpoint_family: str | None = None
    ) -> tuple[Entry, ...]:
        """Returns all entries, sorted by relative path.

        Args:
            widths: width of a row by text encoder of the loaded checkpoint; what doesn't fit becomes incompatible.
            checkpoint_family: what the reasons call the checkpoint; by default it follows from its text encoders.
        """
        if widths is None:
            return self._judged
        asked = (self._version, frozenset(widths.items()), checkpoint_family)
        with self._lock:
            if asked != self._fitted_for:
                self._fitted = judge(self._records.values(), widths, checkpoint_family)
                self._fitted_for = asked
                misfits = [entry.word for entry in self._fitted if entry.state is State.INCOMPATIBLE]
                if misfits:
                    log.info("Embeddings that don't fit the checkpoint: %s", _counted(misfits))
            return self._fitted

    def usable(self, widths: Mapping[str, int], checkpoint_family: str | None = None) -> dict[str, Entry]:
        """Returns what a prompt may use with this checkpoint, by lower-cased word."""
        fitting = self.entries(widths, checkpoint_family)
        return {
            entry.word.lower(): entry for entry in fitting if entry.state is State.USABLE and entry.conflict is None
        }

    def by_id(self, id: str, widths: Mapping[str, int] | None = None) -> Entry:
        """Returns the entry with this id.

        Raises:
            NotFound: the library has no such file, or no longer.
        """
        with self._lock:
            position = self._positions.get(id)
            if position is None:
                raise NotFound("There is no embedding with this id; it may have been renamed or deleted.")
            return self.entries(widths)[position]

    def load(self, entry: Entry) -> Embedding:
        """Returns the embedding itself. Rows are read on first use and kept until the file changes.

        Raises:
            UnreadableEmbedding: the file is unreadable, or was changed or deleted since the last refresh.
        """
        if entry.state is State.UNREADABLE:
            raise UnreadableEmbedding(entry.reason or f"{entry.word} is unreadable.")
        with self._lock:
            if entry.identity in self._rows:
                self._rows.move_to_end(entry.identity)
                return self._rows[entry.identity]
        self._check_unchanged(entry)
        try:
            embedding = read_embedding(entry.path)
        except UnreadableEmbedding as error:
            self._check_unchanged(entry)
            self._mark_unreadable(entry, str(error))
            raise
        self._check_unchanged(entry)
        with self._lock:
            self._rows[entry.identity] = embedding
            if len(self._rows) > MAX_CACHED:
                self._rows.popitem(last=False)
        return embedding

    def sha256(self, entry: Entry) -> str:
        """Returns the SHA-256 of the entry's file in hexadecimal; worked out once for each content.

        Raises:
            UnreadableEmbedding: the file was changed or deleted since the last refresh.
        """
        known = entry.sha256 or self._hashes.get(entry.identity)
        if known is None:
            self._check_unchanged(entry)
            known = file_sha256(entry.path)
            self._check_unchanged(entry)
            self._hashes[entry.identity] = known
        return known

    def _looked_at(self, relative: str, walked: Walked) -> Entry | None:
        """Returns the entry of one file, read only if it may have changed.

        A file that changes while it is read keeps its old entry, or has none yet, and the next refresh tries again.
        """
        found, known = walked.files[relative], self._records.get(relative)
        before = self._walked.files.get(relative)
        if known and found == before:
            return known
        preview = (self.root / relative).with_name(found.preview) if found.preview else None
        if known and before and found.state == before.state:
            return replace(known, preview=preview)
        path = self.root / relative
        try:
            again = known is not None and known.sha256 is not None
            digest = file_sha256(path) if again or _young(found) else None
            entry = replace(_read_entry(self.root, relative, found, digest), preview=preview)
            settled = state_of(path.stat()) == found.state
        except OSError:
            settled = False
        if not settled or _young(found):
            # Forgotten, so that the next refresh does not take it for unchanged or never there.
            del walked.files[relative]
        if not settled:
            return known
        return known if entry == known else entry

    def _publish(self, records: dict[str, Entry]) -> bool:
        """Makes these the library's entries, tells the log what is new in them, and returns whether anything is."""
        if records == self._records:
            return False
        changed = [entry for relative, entry in records.items() if entry != self._records.get(relative)]
        gone = self._records.keys() - records.keys()
        log.info("Embeddings: %d files, %d new or changed, %d gone", len(records), len(changed), len(gone))
        judged = judge(records.values(), None)
        told = {(entry.path, entry.reason, entry.conflict) for entry in self._judged}
        for entry in judged:
            if (entry.path, entry.reason, entry.conflict) not in told:
                _tell(entry)
        kept = {entry.identity for entry in judged}
        self._rows = OrderedDict((key, rows) for key, rows in self._rows.items() if key in kept)
        self._hashes = {key: sha256 for key, sha256 in self._hashes.items() if key in kept}
        self._records, self._judged = records, judged
        self._positions = {entry.id: position for position, entry in enumerate(judged)}
        self._version += 1
        return True

    def _check_unchanged(self, entry: Entry) -> None:
        try:
            state = state_of(entry.path.stat())
        except OSError as error:
            raise UnreadableEmbedding(f"{entry.word} can't be read any more: {error.strerror}.") from error
        if state != entry.identity[1]:
            raise UnreadableEmbedding(f"{entry.word} is being changed on disk; try again in a moment.")

    def _mark_unreadable(self, entry: Entry, reason: str) -> None:
        """Lets everybody see what only reading all of a file could show, such as NaN among its numbers."""
        with self._lock:
            records = dict(self._records)
            for relative, known in records.items():
                if known.identity == entry.identity:
                    records[relative] = replace(known, state=State.UNREADABLE, reason=reason)
            self._publish(records)


def _young(found: FoundFile) -> bool:
    return time.time_ns() - max(found.state.modified_ns, found.state.changed_ns) < _CLOCK_TICK_NS


def _read_entry(root: Path, relative: str, found: FoundFile, digest: str | None) -> Entry:
    path = root / relative
    entry = Entry(
        word=displayed(path.stem),
        path=path,
        id=hashlib.sha256(os.fsencode(relative)).hexdigest()[:16],
        folder=displayed(relative.rpartition("/")[0]),
        state=State.UNREADABLE,
        size=found.state.size,
        modified=found.state.modified_ns / 1e9,
        sha256=digest,
        identity=(relative, found.state, digest),
    )
    unseen = unseen_character(relative)
    if unseen:
        return replace(entry, reason=f"its path has {unseen} in it, which can't be seen or typed; rename it")
    try:
        outline = outline_embedding(path)
    except UnreadableEmbedding as error:
        return replace(entry, reason=str(error))
    return replace(
        entry,
        state=State.USABLE,
        vectors_per_token=outline.vectors_per_token,
        family=family_of(outline.widths),
        step=outline.step,
        widths=outline.widths,
        metadata=outline.metadata,
    )


def _tell(entry: Entry) -> None:
    if entry.state is State.UNREADABLE:
        log.warning("Embedding %s is unreadable: %s", displayed(entry.relative), entry.reason)
    if entry.conflict:
        log.warning("Embedding %s is hidden by %s, which has the same name", displayed(entry.relative), entry.conflict)


def _counted(words: list[str]) -> str:
    shown = ", ".join(words[:_WORDS_SHOWN])
    return shown if len(words) <= _WORDS_SHOWN else f"{shown} and {len(words) - _WORDS_SHOWN} more"
