"""Finds the browser for the browser tests, and installs it where that is possible. Standard library only."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable

PROBLEM = "TI_STUDIO_BROWSER_PROBLEM"
"""The environment variable in which `python -m tests` says why there is no browser."""
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MISSING = f"no browser on the PATH (looked for {', '.join(NAMES)})"


def find() -> str | None:
    """Returns the path of an installed Chromium or Chrome."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def provide(say: Callable[[str], None]) -> str:
    """Installs Chromium with apt where it is missing and that is possible; returns why there is none, or nothing."""
    if find():
        return ""
    if not shutil.which("apt-get"):
        return f"{MISSING}; install Chromium or Chrome."
    if os.geteuid() != 0:
        return f"{MISSING}; install it with: sudo apt-get install chromium"
    say("Installing Chromium for the browser tests (apt-get) …")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update"], ["install", "-y", "--no-install-recommends", "chromium"]):
        status = subprocess.run(["apt-get", "-q", *arguments], env=quiet, check=False).returncode
        if status:
            return f"apt-get {' '.join(arguments)} ended with status {status}."
    return "" if find() else f"apt-get installed Chromium, but {MISSING}."
