"""How the studio and the WebUI that has started it talk: a JSON object a line, over the child's standard streams.

The WebUI's side is `ti_studio_bridge/child.py`. A pipe needs no port and no password, and ends with either process.
"""

import itertools
import json
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ti_studio.watchdog import long_work

PARENT_LOOKS_SECONDS = 1.0


@dataclass(frozen=True)
class HostSetup:
    """What the WebUI tells the studio at its start."""

    secret: str
    """What every request has to carry; the WebUI's proxy adds it."""
    port: int
    """0: any free one."""
    root_path: str
    """Where the WebUI's address shows the studio."""
    data: Path
    embeddings: Path
    checkpoints: Path
    network: bool
    """Whether others than this machine reach the WebUI."""

    @classmethod
    def of(cls, message: dict[str, Any]) -> "HostSetup":
        """Returns the setup that a message holds."""
        paths = {name: Path(message[name]) for name in ("data", "embeddings", "checkpoints")}
        return cls(**{**message, **paths})


class HostChannel:
    """The studio's end of the two pipes."""

    def __init__(self, incoming: BinaryIO, outgoing: BinaryIO) -> None:
        """Takes the pipes; reads nothing yet."""
        self._incoming = incoming
        self._outgoing = outgoing
        self._numbers = itertools.count(1)
        self._answers: dict[int, queue.SimpleQueue[dict[str, Any]]] = {}
        self._writing = threading.Lock()

    @classmethod
    def on_standard_streams(cls) -> "HostChannel":
        """Takes standard input and output for itself; what is printed from now on goes to standard error."""
        outgoing = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        return cls(sys.stdin.buffer, outgoing)

    def setup(self) -> HostSetup:
        """Returns what the WebUI says first.

        Raises:
            EOFError: it has gone before.
        """
        line = self._incoming.readline()
        if not line:
            raise EOFError("The WebUI has ended before it said anything.")
        return HostSetup.of(json.loads(line))

    def follow(self, on_end: Callable[[], None]) -> None:
        """Takes in answers from now on, in a thread; calls `on_end` when the WebUI is gone."""
        threading.Thread(target=self._read, args=(on_end,), name="host-channel", daemon=True).start()
        if sys.platform != "win32":
            threading.Thread(target=_watch_parent, args=(on_end,), name="host-alive", daemon=True).start()

    def tell(self, **message: Any) -> None:
        """Sends a message; one to a WebUI that is gone is lost."""
        line = json.dumps(message).encode() + b"\n"
        with self._writing:
            try:
                self._outgoing.write(line)
                self._outgoing.flush()
            except OSError:
                return

    def ask(self, what: str, seconds: float) -> dict[str, Any] | None:
        """Returns the WebUI's answer, or None when there is none in time."""
        number = next(self._numbers)
        answers: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._answers[number] = answers
        self.tell(ask=what, id=number)
        try:
            with long_work():  # no longer than it says
                return answers.get(timeout=seconds)
        except queue.Empty:
            return None
        finally:
            self._answers.pop(number, None)

    def _read(self, on_end: Callable[[], None]) -> None:
        for line in self._incoming:
            message = json.loads(line)
            answers = self._answers.get(message["id"])
            if answers is not None:
                answers.put(message)
        on_end()


def _watch_parent(on_end: Callable[[], None]) -> None:
    """A process that the WebUI has forked may hold the pipe open when the WebUI itself is gone."""
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(PARENT_LOOKS_SECONDS)
    on_end()
