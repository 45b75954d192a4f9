"""Lets the studio's environment use the torch of the WebUI that it lives in, and nothing else that is installed there.

Torch is gigabytes, and all that a WebUI has of use to the studio; its other packages are of other releases. So only
torch's own names are found in the WebUI's folder, by a finder in the studio's environment, and pip is told that torch
is there. Standard library only: `install.py` uses this.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

OLDEST = (2, 6)
"""What transformers takes."""
NAMES = ("torch", "torchgen", "functorch", "triton", "nvidia", "cuda")
"""The top-level packages of torch and of the libraries it is built on."""
NOT_REQUIRED = re.compile(r"Requires-Dist:\s*(nvidia|cuda|triton|pytorch-triton)", re.IGNORECASE)
"""They come with the WebUI's torch; the rest of what torch requires is installed."""
RELEASES = re.compile(r"^(Requires-Dist:\s*[\w.-]+)[^;]*", re.IGNORECASE)
"""A requirement with the releases that it asks for. The studio's own pins take their place: of torch 2.6 sympy had to
be 1.13.1 to the digit, and of 2.11 and 2.12 setuptools older than 82, which pip would refuse beside those pins.
"""
FINDER_MODULE = "ti_studio_shared_torch"
FINDER = '''"""Finds the torch that this environment shares; written by Textual Inversion Studio's install.py."""

import importlib.machinery
import sys


class SharedTorch:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if path is None and name in {names!r}:
            return importlib.machinery.PathFinder.find_spec(name, [{site!r}], target)
        return None


sys.meta_path.append(SharedTorch)
'''


@dataclass(frozen=True)
class Torch:
    """A torch that is installed somewhere."""

    version: str
    site: str
    """The folder that holds `torch/` and `torch-<version>.dist-info/`."""

    @property
    def information(self) -> Path:
        """The folder of its metadata."""
        return Path(self.site) / f"torch-{self.version}.dist-info"

    @property
    def is_there(self) -> bool:
        """Whether it is still what it was."""
        return self.information.is_dir() and (Path(self.site) / "torch" / "__init__.py").is_file()

    @property
    def fits(self) -> bool:
        """Whether the studio runs on it."""
        numbers = re.match(r"(\d+)\.(\d+)", self.version)
        return self.is_there and numbers is not None and tuple(map(int, numbers.groups())) >= OLDEST


def is_extension(root: Path) -> bool:
    """Tells whether a folder lies in the `extensions/` of a WebUI."""
    return (root.parent.parent / "modules" / "script_callbacks.py").is_file()


def torch_of_this_python() -> Torch | None:
    """Returns the torch of the Python that runs this, if it has one."""
    torch = next(iter(importlib.metadata.distributions(name="torch")), None)
    return Torch(torch.version, str(Path(str(torch.locate_file(""))).resolve())) if torch is not None else None


def link(environment: Path, torch: Torch) -> None:
    """Makes an environment of the same Python find a torch elsewhere."""
    unlink(environment)
    site = _site_packages(environment)
    information = site / torch.information.name
    information.mkdir()
    lines = (torch.information / "METADATA").read_text(encoding="utf-8").splitlines()
    kept = [RELEASES.sub(r"\1 ", line) for line in lines if not NOT_REQUIRED.match(line)]
    texts = {"METADATA": "\n".join(kept), "INSTALLER": "textual-inversion-studio", "RECORD": ""}
    texts["RECORD"] = "".join(f"{information.name}/{name},,\n" for name in texts)
    for name, text in texts.items():
        (information / name).write_text(text, encoding="utf-8")
    (site / f"{FINDER_MODULE}.py").write_text(FINDER.format(names=NAMES, site=torch.site), encoding="utf-8")
    (site / f"{FINDER_MODULE}.pth").write_text(f"import {FINDER_MODULE}\n", encoding="utf-8")
    _note(environment).write_text(json.dumps({"version": torch.version, "site": torch.site}), encoding="utf-8")


def linked(environment: Path) -> Torch | None:
    """Returns the torch that an environment shares, which may be gone; None for one that has its own."""
    note = _note(environment)
    return Torch(**json.loads(note.read_text(encoding="utf-8"))) if note.is_file() else None


def unlink(environment: Path) -> None:
    """Makes an environment share no torch any more."""
    torch = linked(environment)
    if torch is None:
        return
    site = _site_packages(environment)
    shutil.rmtree(site / torch.information.name, ignore_errors=True)
    for ending in ("py", "pth"):
        (site / f"{FINDER_MODULE}.{ending}").unlink(missing_ok=True)
    _note(environment).unlink()


def _note(environment: Path) -> Path:
    return environment / "shared-torch.json"


def _site_packages(environment: Path) -> Path:
    name = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    return environment / ("Lib/site-packages" if sys.platform == "win32" else f"lib/{name}/site-packages")
