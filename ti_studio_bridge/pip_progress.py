"""How far an installation is, read from what pip has written."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

COLLECTING = re.compile(r"\s*Collecting ([\w.-]+)")
LOCAL = re.compile(r"\s*Processing (\S+)")
"""A file of this machine."""
FILE = re.compile(r"\s*(Downloading|Using cached) (\S+) \((\d+(?:\.\d+)?) (bytes|kB|MB)\)")
PROGRESS = re.compile(r"Progress (\d+) of (\d+)")
UNPACKING = re.compile(r"Installing collected packages: (.+)")
MEGABYTES = {"bytes": 1e-6, "kB": 1e-3, "MB": 1.0}
LARGE = 20.0
"""Megabytes from which on a file is worth a count of its own."""


def progress_of(log: str, seconds: float) -> str:
    """Returns how many of how many packages are there, how much was downloaded, and for how long it has been going on.

    Args:
        log: what pip has written so far, in all its runs.
        seconds: the time since the first.
    """
    run = _Run()
    for line in log.splitlines():
        run = run.read(line)
    return " · ".join([*run.parts(), _duration(seconds)])


def is_progress(line: str) -> bool:
    """Tells whether a line is one of the many that only count bytes."""
    return PROGRESS.match(line) is not None


@dataclass
class _Run:
    """One run of pip, after others."""

    before: float = 0.0
    """Megabytes that are downloaded but for the present file."""
    file: str = ""
    size: float = 0.0
    so_far: float | None = None
    """Megabytes of the present file that are there; None until pip says."""
    files: int = 0
    knows_all: bool = False
    """Whether pip looked at all packages' metadata before it fetches the first; not every index lets it."""
    unpacking: int = 0
    packages: set[str] = field(default_factory=set)

    def read(self, line: str) -> _Run:
        """Takes in a line; returns the run that it belongs to."""
        local = LOCAL.match(line)
        if match := local or COLLECTING.match(line):
            run = _Run(self.downloaded) if self.unpacking else self
            run.packages.add(match.group(1))
            run.files += local is not None
            return run
        if named := FILE.match(line):
            self._begin(named.group(2), float(named.group(3)) * MEGABYTES[named.group(4)], named.group(1))
        elif counted := PROGRESS.match(line):
            self.so_far = int(counted.group(1)) / 1e6
        elif listed := UNPACKING.match(line):
            self.unpacking = len(listed.group(1).split(", "))
        return self

    def _begin(self, file: str, size: float, how: str) -> None:
        if file.endswith(".metadata"):
            self.knows_all = not self.files
            return
        self.files += 1
        self.before = self.downloaded
        self.file, self.size, self.so_far = file, size if how == "Downloading" else 0.0, None

    @property
    def downloaded(self) -> float:
        """Megabytes in all."""
        return self.before + (self.size if self.so_far is None or self.unpacking else self.so_far)

    def parts(self) -> list[str]:
        """Returns what is known so far."""
        if self.unpacking:
            return [f"Unpacking {_counted(self.unpacking)}", f"{self.downloaded:.0f} MB downloaded"]
        if not self.files:
            return [f"Looking for packages, {len(self.packages)} found"] if self.packages else []
        so_far = "" if self.knows_all else " found so far"
        parts = [f"Package {self.files} of {len(self.packages)}{so_far}", f"{self.downloaded:.0f} MB downloaded"]
        if self.size >= LARGE:
            of = f"{self.size:.0f} MB" if self.so_far is None else f"{self.so_far:.0f} of {self.size:.0f} MB"
            package = self.file.rpartition("/")[2].partition("-")[0]  # some indexes' files are shown with their address
            parts.insert(1, f"{package}: {of}")
        return parts


def _counted(packages: int) -> str:
    return "1 package" if packages == 1 else f"{packages} packages"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
