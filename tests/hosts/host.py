"""A stand-in host as a process of its own, with the repository in its `extensions/` folder."""

import contextlib
import json
import os
import shutil
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests.browser.studio import free_port
from tests.hosts import environments

ROOT = Path(__file__).resolve().parents[2]
STAND_IN = Path(__file__).with_name("stand_in")
EXTENSION = (
    "install.py",
    "javascript",
    "modules",
    "scripts",
    "style.css",
    "textual_inversion_templates",
    "ti_studio_bridge",
)
NAME = "textual-inversion-studio"
START_SECONDS = 240
IGNORED = shutil.ignore_patterns("__pycache__")


@dataclass
class Host:
    """A host of a kind (`a1111`, `forge`) in a folder of its own, the demo its only checkpoint."""

    kind: str
    folder: Path
    flags: tuple[str, ...] = ()
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        """The address of the page."""
        return f"http{'s' if '--tls-keyfile' in self.flags else ''}://127.0.0.1:{self.port}/"

    @property
    def subpath(self) -> str:
        """The path that a web server in front of the host takes off; empty if there is none."""
        return self.flags[self.flags.index("--subpath") + 1] if "--subpath" in self.flags else ""

    @property
    def extension(self) -> Path:
        """Where the repository is."""
        return self.folder / "extensions" / NAME

    @property
    def embeddings(self) -> Path:
        """The host's embeddings folder."""
        return self.folder / "embeddings"

    @property
    def log(self) -> str:
        """What the host has written, and the studio."""
        files = [self.folder / "log.txt", *sorted(self.extension.glob("outputs/*.log"))]
        return "\n".join(path.read_text(encoding="utf-8", errors="replace") for path in files if path.is_file())

    def install(self, **settings: Any) -> None:
        """Puts the host and the extension there; the studio runs in the tests' own environment."""
        shutil.copytree(STAND_IN, self.folder, ignore=IGNORED)
        if self.kind != "forge":
            shutil.rmtree(self.folder / "backend")
        self.extension.mkdir(parents=True)
        self.embeddings.mkdir()
        for name in EXTENSION:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, self.extension / name)
        (self.extension / "models").symlink_to(ROOT / "models")
        checkpoints = self.folder / "models" / "Stable-diffusion"
        checkpoints.mkdir(parents=True)
        (checkpoints / "demo").symlink_to(ROOT / "models" / "Stable-diffusion" / "demo")
        chosen = {"ti_studio_environment": sys.prefix, **settings}
        (self.folder / "config.json").write_text(json.dumps(chosen), encoding="utf-8")

    def start(self) -> None:
        """Starts the host and waits until it says that it is up. It is not asked before: that may end a host."""
        command = [str(environments.python_of(self.kind)), "webui.py", "--port", str(self.port), *self.flags]
        # What the tests set for the studio is not for the host.
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        path = self.folder / "log.txt"
        with path.open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=self.folder, stdout=log, stderr=log, env={**inherited, "GRADIO_ANALYTICS_ENABLED": "False"}
            )
        self.wait_for("Startup time: ready")

    def wait_for(self, text: str, times: int = 1) -> None:
        """Waits until the host has written this, so many times."""
        assert self.process is not None
        end = time.monotonic() + START_SECONDS
        while (self.folder / "log.txt").read_text(encoding="utf-8").count(text) < times:
            assert self.process.poll() is None and time.monotonic() < end, self.log
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(0.2)

    def studios(self) -> list[psutil.Process]:
        """The studio's processes that the host has started."""
        assert self.process is not None
        children = psutil.Process(self.process.pid).children(recursive=True)
        return [child for child in children if _command(child)[-2:] == ["ti_studio", "hosted"]]

    def connections(self, port: int) -> int:
        """Returns how many connections the host has to a port of this machine."""
        assert self.process is not None
        made = psutil.Process(self.process.pid).net_connections("tcp")
        return sum(bool(one.raddr) and one.raddr.port == port and one.status == psutil.CONN_ESTABLISHED for one in made)

    def get(self, path: str, headers: "dict[str, str] | None" = None) -> Any:
        """Returns the JSON of one of the host's addresses."""
        request = urllib.request.Request(self.url + path, headers=headers or {})
        with urllib.request.urlopen(request, timeout=30, context=ssl._create_unverified_context()) as answer:
            return json.load(answer)

    def wait_until_ready(self) -> dict[str, Any]:
        """Waits for the studio, and returns the extension's status."""
        end = time.monotonic() + START_SECONDS
        while True:
            status: dict[str, Any] = self.get("ti-studio-bridge/status")
            if status["state"] == "ready":
                return status
            assert status["state"] in ("starting", "installing") and time.monotonic() < end, (status, self.log)
            time.sleep(0.3)

    def kill(self) -> None:
        """Ends the host as a power cut does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        """Ends the host and the trainings, whatever state they are in."""
        if self.process is not None and self.process.poll() is None:
            self.kill()
        for noted in self.extension.glob("outputs/train/*/worker.json"):
            with contextlib.suppress(psutil.NoSuchProcess, ValueError):
                worker = psutil.Process(json.loads(noted.read_text())["pid"])
                if "ti_studio.jobs.worker" in worker.cmdline():
                    worker.kill()


def _command(process: psutil.Process) -> list[str]:
    """Returns a process's command line, empty for one that has ended."""
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []
