"""Looks through a library's folder again and again, and into those files that are new or may have changed."""

import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from ti_studio.embeddings.errors import NoEmbedding, UnreadableEmbedding
from ti_studio.embeddings.formats.files import file_sha256, summarize_embedding
from ti_studio.embeddings.formats.png_embeddings import PICTURE_ENDINGS
from ti_studio.embeddings.library.entries import Entry
from ti_studio.embeddings.library.entry_factory import EntryFactory, FileSummary, summary_of, trim_metadata, unnameable
from ti_studio.embeddings.library.index_cache import Known, index_path, read_index, write_index
from ti_studio.embeddings.library.walk import FileState, FoundFile, Walked, Walker, state_of
from ti_studio.embeddings.names import displayed
from ti_studio.watchdog import sign_of_life

CLOCK_TICK_NS = 20_000_000
"""File systems tell times no finer than this: a file this young may change again without its times changing."""

WORTH_KEEPING = 64
"""Files that are looked into before the index on the disk is written anew."""
_PICTURE_COUNTS = 16
"""Looking into a picture takes as long as looking into so many other files."""

FIRST_PART = 128
"""Files after which a look tells for the first time what it has found so far; then after four times as many, and so
on."""
_NEXT_PART = 4

log = logging.getLogger(__name__)


class Scanner:
    """What is known of a folder's files. Not safe to use from several threads at once."""

    def __init__(self, root: Path, cache: Path | None) -> None:
        """Knows the folder; nothing is read before `look`.

        Args:
            root: the folder.
            cache: where what was found in the files is kept for the next start; None keeps nothing.
        """
        self._root = root
        self._index = index_path(cache, root) if cache else None
        self._remembered: dict[str, Known] | None = None
        self._unkept = 0
        self._walker, self._maker = Walker(str(root)), EntryFactory(root)
        self._walked, self._settled = Walked(), True
        self._plain: dict[str, FileState] = {}

    def look(
        self, records: Mapping[str, Entry], so_far: Callable[[dict[str, Entry]], None] | None = None
    ) -> dict[str, Entry] | None:
        """Looks at the folder, and returns the entries of its files by relative path, sorted; None if nothing has
        changed.

        Args:
            records: the entries of last time, which are taken over where nothing has changed.
            so_far: called a few times with the entries that are there by then, the first by path.
        """
        walked = self._walker.walk()
        if self._settled and walked == self._walked:
            return None
        for folder, problem in walked.problems.items() - self._walked.problems.items():
            log.warning("Embeddings in %s can't be listed: %s", displayed(str(self._root / folder)), problem)
        if self._remembered is None:
            self._remembered = read_index(self._index, self._root) if self._index else {}
        names, before = sorted(walked.files), self._walked.files
        entries: dict[str, Entry] = {}
        settled: dict[str, FoundFile] = {}
        parts = _Parts(so_far)
        for relative in names:
            sign_of_life()  # there may be thousands, far away
            parts.tell_of(entries)
            file, known = walked.files[relative], records.get(relative)
            # The walker gives the same object again where nothing has changed.
            if before.get(relative) is file:
                entry, trusted = known, True
            else:
                entry, trusted = self._looked_at(relative, file, known)
            if entry is not None:
                entries[relative] = entry
            if trusted:
                settled[relative] = file
        # What is left out here is looked at again next time, as if it were new.
        self._walked, self._settled = Walked(settled, walked.problems), len(settled) == len(names)
        self._remembered = {}
        return entries

    def keep(self, records: Mapping[str, Entry]) -> None:
        """Writes the index, if that would spare the next start much."""
        if self._index is None or self._unkept < WORTH_KEEPING:
            return
        files = self._walked.files
        self._plain = {relative: state for relative, state in self._plain.items() if relative in files}
        known: dict[str, Known] = {relative: (state, None) for relative, state in self._plain.items()}
        for relative, file in files.items():
            if relative in records:
                known[relative] = (file.state, summary_of(records[relative]))
        write_index(self._index, self._root, known)
        self._unkept = 0

    def _looked_at(self, relative: str, file: FoundFile, known: Entry | None) -> tuple[Entry | None, bool]:
        """Returns the entry of one file, read only if it may have changed, and whether that can be relied on.

        A file that changes while it is read keeps its old entry, or has none yet. A picture without an embedding has
        none.
        """
        before = self._walked.files.get(relative)
        if self._plain.get(relative) == file.state:
            return None, True
        if known and before and file.state == before.state:
            return replace(known, preview=self._maker.preview(relative, file)), True
        remembered = (self._remembered or {}).get(relative)
        if remembered and remembered[0] == file.state and not _young(file):
            return self._entry(relative, file, remembered[1], None), True
        path = self._root / relative
        try:
            again = known is not None and known.sha256 is not None
            digest = file_sha256(path) if again or _young(file) else None
            summary_or_reason = self._summarize(relative)
            settled = state_of(os.stat(path)) == file.state
        except OSError:
            settled = False
        if not settled:
            return known, False
        entry = self._entry(relative, file, summary_or_reason, digest)
        return known if entry == known else entry, not _young(file)

    def _summarize(self, relative: str) -> FileSummary:
        """Looks into a file."""
        picture = os.path.splitext(relative)[1].lower() in PICTURE_ENDINGS
        self._unkept += _PICTURE_COUNTS if picture else 1
        unfit = unnameable(relative)
        if unfit and not picture:
            return unfit
        try:
            summary = summarize_embedding(self._root / relative)
        except NoEmbedding:
            return None
        except UnreadableEmbedding as error:
            return str(error)
        return unfit or trim_metadata(summary)

    def _entry(
        self, relative: str, file: FoundFile, summary_or_reason: FileSummary, digest: str | None
    ) -> Entry | None:
        if summary_or_reason is None:
            if not _young(file):
                self._plain[relative] = file.state
            return None
        return self._maker.entry(relative, file, summary_or_reason, digest)


class _Parts:
    """Tells of entries while they grow; a few times only, since each time they are copied."""

    def __init__(self, so_far: Callable[[dict[str, Entry]], None] | None) -> None:
        self._so_far = so_far
        self._next = FIRST_PART

    def tell_of(self, entries: Mapping[str, Entry]) -> None:
        """Tells of the entries that are there by now, if it is time."""
        if self._so_far is not None and len(entries) >= self._next:
            self._so_far(dict(entries))
            self._next *= _NEXT_PART


def _young(file: FoundFile) -> bool:
    return time.time_ns() - max(file.state.modified_ns, file.state.changed_ns) < CLOCK_TICK_NS
