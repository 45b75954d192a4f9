"""Keeps on the disk what the library found in each file, so that a restart opens only what has changed since.

Nothing depends on the file being there or right: one that is missing, damaged, of another folder or of another version
of the readers is ignored and written anew.
"""

import hashlib
import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import PIL

from ti_studio.embeddings.formats.header_summaries import HeaderSummary
from ti_studio.embeddings.formats.png_embeddings import has_jxl_plugin
from ti_studio.embeddings.library.entry_factory import MOST_CHARACTERS, FileSummary
from ti_studio.embeddings.library.walk import FileState
from ti_studio.folders import WriteFailed, atomic_write

MAX_BYTES = 512 * 2**20

_FIELDS = 5
"""Of a record: the four of a `FileState`, and the verdict."""

Known = tuple[FileState, FileSummary]

log = logging.getLogger(__name__)


def index_path(folder: Path, root: Path) -> Path:
    """Returns the index of the library `root` in a folder of such files."""
    return folder / f"embeddings-{hashlib.sha256(os.fsencode(root)).hexdigest()[:16]}.json"


def read_index(path: Path, root: Path) -> dict[str, Known]:
    """Returns what was found in each file by its relative path; nothing if the index can't be trusted."""
    try:
        if path.stat().st_size > MAX_BYTES:
            return {}
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError, MemoryError):
        return {}
    match content:
        case {"readers": str(readers), "root": str(of), "files": dict(files)}:
            if readers == _readers() and of == str(root):
                return {relative: known for relative, said in files.items() if (known := _known(said)) is not None}
    return {}


def write_index(path: Path, root: Path, files: Mapping[str, Known]) -> None:
    """Replaces the index. One that can't be written costs the next start some time, and is told in the log."""
    said = {relative: [*state, _said(summary_or_reason)] for relative, (state, summary_or_reason) in files.items()}
    content = {"readers": _readers(), "root": str(root), "files": said}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, json.dumps(content, separators=(",", ":")).encode())
    except (OSError, WriteFailed) as error:
        log.warning("What is known of the embeddings could not be kept for the next start: %s", error)


def _readers() -> str:
    """Returns what changes when the code does that looks into files: what an older one said may be wrong."""
    code = sorted(Path(__file__).parents[1].rglob("*.py"))
    facts = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in code]
    return hashlib.sha256(repr((PIL.__version__, has_jxl_plugin(), facts)).encode()).hexdigest()


def _said(summary_or_reason: FileSummary) -> object:
    if isinstance(summary_or_reason, HeaderSummary):
        return [
            summary_or_reason.vectors_per_token,
            summary_or_reason.step,
            dict(summary_or_reason.widths),
            dict(summary_or_reason.metadata),
        ]
    return summary_or_reason


def _known(said: Any) -> Known | None:
    """Returns one file's record, checked from end to end; None if it is not what was written."""
    if not isinstance(said, list) or len(said) != _FIELDS:
        return None
    *state, summary_or_reason = said
    if not all(type(number) is int for number in state):
        return None
    if isinstance(summary_or_reason, list):
        summary = _summary(summary_or_reason)
        return None if summary is None else (FileState(*state), summary)
    return (
        (FileState(*state), summary_or_reason)
        if summary_or_reason is None or isinstance(summary_or_reason, str)
        else None
    )


def _summary(said: list[Any]) -> HeaderSummary | None:
    match said:
        case [int(vectors), None | int() as step, dict(widths), dict(metadata)] if widths and vectors > 0:
            if all(type(width) is int for width in widths.values()) and all(map(_is_short, metadata.values())):
                return HeaderSummary(widths, vectors, step, metadata)
    return None


def _is_short(value: object) -> bool:
    return isinstance(value, str) and len(value) <= MOST_CHARACTERS
