"""The folder of embeddings as a live library: what comes, changes, is renamed or goes is seen at the next refresh."""

import gc
import logging
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

from ti_studio.embeddings.embedding import Embedding
from ti_studio.embeddings.errors import UnreadableEmbedding
from ti_studio.embeddings.formats.files import file_sha256, read_embedding, summarize_embedding
from ti_studio.embeddings.library.entries import CheckpointFit, Entry, EntryState, FileIdentity, with_winners
from ti_studio.embeddings.library.scanner import Scanner
from ti_studio.embeddings.library.walk import state_of
from ti_studio.embeddings.names import displayed
from ti_studio.errors import NotFound

__all__ = ["Entry", "EntryState", "Library"]

MAX_CACHED = 256
"""Embeddings whose rows are kept in memory."""

_MOST_CHECKPOINTS = 4
"""For so many kinds of checkpoints it is remembered which entries fit."""

_WORDS_SHOWN = 5

log = logging.getLogger(__name__)


class Library:
    """Every embedding below a folder. Safe to use from several threads."""

    def __init__(self, root: Path, cache: Path | None = None) -> None:
        """Knows the folder; nothing is read before `refresh`.

        Args:
            root: the folder.
            cache: where what was found in the files is kept for the next start; None keeps nothing.
        """
        self.root = root.absolute()
        self._scanner = Scanner(self.root, cache)
        # Held while the folder is looked at, and before the other one, which is never held for long.
        self._looking, self._lock = threading.RLock(), threading.RLock()
        self._look_began = 0
        self._has_some, self._has_all = threading.Event(), threading.Event()
        self._records: dict[str, Entry] = {}
        self._positions: dict[str, int] = {}
        self._judged: tuple[Entry, ...] = ()
        self._fittings: OrderedDict[object, CheckpointFit] = OrderedDict()
        self._fitted: dict[object, tuple[Entry, ...]] = {}
        self._rows: OrderedDict[FileIdentity, Embedding] = OrderedDict()
        self._hashes: dict[FileIdentity, str] = {}
        self._version = 0

    @property
    def version(self) -> int:
        """Returns a number that grows with every change seen."""
        return self._version

    def refresh(self) -> bool:
        """Looks at the folder again and reads what is new or changed; returns whether anything is different.

        With nothing changed it costs a directory listing and one `stat` a file. Threads that ask while another one
        looks share the next look.
        """
        asked, before = time.monotonic_ns(), self._version
        with self._looking:
            if self._look_began <= asked:
                self._look_began = time.monotonic_ns()
                self._look()
            return self._version != before

    def glance(self) -> bool:
        """Looks again as `refresh` does; but of the very first look, which takes seconds for thousands of files, it
        waits for the first few only. Returns whether all has been looked at."""
        if self._has_all.is_set():
            self.refresh()
            return True
        if self._looking.acquire(blocking=False):  # nobody looks
            self._looking.release()
            threading.Thread(target=self.refresh, name="first-look", daemon=True).start()
        self._has_some.wait()
        return self._has_all.is_set()

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
        asked = (frozenset(widths.items()), checkpoint_family)
        with self._lock:
            if asked not in self._fitted:
                fitting = self._fittings.setdefault(asked, CheckpointFit(widths, checkpoint_family))
                self._fitted[asked] = fitting.judge(self._records.values())
                misfits = [entry.word for entry in self._fitted[asked] if entry.state is EntryState.INCOMPATIBLE]
                if misfits:
                    log.info("Embeddings that don't fit the checkpoint: %s", _counted(misfits))
            self._fittings.move_to_end(asked)
            if len(self._fittings) > _MOST_CHECKPOINTS:
                self._fitted.pop(self._fittings.popitem(last=False)[0], None)
            return self._fitted[asked]

    def usable(self, widths: Mapping[str, int], checkpoint_family: str | None = None) -> dict[str, Entry]:
        """Returns what a prompt may use with this checkpoint, by lower-cased word."""
        fitting = self.entries(widths, checkpoint_family)
        return {
            entry.word.lower(): entry
            for entry in fitting
            if entry.state is EntryState.USABLE and entry.conflict is None
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
        if entry.state is EntryState.UNREADABLE:
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

    def metadata(self, entry: Entry) -> Mapping[str, str]:
        """Returns all that the entry's file says of itself; of an unreadable one, nothing.

        Raises:
            UnreadableEmbedding: the file was changed or deleted since the last refresh.
        """
        if entry.state is EntryState.UNREADABLE:
            return {}
        self._check_unchanged(entry)
        return summarize_embedding(entry.path).metadata

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

    def _look(self) -> None:
        # Thousands of new objects would have the collector look through all of the process several times.
        before, judged = self._records, self._judged
        try:
            with _collector_at_rest() if not before else nullcontext():
                records = self._scanner.look(before, None if before else self._show_part)
                if records is not None and records != before:
                    self._show(records)
                    self._tell_changes(before, judged)
                if records is not None:
                    self._scanner.keep(records)
            self._has_all.set()
        finally:
            self._has_some.set()  # who waits is not left waiting by a look that failed

    def _tell_changes(self, before: Mapping[str, Entry], judged: Iterable[Entry]) -> None:
        """Tells the log what is new since there were these entries, judged so."""
        records = self._records
        changed = [entry for relative, entry in records.items() if entry is not before.get(relative)]
        gone = before.keys() - records.keys()
        log.info("Embeddings: %d files, %d new or changed, %d gone", len(records), len(changed), len(gone))
        reported = {_report_key(entry) for entry in judged if entry.reason or entry.conflict}
        for entry in self._judged:
            if (entry.reason or entry.conflict) and _report_key(entry) not in reported:
                _tell(entry)

    def _show(self, records: dict[str, Entry]) -> None:
        """Makes these the library's entries."""
        judged = with_winners(records.values())
        with self._lock:
            self._rows = OrderedDict((key, rows) for key, rows in self._rows.items() if _is_in(records, key))
            self._hashes = {key: sha256 for key, sha256 in self._hashes.items() if _is_in(records, key)}
            self._records, self._judged = records, judged
            self._positions = {entry.id: position for position, entry in enumerate(judged)}
            self._fitted.clear()
            self._version += 1

    def _show_part(self, records: dict[str, Entry]) -> None:
        """Makes what a first look has found so far the library's entries."""
        self._show(records)
        self._has_some.set()

    def _check_unchanged(self, entry: Entry) -> None:
        try:
            state = state_of(os.stat(entry.path))
        except OSError as error:
            raise UnreadableEmbedding(f"{entry.word} can't be read any more: {error.strerror}.") from error
        if state != entry.identity[1]:
            raise UnreadableEmbedding(f"{entry.word} is being changed on disk; try again in a moment.")

    def _mark_unreadable(self, entry: Entry, reason: str) -> None:
        """Lets everybody see what only reading all of a file could show, such as NaN among its numbers."""
        with self._looking:
            relative = entry.identity[0]
            known = self._records.get(relative)
            if known is not None and known.identity == entry.identity:
                before, judged = self._records, self._judged
                spoilt = replace(known, state=EntryState.UNREADABLE, reason=reason)
                self._show({**before, relative: spoilt})
                self._tell_changes(before, judged)


@contextmanager
def _collector_at_rest() -> Iterator[None]:
    """Lets Python's collector of cyclic garbage rest until the block ends."""
    works = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if works:
            gc.enable()


def _is_in(records: Mapping[str, Entry], identity: FileIdentity) -> bool:
    entry = records.get(identity[0])
    return entry is not None and entry.identity == identity


def _report_key(entry: Entry) -> tuple[str, str | None, str | None]:
    return entry.identity[0], entry.reason, entry.conflict


def _tell(entry: Entry) -> None:
    if entry.state is EntryState.UNREADABLE:
        log.warning("Embedding %s is unreadable: %s", displayed(entry.relative), entry.reason)
    if entry.conflict:
        log.warning("Embedding %s is hidden by %s, which has the same name", displayed(entry.relative), entry.conflict)


def _counted(words: list[str]) -> str:
    shown = ", ".join(words[:_WORDS_SHOWN])
    return shown if len(words) <= _WORDS_SHOWN else f"{shown} and {len(words) - _WORDS_SHOWN} more"
