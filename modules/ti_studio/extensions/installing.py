"""Runs extensions' `install.py`, each in a process of its own: `python -m ti_studio.extensions.installing FILE DATA`.

The process finds `launch` and `modules.…` as A1111's installers expect them. Its pip may add packages and not change
those that the studio itself needs: its requirements are pip's constraints.
"""

import os
import runpy
import subprocess
import sys
from collections import deque
from collections.abc import Iterable
from pathlib import Path

from ti_studio.extensions.a1111 import Offer, offered
from ti_studio.extensions.boundary import Boundary
from ti_studio.extensions.callbacks import Callbacks
from ti_studio.extensions.discovery import Extension
from ti_studio.extensions.flags import command_line_options
from ti_studio.extensions.options import Options
from ti_studio.extensions.state import State
from ti_studio.folders import repository_root
from ti_studio.server_options import ServerOptions

FILE = "install.py"
CONSTRAINTS = ("constraints.txt", "requirements.txt", "requirements-torch.txt")
LAST_LINES = 5


def run_installers(extensions: Iterable[Extension], data: Path, boundary: Boundary) -> None:
    """Runs extensions' installers, their output shown, and notes those that fail.

    Args:
        extensions: those to be loaded; those without an installer are passed over.
        data: the data folder.
        boundary: keeps the notes.
    """
    for extension in extensions:
        installer = extension.folder / FILE
        if installer.is_file() and (problem := run_installer(extension, installer, data)):
            boundary.note(extension.name, problem)


def run_installer(extension: Extension, installer: Path, data: Path) -> str:
    """Runs an extension's installer and returns what is wrong with it; empty if nothing is."""
    root = repository_root()
    command = [sys.executable, "-m", "ti_studio.extensions.installing", str(installer), str(data)]
    last: deque[str] = deque(maxlen=LAST_LINES)
    with subprocess.Popen(
        command,
        cwd=root,
        env=environment(root),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    ) as process:
        for line in process.stdout or ():
            sys.stdout.write(f"[{extension.name}] {line}")
            last.append(line.strip())
        sys.stdout.flush()
    if process.returncode == 0:
        return ""
    return f"{FILE} ended with status {process.returncode}: {' / '.join(line for line in last if line)}"


def environment(root: Path) -> dict[str, str]:
    """Returns what an installer's process is told by its environment."""
    paths = [str(root / "modules"), os.environ.get("PYTHONPATH", "")]
    constraints = [str(root / name) for name in CONSTRAINTS if (root / name).is_file()]
    given = os.environ.get("PIP_CONSTRAINT", "").split()
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
        "PYTHONIOENCODING": "utf-8",
        "PIP_CONSTRAINT": " ".join(Path(name).as_uri() if " " in name else name for name in (*given, *constraints)),
    }


def main(arguments: list[str]) -> None:
    """Runs an installer in this process."""
    installer, data = Path(arguments[0]), Path(arguments[1])
    boundary = Boundary()
    offer = Offer(
        data=data,
        boundary=boundary,
        callbacks=Callbacks(boundary),
        options=Options(data / "config.json", boundary),
        state=State(),
        cmd_opts=command_line_options(ServerOptions(data_dir=data)),
    )
    sys.argv = [str(installer)]
    sys.path.insert(0, str(installer.parent))
    with offered(offer):
        runpy.run_path(str(installer), run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
