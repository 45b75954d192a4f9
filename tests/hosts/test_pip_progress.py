"""What a tab tells of an installation, from what pip writes."""

import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.tiny_clone import write_wheel
from ti_studio_bridge.environment import last_lines
from ti_studio_bridge.pip_progress import progress_of

TORCH = """Installing torch 2.13.0 for the CPU (about 200 MB): no NVIDIA GPU was found …
Looking in indexes: https://pypi.org/simple, https://download.pytorch.org/whl/cpu
Collecting torch==2.13.0+cpu
  Downloading https://download.pytorch.org/whl/cpu/torch-2.13.0%2Bcpu-cp311-cp311-linux_x86_64.whl.metadata (29 kB)
Downloading https://download.pytorch.org/whl/cpu/torch-2.13.0%2Bcpu-cp311-cp311-linux_x86_64.whl (191.0 MB)
Progress 16384 of 191000000
Progress 95500000 of 191000000
"""
UNPACKED = """Progress 191000000 of 191000000
Installing collected packages: torch
Successfully installed torch-2.13.0+cpu
Installing what the studio requires …
"""
LOOKING = """Requirement already satisfied: torch>=2.0 in lib/python3.11/site-packages (from accelerate==1.15.0)
Collecting accelerate==1.15.0 (from -r requirements.txt (line 3))
  Downloading accelerate-1.15.0-py3-none-any.whl.metadata (19 kB)
Collecting numpy<3,>=1.17 (from accelerate==1.15.0)
  Using cached numpy-2.4.6-cp311-cp311-manylinux_2_28_x86_64.whl.metadata (62 kB)
Collecting six (from python-dateutil)
  Downloading six-1.17.0-py2.py3-none-any.whl.metadata (1.7 kB)
"""
FETCHING = """Downloading accelerate-1.15.0-py3-none-any.whl (500 kB)
Using cached numpy-2.4.6-cp311-cp311-manylinux_2_28_x86_64.whl (16.9 MB)
Downloading six-1.17.0-py2.py3-none-any.whl (11 kB)
"""
PLACING = "Installing collected packages: six, numpy, accelerate\n"
OLDER = """Collecting gradio==6.31.0
  Downloading gradio-6.31.0-py3-none-any.whl (54.0 MB)
     ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━ 54.0/54.0 MB 20.0 MB/s eta 0:00:00
Collecting fastapi==0.165.0
  Downloading fastapi-0.165.0-py3-none-any.whl (92 kB)
Processing ./wheels/own-1.0-py3-none-any.whl
"""


@pytest.mark.parametrize(
    ("log", "told"),
    [
        ("Creating .venv (Python 3.11) …\n", "1 min 5 s"),
        ("Collecting torch==2.13.0\n", "Looking for packages, 1 found · 1 min 5 s"),
        (TORCH, "Package 1 of 1 · torch: 96 of 191 MB · 96 MB downloaded · 1 min 5 s"),
        (TORCH + UNPACKED, "Unpacking 1 package · 191 MB downloaded · 1 min 5 s"),
        (TORCH + UNPACKED + LOOKING, "Looking for packages, 3 found · 1 min 5 s"),
        (TORCH + UNPACKED + LOOKING + FETCHING, "Package 3 of 3 · 192 MB downloaded · 1 min 5 s"),
        (
            TORCH + UNPACKED + LOOKING + FETCHING + PLACING,
            "Unpacking 3 packages · 192 MB downloaded · 1 min 5 s",
        ),
        (OLDER[: OLDER.index("     ━")], "Package 1 of 1 found so far · gradio: 54 MB · 54 MB downloaded · 1 min 5 s"),
        (OLDER, "Package 3 of 3 found so far · 54 MB downloaded · 1 min 5 s"),
    ],
)
def test_packages_megabytes_and_time_are_told_at_every_stage(log: str, told: str) -> None:
    assert progress_of(log, 65.4) == told


def test_a_short_time_is_told_in_seconds() -> None:
    assert progress_of("", 9.9) == "9 s"


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files, and says nothing of it."""

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def test_the_studios_own_pip_writes_what_is_read(tmp_path: Path) -> None:
    for name in ("brush", "easel"):
        (tmp_path / "index" / name).mkdir(parents=True)
    write_wheel(tmp_path / "index" / "brush", "brush", "1.0", {"brush/paint.txt": "x" * 2_000_000})
    write_wheel(tmp_path / "index" / "easel", "easel", "1.0", {"easel/wood.txt": "x"})
    log = tmp_path / "install.log"
    serve = partial(QuietHandler, directory=str(tmp_path / "index"))
    with ThreadingHTTPServer(("127.0.0.1", 0), serve) as server, log.open("wb") as written:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        index = ["--isolated", "--no-cache-dir", "--index-url", f"http://127.0.0.1:{server.server_port}"]
        command = [sys.executable, "-m", "pip", "install", "--progress-bar", "raw", *index]
        target = ["--target", str(tmp_path / "there"), "brush", "easel"]
        done = subprocess.run([*command, *target], stdout=written, check=False)
        server.shutdown()
    text = log.read_text(encoding="utf-8")

    assert done.returncode == 0, text
    assert "Progress " in text
    assert progress_of(text, 3) == "Unpacking 2 packages · 2 MB downloaded · 3 s"
    assert progress_of(text[: text.index("Collecting easel")], 3).startswith("Package 1 of 1 found so far · 2 MB")
    shown = last_lines(log)
    assert any(line.startswith("Successfully installed") for line in shown)
    assert not any(line.startswith("JobProgress") for line in shown)
