"""The studio as a child process, and what the two tell each other: a JSON object a line over its standard streams.

The child's side is `ti_studio.web.server.host_channel`. It ends when its standard input does, however this process
ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import threading
from collections.abc import Callable
from typing import Any

from ti_studio_bridge.environment import clean_environment, python_of
from ti_studio_bridge.plan import Plan

LOG = "webui-studio.log"
END_SECONDS = 15.0
Answer = Callable[[str], dict[str, Any]]
"""Does what the child asks for (`free_memory`, `checkpoints`) and returns its answer."""


class Child:
    """One run of the studio."""

    def __init__(self, plan: Plan, answer: Answer, on_event: Callable[[str], None]) -> None:
        """Starts it.

        Args:
            plan: how.
            answer: what it asks for; called in a thread of its own.
            on_event: called in a thread of its own with the name of what has happened: `embeddings`.
        """
        self.secret = secrets.token_urlsafe(32)
        self.port = 0
        self.modules = ""
        self.log = plan.folder / "outputs" / LOG
        self._answer = answer
        self._on_event = on_event
        self._writing = threading.Lock()
        self._listening = threading.Event()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        own = {"PYTHONPATH": plan.folder / "modules", "GRADIO_TEMP_DIR": plan.folder / "outputs" / "cache" / "gradio"}
        environment = {**clean_environment(), **{name: str(path) for name, path in own.items()}}
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [str(python_of(plan)), "-m", "ti_studio", "hosted"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                cwd=plan.folder,
                start_new_session=os.name != "nt",  # Ctrl+C is the WebUI's; the child follows it
            )
        self._send(plan.setup(self.secret))
        threading.Thread(target=self._read, name="ti-studio-messages", daemon=True).start()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def url(self) -> str:
        """Where it listens; only while `is_listening`."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def is_listening(self) -> bool:
        """Whether it takes requests."""
        return self._listening.is_set() and self._process.poll() is None

    def wait(self, seconds: float | None = None) -> int | None:
        """Returns its exit status, or None when it is not over after so many seconds."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def stop(self) -> None:
        """Ends it, if it has not ended. Trainings that it has started go on."""
        assert self._process.stdin is not None
        with self._writing, contextlib.suppress(OSError):  # what a child that has crashed did not read
            self._process.stdin.close()
        if self.wait(END_SECONDS) is None:
            self._process.kill()
            self._process.wait()

    def _send(self, message: dict[str, Any]) -> None:
        pipe = self._process.stdin
        assert pipe is not None
        with self._writing:
            if pipe.closed:
                return
            try:
                pipe.write(json.dumps(message).encode() + b"\n")
                pipe.flush()
            except OSError:  # it has ended, which `wait` tells
                return

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._take(json.loads(line))

    def _take(self, message: dict[str, Any]) -> None:
        if "listening" in message:
            self.port, self.modules = message["listening"], message["modules"]
            self._listening.set()
        elif "ask" in message:
            _in_thread(self._reply, message)
        else:
            _in_thread(self._on_event, message["event"])

    def _reply(self, question: dict[str, Any]) -> None:
        self._send({**self._answer(question["ask"]), "id": question["id"]})


def _in_thread(work: Callable[[Any], None], argument: Any) -> None:
    threading.Thread(target=work, args=(argument,), name="ti-studio-work", daemon=True).start()
