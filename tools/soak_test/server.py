"""The server that is soaked: a process of its own in a folder of its own, and what is known of its memory."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import httpx
import psutil

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "examples" / "trizebra"
START_SECONDS = 180
BETWEEN_LOOKS = 0.5


@dataclass
class Memory:
    """How much memory a process had, over time; its child processes, the trainings, do not count."""

    process: psutil.Process
    seen: list[tuple[float, int]] = field(default_factory=list)
    """Seconds by the monotonic clock, and bytes."""
    _over: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        """Looks until it is told to stop."""
        while not self._over.wait(BETWEEN_LOOKS):
            with contextlib.suppress(psutil.NoSuchProcess):
                self.seen.append((time.monotonic(), self.process.memory_info().rss))

    def stop(self) -> None:
        """Looks no more."""
        self._over.set()

    def typical(self, begin: float, end: float) -> int:
        """Returns the median of what it had between two times."""
        return int(median(size for at, size in self.seen if begin <= at <= end))


@dataclass(frozen=True)
class Soaked:
    """A running server."""

    address: str
    data: Path
    memory: Memory
    log: Path


@contextlib.contextmanager
def running(data: Path, *flags: str) -> Iterator[Soaked]:
    """Runs a server on loopback with the demo checkpoint, and ends it, and every training that it has started.

    Raises:
        RuntimeError: it does not start.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = data / "server.log"
    environment = {
        **os.environ,
        **{"HF_HUB_OFFLINE": "1", "GRADIO_ANALYTICS_ENABLED": "False", "TOKENIZERS_PARALLELISM": "false"},
        "PYTHONPATH": str(ROOT / "modules"),
    }
    command = [sys.executable, "-m", "ti_studio", "serve", "--no-browser", "--port", str(port)]
    command += ["--data-dir", str(data), "--ckpt-dir", str(ROOT / "models" / "Stable-diffusion"), *flags]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
    memory = Memory(psutil.Process(process.pid))
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_for(address, process, log)
        threading.Thread(target=memory.watch, daemon=True).start()
        yield Soaked(address, data, memory, log)
    finally:
        memory.stop()
        for each in [*psutil.Process(process.pid).children(recursive=True), process]:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        process.wait()


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            httpx.get(f"{address}/ti/presets").raise_for_status()
            return
        time.sleep(0.2)
    raise RuntimeError(f"The server did not start:\n{log.read_text(errors='replace')[-4000:]}")
