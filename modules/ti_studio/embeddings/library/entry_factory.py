"""What one look into a file found, and the library's entry of it."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ti_studio.embeddings.embedding import family_of
from ti_studio.embeddings.formats.header_summaries import HeaderSummary
from ti_studio.embeddings.library.entries import Entry, EntryState
from ti_studio.embeddings.library.walk import FoundFile
from ti_studio.embeddings.metadata import SHORT
from ti_studio.embeddings.names import displayed, unseen_character

FileSummary = HeaderSummary | str | None
"""An embedding, or why it can't be read; None for a picture that holds none."""

MOST_CHARACTERS = 200
"""Of a short text that is kept of a file's metadata."""


def trim_metadata(summary: HeaderSummary) -> HeaderSummary:
    """Returns the outline with no more metadata than the library keeps."""
    said = {key: summary.metadata[key] for key in SHORT if key in summary.metadata}
    kept = {key: value for key, value in said.items() if len(value) <= MOST_CHARACTERS}
    return HeaderSummary(summary.widths, summary.vectors_per_token, summary.step, kept)


def summary_of(entry: Entry) -> FileSummary:
    """Returns the verdict that an entry was made of."""
    if entry.state is EntryState.UNREADABLE or entry.vectors_per_token is None:
        return entry.reason or entry.state.value
    return HeaderSummary(entry.widths, entry.vectors_per_token, entry.step, entry.metadata)


@dataclass
class EntryFactory:
    """Makes the entries of a library. What many of them have in common they share, for there may be thousands."""

    root: Path
    _shared: dict[object, object] = field(default_factory=dict)

    def entry(
        self, relative: str, file: FoundFile, summary_or_reason: HeaderSummary | str, digest: str | None = None
    ) -> Entry:
        """Returns the entry of a file.

        Args:
            relative: the file's path in the library.
            file: its status and preview.
            verdict: what is in it.
            digest: its SHA-256, where its status alone can't tell its content.
        """
        path = self.root / relative
        summary = summary_or_reason if isinstance(summary_or_reason, HeaderSummary) else None
        return Entry(
            word=displayed(path.stem),
            path=path,
            id=hashlib.sha256(os.fsencode(relative)).hexdigest()[:16],
            folder=self._one(displayed(relative.rpartition("/")[0])),
            state=EntryState.USABLE if summary else EntryState.UNREADABLE,
            reason=None if isinstance(summary_or_reason, HeaderSummary) else summary_or_reason,
            vectors_per_token=summary.vectors_per_token if summary else None,
            family=family_of(summary.widths) if summary else None,
            step=summary.step if summary else None,
            widths=self._one_mapping(summary.widths if summary else {}),
            size=file.state.size,
            modified=file.state.modified_ns / 1e9,
            sha256=digest,
            metadata={key: self._one(value) for key, value in summary.metadata.items()} if summary else {},
            preview=self.preview(relative, file),
            identity=(relative, file.state, digest),
        )

    def preview(self, relative: str, file: FoundFile) -> Path | None:
        """Returns the path of a file's preview picture."""
        return (self.root / relative).with_name(file.preview) if file.preview else None

    def _one(self, text: str) -> str:
        return str(self._shared.setdefault(text, text))

    def _one_mapping(self, widths: Mapping[str, int]) -> Mapping[str, int]:
        shared = self._shared.setdefault(tuple(widths.items()), widths)
        assert isinstance(shared, Mapping)
        return shared


def unnameable(relative: str) -> str | None:
    """Returns why a file of this path can't be a word, if it can't."""
    unseen = unseen_character(relative)
    return f"its path has {unseen} in it, which can't be seen or typed; rename it" if unseen else None
