"""The files that A1111 keeps beside an embedding: its preview picture, description, notes and how it is used.

The keys of `<stem>.json` are those of A1111's editors of "user metadata" (`ui_extra_networks_user_metadata.py` and the
Lora extension's `ui_edit_user_metadata.py`), which Forge and reForge share; `tags` is ours, and they keep it.
"""

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path

from ti_studio.embeddings.links import leads_away

PREVIEW_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".avif", ".jxl")
TEXT_ENDINGS = (".json", ".txt", ".description.txt")
SIDECAR_ENDINGS = (*TEXT_ENDINGS, *PREVIEW_ENDINGS, *(f".preview{ending}" for ending in PREVIEW_ENDINGS))
"""Of the files that go where the embedding goes."""
MAX_CARD_BYTES = 2**20
MAX_WEIGHT = 10.0

DESCRIPTION, NOTES, TAGS = "description", "notes", "tags"
WEIGHT, POSITIVE_TEXT, NEGATIVE_TEXT = "preferred weight", "activation text", "negative text"
VERSION = "sd version"


@dataclass(frozen=True)
class Card:
    """What people wrote about an embedding."""

    description: str = ""
    notes: str = ""
    problem: str | None = None
    """Why a sidecar file could not be read; None where all could, or there is none."""
    tags: tuple[str, ...] = ()
    weight: float | None = None
    """The weight to use it with; None is 1."""
    negative: bool = False
    """Whether it belongs into the negative prompt."""


def preview_path(embedding_path: Path) -> Path:
    """Returns where the preview of an embedding is written."""
    return embedding_path.with_name(f"{embedding_path.stem}.preview.png")


def json_path(embedding_path: Path) -> Path:
    """Returns where what is written about an embedding is kept."""
    return embedding_path.with_name(f"{embedding_path.stem}.json")


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
    written = read_json_object(json_path(embedding_path), problems)
    description = written.get(DESCRIPTION)
    if not isinstance(description, str):  # an empty one counts, as in A1111
        paths = (embedding_path.with_name(f"{embedding_path.stem}{ending}") for ending in TEXT_ENDINGS[1:])
        description = next(filter(None, (_read_text(path, problems) for path in paths)), "")
    return Card(
        description=_text(description),
        notes=_text(written.get(NOTES)),
        problem="; ".join(problems) or None,
        tags=_tags(written.get(TAGS)),
        weight=_weight(written.get(WEIGHT)),
        negative=is_negative(written),
    )


def is_negative(written: dict[str, object]) -> bool:
    """Tells whether a card belongs into the negative prompt: A1111 would put text there, and none into the prompt."""
    return bool(_text(written.get(NEGATIVE_TEXT)).strip()) and not _text(written.get(POSITIVE_TEXT)).strip()


def read_json_object(path: Path, problems: list[str]) -> dict[str, object]:
    """Returns the object in a JSON file, empty where there is no such file; what is wrong with it joins `problems`."""
    text = _read_text(path, problems)
    try:
        content = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError):
        problems.append(f"{path.name} is not JSON")
        return {}
    if not isinstance(content, dict):
        problems.append(f"{path.name} is not a JSON object")
        return {}
    return content


def _read_text(path: Path, problems: list[str]) -> str:
    if not os.path.isfile(path):  # unlike `Path.is_file` it says so of a name that is too long
        return ""
    if leads_away(path):
        problems.append(f"{path.name} is a link to a file in another folder, which is not read")
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
    """Returns a text that can be sent anywhere: JSON may hold halves of characters."""
    return value.encode(errors="replace").decode() if isinstance(value, str) else ""


def _tags(value: object) -> tuple[str, ...]:
    """Takes a list, or one text with commas."""
    parts = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else []
    return tuple(dict.fromkeys(tag for tag in (_text(part).strip() for part in parts) if tag))


def _weight(value: object) -> float | None:
    """A1111 writes 0 for none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value) if 0 < abs(value) <= MAX_WEIGHT else None
