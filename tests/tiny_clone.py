"""A repository like ours, with a tiny studio and an index of tiny packages: its set-up runs for real in seconds."""

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COPIED = (
    "install.py",
    "launch.py",
    "modules/ti_studio/__init__.py",
    "modules/ti_studio/server_options.py",
    "ti_studio_bridge/__init__.py",
    "ti_studio_bridge/shared_torch.py",
    "ti_studio_bridge/torch_build.py",
)
STUDIO = "import json, sys; print(json.dumps({'arguments': sys.argv[1:], 'prefix': sys.prefix}))\n"
BACKEND = """
from pathlib import Path
import wheels

def build_editable(folder, config_settings=None, metadata_directory=None):
    source = str(Path(__file__).parent / "modules")
    return wheels.write(Path(folder), "ti_studio", "0.1.0", {"ti_studio.pth": source}).name
"""


def write_wheel(folder: Path, name: str, version: str, files: Mapping[str, str]) -> Path:
    """Writes a wheel of text files into `folder` and returns its path."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    contents = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{file},,\n" for file in [*contents, f"{info}/RECORD"])
    with zipfile.ZipFile(path, "w") as wheel:
        for file, text in {**contents, f"{info}/RECORD": record}.items():
            wheel.writestr(file, text)
    return path


@dataclass(frozen=True)
class TinyClone:
    """The repository's folder, and what can be done there as a user does it."""

    folder: Path

    @property
    def site_packages(self) -> Path:
        """Where the environment's packages are."""
        return next(self.folder.glob(".venv/[Ll]ib*/**/site-packages"))

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Runs a Python program of the repository with only its own index in reach."""
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=self.environment(**environment),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def environment(self, **changes: str) -> dict[str, str]:
        """Returns an environment in which pip knows this clone's index alone."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "TORCH_"))}
        index = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.folder / "index")}
        return {**inherited, **index, "PYTHONDONTWRITEBYTECODE": "1", **changes}


def make(folder: Path) -> TinyClone:
    """Makes the repository and its index."""
    for name in COPIED:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    texts = {
        "modules/ti_studio/__main__.py": STUDIO,
        "requirements-torch.txt": "torch==2.13.0\n",
        "requirements.txt": "brush==1.0\n",
        "requirements-dev.txt": "easel==1.0\n",
        "constraints.txt": "bristle==1.0\n",
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
        "backend.py": BACKEND,
        "wheels.py": Path(__file__).read_text(encoding="utf-8").replace("def write_wheel", "def write"),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "index").mkdir()
    for package, version in (("torch", "2.13.0"), ("torch", "2.12.0"), ("brush", "1.0"), ("easel", "1.0")):
        write_wheel(folder / "index", package, version, {f"{package}/__init__.py": f"version = {version!r}\n"})
    return TinyClone(folder)
