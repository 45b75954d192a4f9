"""What a job's events amount to: where it is, how fast it goes, what it lost and what it made. Imports no torch."""

import json
import threading
from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

SMOOTHING = 0.95
"""Share of the smoothed loss that each step keeps."""

_RATE_STEPS = 40
"""Steps over which the speed is measured."""

_ENDS = frozenset({"finished", "stopped", "failed"})


class JobStatus(str, Enum):
    """Where a job is."""

    QUEUED = "queued"
    RUNNING = "running"
    STOPPING = "stopping"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"
    CRASHED = "crashed"


@dataclass
class JobProgress:
    """A job's events, added up. `follow` reads on where it left off, so that it can be called every second."""

    events_path: Path
    last: str = "queued"
    """`queued`, the last end (`finished`, `stopped`, `failed`), or `running`."""
    step: int = 0
    curve: list[tuple[int, float, float]] = field(default_factory=list)
    """Step, loss and learning rate of every step."""
    smoothed: list[float] = field(default_factory=list)
    """The smoothed loss at every step of the curve."""
    validations: list[dict[str, Any]] = field(default_factory=list)
    """The `validated` events, in the order of their steps."""
    latest: dict[str, Any] = field(default_factory=dict)
    """The last `step` event."""
    started: dict[str, Any] = field(default_factory=dict)
    """The last `started` event."""
    message: str = ""
    warnings: list[str] = field(default_factory=list)
    previews: list[dict[str, Any]] = field(default_factory=list)
    snapshots: list[dict[str, Any]] = field(default_factory=list)
    embedding: str | None = None
    more_embeddings: list[str] = field(default_factory=list)
    """The files of the training's further words."""
    reason: str | None = None
    early: str | None = None
    """Why it finished before its last step."""
    seconds_worked: float = 0.0
    _began: float | None = None
    _last_at: float = 0.0
    _pace: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=_RATE_STEPS))
    _read: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)
    """Held while events are taken in, and by who reads more than one value: a server's threads share this object."""

    def follow(self) -> "JobProgress":
        """Takes in what has been appended since the last call, whole lines only."""
        with self.lock:
            if not self.events_path.exists():
                return self
            with self.events_path.open("rb") as file:
                file.seek(self._read)
                lines = file.read()
            complete = lines[: lines.rfind(b"\n") + 1]
            self._read += len(complete)
            for line in complete.splitlines():
                event = _parsed(line)
                if event is not None:
                    self._take_in(event)
        return self

    @property
    def steps_per_second(self) -> float | None:
        """The speed over the last steps, or None before there are any."""
        if not self._pace:
            return None
        (before, first), (now, last) = self._pace[0], self._pace[-1]
        return (last - first) / (now - before) if now > before else None

    def elapsed(self, now: float, *, alive: bool) -> float:
        """Returns the seconds that were worked on the job, over all its runs."""
        running = (now if alive else self._last_at) - self._began if self._began is not None else 0.0
        return self.seconds_worked + max(0.0, running)

    def _take_in(self, event: dict[str, Any]) -> None:
        self._last_at = event.get("at", self._last_at)
        kind = event.get("event")
        if kind == "queued":
            self.last, self.message, self.reason = "queued", "Waiting for its turn", None
        elif kind in _ENDS:
            self._end(str(kind), event)
        else:
            self.last = "running"
            self._began = self._began or self._last_at
            handler = getattr(self, f"_on_{kind}", None)
            if handler is not None:
                handler(event)

    def _end(self, kind: str, event: dict[str, Any]) -> None:
        self.seconds_worked += self._last_at - self._began if self._began is not None else 0.0
        self._began = None
        self._pace.clear()
        self.last, self.message = kind, ""
        self.reason = event.get("reason")
        self.early = event.get("early") or None
        self.embedding = event.get("path", self.embedding)
        self.more_embeddings = list(event.get("more_paths", self.more_embeddings))
        self.step = event.get("step", self.step)

    def _on_preparing(self, event: dict[str, Any]) -> None:
        self.message = event["text"]

    def _on_warned(self, event: dict[str, Any]) -> None:
        if event["text"] not in self.warnings:
            self.warnings.append(event["text"])

    def _on_started(self, event: dict[str, Any]) -> None:
        """A training that goes on from its last state repeats the steps after it: what was told of them is taken
        back."""
        repeated = self.latest.get("step", 0) > event["step"]
        self.started, self.step, self.message = event, event["step"], ""
        self._pace.clear()
        keep = next((i for i, point in enumerate(self.curve) if point[0] > self.step), len(self.curve))
        del self.curve[keep:], self.smoothed[keep:]
        for made in (self.validations, self.previews, self.snapshots):
            made[:] = [each for each in made if each["step"] <= self.step]
        self.latest = {} if repeated else self.latest

    def _on_step(self, event: dict[str, Any]) -> None:
        self.latest, self.step = event, event["step"]
        self._pace.append((event["at"], event["step"]))
        self.curve.append((event["step"], event["loss"], event["learning_rate"]))
        before = self.smoothed[-1] if self.smoothed else event["loss"]
        # A plain average at first, so that the first steps' noise does not linger in the smoothed loss.
        weight = max(1 - SMOOTHING, 1 / len(self.curve))
        self.smoothed.append(before + weight * (event["loss"] - before))

    def _on_validated(self, event: dict[str, Any]) -> None:
        # A crash may come between a validation and the state that belongs to it: the step is then validated again.
        self.validations = [made for made in self.validations if made["step"] != event["step"]] + [event]

    def _on_previewed(self, event: dict[str, Any]) -> None:
        self.previews = [made for made in self.previews if made["path"] != event["path"]] + [event]

    def _on_saved(self, event: dict[str, Any]) -> None:
        self.snapshots = [made for made in self.snapshots if made["path"] != event["path"]] + [event]


def _parsed(line: bytes) -> dict[str, Any] | None:
    """Returns the event of a line; None for one that a killed process left unfinished."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None
