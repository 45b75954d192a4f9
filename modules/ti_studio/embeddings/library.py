"""The folder of embeddings as a live library: what comes, changes, is renamed or goes is seen at the next refresh."""

import logging
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ti_studio.embeddings.embedding import Embedding
from ti_studio.embeddings.entries import Entry, Identity, State, judge
from ti_studio.embeddings.errors import NoEmbedding, UnreadableEmbedding
from ti_studio.embeddings.files import file_sha256, outline_embedding, read_embedding
from ti_studio.embeddings.index_file import Known, index_path, read_index, write_index
from ti_studio.embeddings.names import displayed
from ti_studio.embeddings.pictures import PICTURE_ENDINGS
from ti_studio.embeddings.verdicts import EntryMaker, Verdict, brief, unnameable, verdict_of
from ti_studio.embeddings.walk import FileState, FoundFile, Walked, Walker, state_of
from ti_studio.errors import NotFound

__all__ = ["Entry", "Library", "State"]

MAX_CACHED = 256
"""Embeddings whose rows are kept in memory."""

_CLOCK_TICK_NS = 20_000_000
"""File systems tell times no finer than this: a file this young may change again without its times changing."""

_MOST_CHECKPOINTS = 4
"""For so many kinds of checkpoints it is remembered which entries fit."""

_WORTH_KEEPING = 64
"""Files that are looked into before the index on the disk is written anew."""
_PICTURE_COUNTS = 16
"""Looking into a picture takes as long as looking into so many other files."""

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
        self._index = index_path(cache, self.root) if cache else None
        self._unkept = 0
        self._remembered: dict[str, Known] | None = None if cache else {}
        # Held while the folder is looked at, and before the other one, which is never held for long.
        self._looking, self._lock = threading.RLock(), threading.RLock()
        self._look_began = 0
        self._walker, self._maker = Walker(str(self.root)), EntryMaker(self.root)
        self._walked, self._settled = Walked(), True
        self._records: dict[str, Entry] = {}
        self._plain: dict[str, FileState] = {}
        self._positions: dict[str, int] = {}
        self._judged: tuple[Entry, ...] = ()
        self._fitted: OrderedDict[object, tuple[Entry, ...]] = OrderedDict()
        self._rows: OrderedDict[Identity, Embedding] = OrderedDict()
        self._hashes: dict[Identity, str] = {}
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
                self._fitted[asked] = judge(self._records.values(), widths, checkpoint_family)
                misfits = [entry.word for entry in self._fitted[asked] if entry.state is State.INCOMPATIBLE]
                if misfits:
                    log.info("Embeddings that don't fit the checkpoint: %s", _counted(misfits))
            self._fitted.move_to_end(asked)
            if len(self._fitted) > _MOST_CHECKPOINTS:
                self._fitted.popitem(last=False)
            return self._fitted[asked]

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

    def metadata(self, entry: Entry) -> Mapping[str, str]:
        """Returns all that the entry's file says of itself; of an unreadable one, nothing.

        Raises:
            UnreadableEmbedding: the file was changed or deleted since the last refresh.
        """
        if entry.state is State.UNREADABLE:
            return {}
        self._check_unchanged(entry)
        return outline_embedding(entry.path).metadata

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
        walked = self._walker.walk()
        if self._settled and walked == self._walked:
            return
        for folder, problem in walked.problems.items() - self._walked.problems.items():
            log.warning("Embeddings in %s can't be listed: %s", displayed(str(self.root / folder)), problem)
        if self._remembered is None:
            self._remembered = read_index(self._index, self.root) if self._index else {}
        names, before = sorted(walked.files), self._walked.files
        records: dict[str, Entry] = {}
        settled: dict[str, FoundFile] = {}
        for relative in names:
            found, known = walked.files[relative], self._records.get(relative)
            # The walker gives the same object again where nothing has changed.
            if before.get(relative) is found:
                entry, trusted = known, True
            else:
                entry, trusted = self._looked_at(relative, found, known)
            if entry is not None:
                records[relative] = entry
            if trusted:
                settled[relative] = found
        # What is left out here is looked at again next time, as if it were new.
        self._walked, self._settled = Walked(settled, walked.problems), len(settled) == len(names)
        self._remembered = {}
        self._publish(records)
        self._keep()

    def _looked_at(self, relative: str, found: FoundFile, known: Entry | None) -> tuple[Entry | None, bool]:
        """Returns the entry of one file, read only if it may have changed, and whether that can be relied on.

        A file that changes while it is read keeps its old entry, or has none yet. A picture without an embedding has
        none.
        """
        before = self._walked.files.get(relative)
        if self._plain.get(relative) == found.state:
            return None, True
        if known and before and found.state == before.state:
            return replace(known, preview=self._maker.preview(relative, found)), True
        remembered = (self._remembered or {}).get(relative)
        if remembered and remembered[0] == found.state and not _young(found):
            return self._entry(relative, found, remembered[1], None), True
        path = self.root / relative
        try:
            again = known is not None and known.sha256 is not None
            digest = file_sha256(path) if again or _young(found) else None
            verdict = self._verdict(relative)
            settled = state_of(os.stat(path)) == found.state
        except OSError:
            settled = False
        if not settled:
            return known, False
        entry = self._entry(relative, found, verdict, digest)
        return known if entry == known else entry, not _young(found)

    def _verdict(self, relative: str) -> Verdict:
        """Looks into a file."""
        picture = os.path.splitext(relative)[1].lower() in PICTURE_ENDINGS
        self._unkept += _PICTURE_COUNTS if picture else 1
        unfit = unnameable(relative)
        if unfit and not picture:
            return unfit
        try:
            outline = outline_embedding(self.root / relative)
        except NoEmbedding:
            return None
        except UnreadableEmbedding as error:
            return str(error)
        return unfit or brief(outline)

    def _entry(self, relative: str, found: FoundFile, verdict: Verdict, digest: str | None) -> Entry | None:
        if verdict is None:
            self._plain[relative] = found.state
            return None
        return self._maker.entry(relative, found, verdict, digest)

    def _publish(self, records: dict[str, Entry]) -> None:
        """Makes these the library's entries, and tells the log what is new in them."""
        if records == self._records:
            return
        changed = [entry for relative, entry in records.items() if entry is not self._records.get(relative)]
        gone = self._records.keys() - records.keys()
        log.info("Embeddings: %d files, %d new or changed, %d gone", len(records), len(changed), len(gone))
        judged = judge(records.values(), None)
        told = {_told(entry) for entry in self._judged if entry.reason or entry.conflict}
        for entry in judged:
            if (entry.reason or entry.conflict) and _told(entry) not in told:
                _tell(entry)
        with self._lock:
            self._rows = OrderedDict((key, rows) for key, rows in self._rows.items() if _is_in(records, key))
            self._hashes = {key: sha256 for key, sha256 in self._hashes.items() if _is_in(records, key)}
            self._records, self._judged = records, judged
            self._positions = {entry.id: position for position, entry in enumerate(judged)}
            self._fitted.clear()
            self._version += 1

    def _keep(self) -> None:
        """Writes the index if that would spare the next start much."""
        if self._index is None or self._unkept < _WORTH_KEEPING:
            return
        files = self._walked.files
        self._plain = {relative: state for relative, state in self._plain.items() if relative in files}
        kept: dict[str, Known] = {
            relative: (found.state, verdict_of(self._records[relative]))
            for relative, found in files.items()
            if relative in self._records
        }
        write_index(self._index, self.root, kept | {relative: (state, None) for relative, state in self._plain.items()})
        self._unkept = 0

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
                spoilt = replace(known, state=State.UNREADABLE, reason=reason)
                self._publish({**self._records, relative: spoilt})


def _young(found: FoundFile) -> bool:
    return time.time_ns() - max(found.state.modified_ns, found.state.changed_ns) < _CLOCK_TICK_NS


def _is_in(records: Mapping[str, Entry], identity: Identity) -> bool:
    entry = records.get(identity[0])
    return entry is not None and entry.identity == identity


def _told(entry: Entry) -> tuple[str, str | None, str | None]:
    return entry.identity[0], entry.reason, entry.conflict


def _tell(entry: Entry) -> None:
    if entry.state is State.UNREADABLE:
        log.warning("Embedding %s is unreadable: %s", displayed(entry.relative), entry.reason)
    if entry.conflict:
        log.warning("Embedding %s is hidden by %s, which has the same name", displayed(entry.relative), entry.conflict)


def _counted(words: list[str]) -> str:
    shown = ", ".join(words[:_WORDS_SHOWN])
    return shown if len(words) <= _WORDS_SHOWN else f"{shown} and {len(words) - _WORDS_SHOWN} more"
