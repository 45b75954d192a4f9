"""A job's events, numbered, for those who read on from where they left off. Imports no torch."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class LoggedEvent:
    """An event as it stands in `events.jsonl`."""

    number: int
    """Its line, from 1. The file is only ever appended to, so an event keeps its number."""
    event: dict[str, Any]


class EventLog:
    """Reads a job's events, each once."""

    def __init__(self, path: Path, after: int = 0) -> None:
        """Reads `events.jsonl` at `path`; events up to the number `after` are left out."""
        self._path = path
        self._after = after
        self._number = 0
        self._offset = 0

    def read(self, most: int | None = None) -> list[LoggedEvent]:
        """Returns what has been added since the last call, whole lines only, `most` events at most."""
        return list(itertools.islice(self._read(), most))

    def _read(self) -> Iterator[LoggedEvent]:
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._offset += len(line)
                self._number += 1
                event = _parsed(line) if self._number > self._after else None
                if event is not None:
                    yield LoggedEvent(self._number, event)


def _parsed(line: bytes) -> dict[str, Any] | None:
    """Returns the event of a line; None for one that a killed process left unfinished."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and isinstance(event.get("event"), str) else None
