"""The studio's own environment, made by `install.py` in the background, so that the WebUI starts without waiting."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from ti_studio_bridge.pip_progress import is_progress, progress_of
from ti_studio_bridge.plan import Plan

LOG = "webui-install.log"
LAST_LINES = 12
LAST_BYTES = 1 << 18


class Installation:
    """A run of `install.py`; silent and quick when everything is there."""

    def __init__(self, plan: Plan) -> None:
        """Starts it."""
        self.log = plan.folder / "outputs" / LOG
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._began = time.monotonic()
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, str(plan.folder / "install.py")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=clean_environment(),
                cwd=plan.folder,
                start_new_session=os.name != "nt",
            )

    @property
    def progress(self) -> str:
        """How far it is."""
        return progress_of(self.log.read_text(encoding="utf-8", errors="replace"), time.monotonic() - self._began)

    def wait(self, seconds: float | None = None) -> bool | None:
        """Returns whether it went well, or None when it is not over after so many seconds."""
        try:
            return self._process.wait(seconds) == 0
        except subprocess.TimeoutExpired:
            return None

    def stop(self) -> None:
        """Ends it, and the pip that it runs; the next run goes on where it was."""
        if os.name == "nt":
            self._process.terminate()
        elif self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
        self._process.wait()


def python_of(plan: Plan) -> Path:
    """Returns the Python that the studio runs in, which may not be there."""
    folder = Path(plan.environment).expanduser() if plan.environment else plan.folder / ".venv"
    if folder.is_file():  # somebody named the program itself
        return folder
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def clean_environment() -> dict[str, str]:
    """Returns this process's environment without what is meant for the WebUI's own Python and Gradio.

    TORCH_COMMAND is among that: it names the WebUI's torch. `install.py` obeys TI_STUDIO_TORCH_COMMAND here.
    """
    left_out = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "TORCH_COMMAND")
    kept = {
        name: value for name, value in os.environ.items() if name not in left_out and not name.startswith("GRADIO_")
    }
    return {**kept, "GRADIO_ANALYTICS_ENABLED": "False", "PYTHONUNBUFFERED": "1"}


def last_lines(log: Path) -> tuple[str, ...]:
    """Returns the last lines of a file, none where there is no file."""
    if not log.is_file():
        return ()
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - LAST_BYTES))
        text = file.read().decode("utf-8", errors="replace")
    lines = (line.rpartition("\r")[2] for line in text.splitlines())
    return tuple(line for line in lines if line.strip() and not is_progress(line))[-LAST_LINES:]
