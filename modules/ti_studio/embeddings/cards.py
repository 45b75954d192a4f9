"""The files that A1111 keeps beside an embedding: its preview picture, description and notes."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

PREVIEW_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".gif")
MAX_CARD_BYTES = 2**20


@dataclass(frozen=True)
class Card:
    """What people wrote about an embedding."""

    description: str = ""
    notes: str = ""
    problem: str | None = None
    """Why a sidecar file could not be read; None where all could, or there is none."""


def preview_path(embedding_path: Path) -> Path:
    """Returns where the preview of an embedding is written."""
    return embedding_path.with_name(f"{embedding_path.stem}.preview.png")


def find_preview(embedding_path: Path) -> Path | None:
    """Returns the picture beside an embedding: `<stem>.png` and its like, then `<stem>.preview.png`, as in A1111."""
    try:
        names = os.listdir(embedding_path.parent)
    except OSError:
        return None
    name = choose_preview(embedding_path.stem, {name.lower(): name for name in names})
    return embedding_path.with_name(name) if name else None


def choose_preview(stem: str, names: dict[str, str]) -> str | None:
    """Returns the name of the preview of `stem` among a folder's file names, keyed by their lower case."""
    for middle in ("", ".preview"):
        for ending in PREVIEW_ENDINGS:
            name = names.get(f"{stem}{middle}{ending}".lower())
            if name is not None:
                return name
    return None


def read_card(embedding_path: Path) -> Card:
    """Returns what `<stem>.json` says; the description may also be in `<stem>.txt` or `<stem>.description.txt`.

    A file that can't be read is reported in the card and changes nothing else.
    """
    problems: list[str] = []
    written = _read_json(embedding_path.with_name(f"{embedding_path.stem}.json"), problems)
    description = _text(written.get("description"))
    for ending in (".txt", ".description.txt"):
        description = description or _read_text(embedding_path.with_name(f"{embedding_path.stem}{ending}"), problems)
    return Card(description, _text(written.get("notes")), "; ".join(problems) or None)


def _read_json(path: Path, problems: list[str]) -> dict[str, object]:
    text = _read_text(path, problems)
    try:
        content = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        problems.append(f"{path.name} is not JSON")
        return {}
    if not isinstance(content, dict):
        problems.append(f"{path.name} is not a JSON object")
        return {}
    return content


def _read_text(path: Path, problems: list[str]) -> str:
    if not path.is_file():
        return ""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_CARD_BYTES + 1)
    except OSError as error:
        problems.append(f"{path.name} could not be read: {error.strerror}")
        return ""
    if len(content) > MAX_CARD_BYTES:
        problems.append(f"{path.name} is larger than {MAX_CARD_BYTES:,} bytes")
        return ""
    return content.decode("utf-8-sig", errors="replace")


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
