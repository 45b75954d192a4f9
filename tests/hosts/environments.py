"""Makes the environments that the stand-in hosts run in: the real old stacks, from the package index.

Standard library only; `python -m tests` calls this. They stay in `.venv-hosts/`, so that later runs need no network.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".venv-hosts"
KINDS = ("a1111", "forge")
PROBLEM = "TI_STUDIO_HOSTS_PROBLEM"
"""The environment variable in which `python -m tests` says why there are no environments."""
MISSING = "the hosts' environments are not there; `python -m tests` makes them"


def provide(say: Callable[[str], None], python: str = sys.executable) -> str:
    """Makes what is missing; returns why that was not possible, or nothing."""
    for kind in KINDS:
        if is_there(kind):
            continue
        say(f"Installing {kind}'s stack for the host tests into {FOLDER / kind} …")
        venv = [python, "-m", "venv", "--clear", str(FOLDER / kind)]
        pip = [str(python_of(kind)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        for command in (venv, [*pip, "--only-binary", ":all:", "-r", str(requirements(kind))]):
            result = subprocess.run(command, capture_output=True, text=True, check=False)
            if result.returncode:
                last = ([line for line in result.stderr.splitlines() if line.strip()] or ["it said nothing"])[-1]
                return f"{kind}'s stack could not be installed: {last}"
        _stamp(kind).write_text(_wanted(kind), encoding="utf-8")
    return ""


def is_there(kind: str) -> bool:
    """Tells whether the environment was made completely, and from today's pins."""
    stamp = _stamp(kind)
    return python_of(kind).exists() and stamp.is_file() and stamp.read_text(encoding="utf-8") == _wanted(kind)


def python_of(kind: str) -> Path:
    """Returns the Python of a host's environment."""
    return FOLDER / kind / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def requirements(kind: str) -> Path:
    """Returns the file of a host's pins."""
    return Path(__file__).with_name(f"{kind}.txt")


def _stamp(kind: str) -> Path:
    return FOLDER / kind / "installed.txt"


def _wanted(kind: str) -> str:
    return f"{FOLDER}\n{requirements(kind).read_text(encoding='utf-8')}"
