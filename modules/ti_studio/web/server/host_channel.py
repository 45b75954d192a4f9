"""The channel between the studio and the WebUI that started it: JSON lines over the child's standard streams.

The WebUI's side is `ti_studio_bridge/child.py`. A pipe needs no port or password, and closes with either process.
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

PARENT_POLL_SECONDS = 1.0


@dataclass(frozen=True)
class HostSetup:
    """The WebUI's settings for the studio, sent at its start."""

    secret: str
    """The token required in every request; the WebUI's proxy adds it."""
    port: int
    """The port to listen on; 0 is any free one."""
    root_path: str
    """The path below the WebUI's address at which the studio appears."""
    data: Path
    embeddings: Path
    checkpoints: Path
    network: bool
    """Whether the WebUI is reachable from other machines."""

    @classmethod
    def of(cls, message: dict[str, Any]) -> "HostSetup":
        """Returns the setup in a message."""
        paths = {name: Path(message[name]) for name in ("data", "embeddings", "checkpoints")}
        return cls(**{**message, **paths})


class HostChannel:
    """The studio's end of the two pipes."""

    def __init__(self, incoming: BinaryIO, outgoing: BinaryIO) -> None:
        """Wraps the pipes without reading from them."""
        self._incoming = incoming
        self._outgoing = outgoing
        self._numbers = itertools.count(1)
        self._answers: dict[int, queue.SimpleQueue[dict[str, Any]]] = {}
        self._writing = threading.Lock()

    @classmethod
    def on_standard_streams(cls) -> "HostChannel":
        """Returns a channel over standard input and output; later prints go to standard error."""
        outgoing = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        return cls(sys.stdin.buffer, outgoing)

    def setup(self) -> HostSetup:
        """Returns the WebUI's first message.

        Raises:
            EOFError: the WebUI ended before it sent one.
        """
        line = self._incoming.readline()
        if not line:
            raise EOFError("The WebUI ended before it sent its settings.")
        return HostSetup.of(json.loads(line))

    def follow(self, on_end: Callable[[], None]) -> None:
        """Starts a thread that receives answers; calls `on_end` when the WebUI has ended."""
        threading.Thread(target=self._read, args=(on_end,), name="host-channel", daemon=True).start()
        if sys.platform != "win32":
            threading.Thread(target=_watch_parent, args=(on_end,), name="host-alive", daemon=True).start()

    def tell(self, **message: Any) -> None:
        """Sends a message; it is lost if the WebUI has ended."""
        line = json.dumps(message).encode() + b"\n"
        with self._writing:
            try:
                self._outgoing.write(line)
                self._outgoing.flush()
            except OSError:
                return

    def ask(self, what: str, seconds: float) -> dict[str, Any] | None:
        """Returns the WebUI's answer to a question, or None after `seconds` without one."""
        number = next(self._numbers)
        answers: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._answers[number] = answers
        self.tell(ask=what, id=number)
        try:
            with long_work():  # ends after `seconds`
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
    """Calls `on_end` when the parent process ends. A process forked by the WebUI may keep the pipe open after it."""
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(PARENT_POLL_SECONDS)
    on_end()
