"""Writes what people say about an embedding into A1111's file beside it, and leaves what others wrote there."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from ti_studio.embeddings.sidecars import (
    DESCRIPTION,
    NEGATIVE_TEXT,
    NOTES,
    POSITIVE_TEXT,
    TAGS,
    VERSION,
    WEIGHT,
    Card,
    is_negative,
    json_path,
    read_card,
    read_json_object,
)
from ti_studio.errors import Conflict
from ti_studio.folders import atomic_write

_VERSIONS = {"SD 1": "SD1", "SD 2": "SD2", "SDXL": "SDXL"}
"""What A1111's editors call the families."""


class DamagedCard(Conflict):
    """The file with what is written about an embedding can't be read, so writing it would lose what is in it."""


@dataclass(frozen=True)
class CardChange:
    """What is to be written; None leaves it as it is."""

    description: str | None = None
    notes: str | None = None
    tags: tuple[str, ...] | None = None
    weight: float | None = None
    """0 takes it away, as in A1111."""
    negative: bool | None = None


def write_card(embedding_path: Path, change: CardChange, family: str | None = None) -> Card:
    """Writes `<stem>.json`; keys that nothing is known of stay. Returns the card as it is then.

    Args:
        embedding_path: the embedding that it is about.
        change: what to write.
        family: of the embedding, which A1111 wants to know too; None or "unknown" writes nothing of it.

    Raises:
        DamagedCard: there is a `<stem>.json`, and it holds something else.
        WriteFailed: the disk is full or the folder can't be written to.
    """
    path = json_path(embedding_path)
    written = _written(path)
    for key, value in ((DESCRIPTION, change.description), (NOTES, change.notes), (WEIGHT, change.weight)):
        if value is not None:
            written[key] = value
    if change.tags is not None:
        written[TAGS] = list(change.tags)
    if change.negative is not None and change.negative is not is_negative(written):
        _set_negative(written, change.negative, embedding_path.stem)
    if family in _VERSIONS:
        written.setdefault(VERSION, _VERSIONS[family])
    _write(path, written)
    return read_card(embedding_path)


def rename_in_card(embedding_path: Path, old_word: str) -> None:
    """Lets the file beside a renamed embedding call it by its new name, where it stood for a whole text."""
    path = json_path(embedding_path)
    if not os.path.isfile(path):
        return
    written = read_json_object(path, [])
    calling = [key for key in (POSITIVE_TEXT, NEGATIVE_TEXT) if written.get(key) == old_word]
    for key in calling:
        written[key] = embedding_path.stem
    if calling:
        _write(path, written)


def _set_negative(written: dict[str, object], negative: bool, word: str) -> None:
    if negative:
        written |= {POSITIVE_TEXT: "", NEGATIVE_TEXT: str(written.get(NEGATIVE_TEXT) or "") or word}
    elif written.get(NEGATIVE_TEXT) == word:
        written[NEGATIVE_TEXT] = ""
    else:  # somebody's own text for the negative prompt stays
        written[POSITIVE_TEXT] = word


def _written(path: Path) -> dict[str, object]:
    problems: list[str] = []
    written = read_json_object(path, problems)
    if problems:
        raise DamagedCard(f"{problems[0]}, so nothing was written over it. Mend or remove that file first.")
    return written


def _write(path: Path, written: dict[str, object]) -> None:
    atomic_write(path, json.dumps(written, indent=4, ensure_ascii=False).encode())
