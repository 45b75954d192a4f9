"""`launch`: what extensions' `install.py` call to install what they need.

It is a module of that name only in the processes that run extensions; the repository's own `launch.py` is another
thing.
"""

import importlib.metadata
import importlib.util
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence


def is_installed(package: str) -> bool:
    """Returns whether a package, by the name that pip or that Python knows it by, is there."""
    try:
        importlib.metadata.distribution(package)
    except (importlib.metadata.PackageNotFoundError, ValueError):
        try:
            return importlib.util.find_spec(package) is not None
        except (ModuleNotFoundError, ValueError):
            return False
    return True


def run(
    command: str | Sequence[str],
    desc: str | None = None,
    errdesc: str | None = None,
    custom_env: Mapping[str, str] | None = None,
    live: bool = True,
) -> str:
    """Runs a command, one string in the shell's syntax as A1111's extensions give it, or a list.

    Args:
        command: the command.
        desc: is printed before it runs.
        errdesc: begins the error's message.
        custom_env: its environment instead of this process's.
        live: whether its output is shown while it runs; otherwise it is returned.

    Raises:
        RuntimeError: it ended with another status than 0.
    """
    if desc:
        _say(desc)
    result = subprocess.run(
        command,
        shell=isinstance(command, str),
        env=dict(custom_env) if custom_env is not None else None,
        stdout=None if live else subprocess.PIPE,
        stderr=None if live else subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if result.returncode:
        shown = command if isinstance(command, str) else shlex.join(command)
        raise RuntimeError(
            f"{errdesc or 'A command failed'}: {shown} ended with status {result.returncode}.\n{result.stdout or ''}"
        )
    return result.stdout or ""


def run_pip(command: str, desc: str | None = None, live: bool = False) -> str:
    """Runs the studio's pip: `run_pip("install thing==1.2", "the thing")`.

    Raises:
        RuntimeError: pip failed.
    """
    words = shlex.split(command, posix=os.name != "nt")
    pip = [sys.executable, "-m", "pip", *(word.strip('"') for word in words), "--prefer-binary"]
    return run(
        [*pip, "--disable-pip-version-check"],
        desc=f"Installing {desc}" if desc else None,
        errdesc=f"Could not install {desc}" if desc else None,
        live=live,
    )


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
