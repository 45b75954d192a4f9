"""Starts Textual Inversion Studio: `python launch.py`. The first start installs everything into `.venv`.

Standard library only, and in a syntax that a Python which is too old still reads, so that it can say so.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence

import install


def main() -> int:
    """Reads the flags, installs what is missing, and becomes the server."""
    status = install.reported(lambda: install.require_python(sys.version_info[:2]))
    if status:
        return status
    options, for_server = parse(sys.argv[1:])
    status = install.reported(lambda: install.install(reinstall_torch=options.reinstall_torch))
    if status:
        return status
    install.say("Starting Textual Inversion Studio …")
    return become([str(install.OWN_VENV.python), "-m", "ti_studio", "serve", *for_server])


def parse(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Checks the server's flags before anything is installed; returns launch.py's own and what the server is given."""
    sys.path.insert(0, str(install.ROOT / "modules"))
    from ti_studio.server_options import add_server_options  # noqa: PLC0415 - its syntax needs a checked Python

    own = argparse.ArgumentParser(add_help=False)
    group = own.add_argument_group("installation")
    group.add_argument("--reinstall-torch", action="store_true", help="install torch anew, by TORCH_COMMAND")

    everything = argparse.ArgumentParser(
        description="Starts Textual Inversion Studio. The first start installs everything into .venv.",
        epilog="TORCH_COMMAND in the environment replaces the command that installs torch.",
        parents=[own],
    )
    add_server_options(everything)
    everything.parse_known_args(arguments)  # flags that it does not know are the server's to judge
    return own.parse_known_args(arguments)


def become(command: Sequence[str]) -> int:
    """Replaces this process by the command, so that a signal reaches the server; on Windows runs it and waits."""
    if os.name != "nt":
        os.execv(command[0], list(command))
    with subprocess.Popen(command) as process:
        while process.poll() is None:
            try:
                process.wait()
            except KeyboardInterrupt:
                continue  # the server has had it too, and is closing down
    return process.returncode


if __name__ == "__main__":
    sys.exit(main())
