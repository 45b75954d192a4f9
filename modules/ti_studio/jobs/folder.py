"""A job's folder, which is all that anybody knows of a job. Imports no torch.

request.json     the TrainRequest
place.json       where it reads and writes, resolved when it was submitted
worker.json      the process that works on it: pid and start time
stop             there while a stop is wanted
events.jsonl     what has happened, one JSON object a line, each with `at` (Unix seconds); only ever appended to
reserve          room on the disk, given up when it is full so that the job's end can still be told
state.safetensors, snapshots/, previews/, replaced/, log.txt
"""

import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from ti_studio.errors import NotFound, StudioError
from ti_studio.folders import WriteFailed, atomic_write, inside, remove_temporaries, why_not_written
from ti_studio.training.config.request import TrainRequest

_START_TIME_TOLERANCE = 2.0
"""Seconds by which a process's start time may differ between two readings of it."""


_RESERVE_BYTES = 16 * 1024
"""A few lines in `events.jsonl`, whatever the disk's blocks are."""


class BrokenJob(StudioError):
    """A job's folder whose files can't be read."""


@dataclass(frozen=True)
class JobPaths:
    """Where a job reads and writes, as absolute paths."""

    checkpoint: str
    checkpoints: str
    """The folder that the checkpoint's title is relative to."""
    embeddings: str
    dataset: str
    template: str
    created: float
    """Unix seconds."""


@dataclass(frozen=True)
class JobFolder:
    """One job on disk."""

    path: Path

    @classmethod
    def create(cls, root: Path, request: TrainRequest, place: JobPaths) -> "JobFolder":
        """Makes the folder `<time>-<name>` of a new job."""
        stem = f"{time.strftime('%Y%m%d-%H%M%S', time.localtime(place.created))}-{request.name}"
        path, number = root / stem, 1
        while path.exists():
            number += 1
            path = root / f"{stem}-{number}"
        path.mkdir(parents=True)
        folder = cls(path)
        folder.write_json("place.json", asdict(place))
        folder.make_reserve()
        folder.append({"event": "queued"})
        folder.write_json("request.json", request.model_dump())  # last: a folder without it is no job yet
        return folder

    @property
    def request(self) -> TrainRequest:
        """What was asked for."""
        return TrainRequest(**self.read_json("request.json"))

    @property
    def place(self) -> JobPaths:
        """Where it reads and writes."""
        return JobPaths(**self.read_json("place.json"))

    @property
    def events_path(self) -> Path:
        """The file of events."""
        return self.path / "events.jsonl"

    @property
    def stop_path(self) -> Path:
        """The file that asks the worker to stop."""
        return self.path / "stop"

    def append(self, event: dict[str, Any]) -> None:
        """Adds an event, whole lines only: one that a killed process left unfinished is ended first.

        Raises:
            WriteFailed: the disk is full or the folder can't be written to.
        """
        line = json.dumps({"at": round(time.time(), 3), **event}, ensure_ascii=False).encode() + b"\n"
        try:
            with self.events_path.open("ab+") as file:
                if file.tell() and not _ends_with_newline(file.fileno(), file.tell()):
                    line = b"\n" + line
                file.write(line)
        except OSError as error:
            raise WriteFailed(
                f"{self.events_path} could not be written ({len(line):,} bytes more): {why_not_written(error)}."
            ) from error

    def append_last(self, event: dict[str, Any]) -> None:
        """Adds the event that ends a job, on a full disk in the room that was kept for it.

        Raises:
            WriteFailed: even so there is no room.
        """
        try:
            self.append(event)
        except WriteFailed:
            self._reserve_path.unlink(missing_ok=True)
            self.append(event)

    def make_reserve(self) -> None:
        """Keeps room on the disk for the job's last event."""
        if not self._reserve_path.exists():
            atomic_write(self._reserve_path, bytes(_RESERVE_BYTES))

    @property
    def _reserve_path(self) -> Path:
        return self.path / "reserve"

    def read_json(self, name: str) -> dict[str, Any]:
        """Returns one of the folder's JSON objects.

        Raises:
            BrokenJob: it is missing or damaged.
        """
        path = self.path / name
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise BrokenJob(f"{path} can't be read: {error}") from error
        if not isinstance(content, dict):
            raise BrokenJob(f"{path} holds a {type(content).__name__}; expected an object.")
        return content

    def write_json(self, name: str, content: dict[str, Any]) -> None:
        """Replaces one of the folder's JSON files."""
        atomic_write(self.path / name, json.dumps(content, indent=1, ensure_ascii=False).encode())

    def log_tail(self, most: int = 4000) -> str:
        """Returns the end of what the worker wrote to its output."""
        path = self.path / "log.txt"
        if not path.exists():
            return ""
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - most))
            return file.read().decode(errors="replace").strip()

    def preview_path(self, name: str) -> Path:
        """Returns the path of a preview picture.

        Raises:
            NotFound: there is no such picture.
            OutsideFolder: the name leads elsewhere.
        """
        path = inside(self.path / "previews", name)
        if not path.is_file():
            raise NotFound(f"There is no preview {name!r}.")
        return path

    def set_worker(self, pid: int) -> None:
        """Notes which process works on the job."""
        self.write_json("worker.json", {"pid": pid, "started": psutil.Process(pid).create_time()})

    def clear_worker(self) -> None:
        """Forgets the process and what it may have left unfinished, so that the job is one that waits for its turn."""
        remove_temporaries(self.path)
        self.make_reserve()
        (self.path / "worker.json").unlink(missing_ok=True)
        self.stop_path.unlink(missing_ok=True)

    @property
    def has_worker(self) -> bool:
        """Tells whether a process was ever started for it, since it was last queued."""
        return (self.path / "worker.json").exists()

    def worker(self) -> psutil.Process | None:
        """Returns the process that works on the job, or None when it is gone."""
        if not self.has_worker:
            return None
        noted = self.read_json("worker.json")
        try:
            process = psutil.Process(noted["pid"])
            same = abs(process.create_time() - noted["started"]) < _START_TIME_TOLERANCE
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None


def _ends_with_newline(descriptor: int, size: int) -> bool:
    os.lseek(descriptor, size - 1, os.SEEK_SET)
    return os.read(descriptor, 1) == b"\n"
