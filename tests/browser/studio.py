"""The real server in a separate process and folder, for the tests in this folder."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 120
END_SECONDS = 30


def free_port() -> int:
    """Returns a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Studio:
    """`python -m ti_studio serve` on a free port of this machine, with the demo checkpoint."""

    data: Path
    flags: tuple[str, ...] = ()
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        """The page's address."""
        return f"http://127.0.0.1:{self.port}/"

    @property
    def embeddings(self) -> Path:
        """The folder of embeddings."""
        return self.data / "embeddings"

    @property
    def log(self) -> Path:
        """The server's output so far."""
        return self.data / "server.log"

    def start(self) -> None:
        """Starts the server and waits until it answers."""
        self.data.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "ti_studio", "serve", "--port", str(self.port), "--no-browser"]
        folders = ["--data-dir", str(self.data), "--ckpt-dir", str(ROOT / "models" / "Stable-diffusion")]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "modules")}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, *folders, *self.flags], stdout=log, stderr=log, env=environment, cwd=self.data
            )
        end = time.monotonic() + START_SECONDS
        while not self._answers():
            assert self.process.poll() is None, f"the server has ended: {self.log.read_text()}"
            assert time.monotonic() < end, f"the server does not answer: {self.log.read_text()}"
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(0.2)

    def stop(self) -> int:
        """Ends the server as Ctrl+C does, and returns its exit status. Trainings go on."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(END_SECONDS)

    def end(self) -> None:
        """Ends the server and its trainings, whatever state they are in."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for noted in self.data.glob("outputs/train/*/worker.json"):
            with contextlib.suppress(psutil.NoSuchProcess, ValueError):
                worker = psutil.Process(json.loads(noted.read_text())["pid"])
                if "ti_studio.jobs.worker" in worker.cmdline():
                    worker.kill()

    def get(self, path: str) -> Any:
        """Returns the JSON of a route below `/ti/`."""
        with urllib.request.urlopen(f"{self.url}ti/{path}", timeout=20) as answer:
            return json.load(answer)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                pass
            with urllib.request.urlopen(f"{self.url}config", timeout=20):
                return True
        except urllib.error.HTTPError as refusal:
            refusal.close()
            return True
        except OSError:
            return False
