"""Sets up what the tests need and runs them: `python -m tests [pytest's arguments]`.

Any Python from 3.10 will do; the tests run in `.venv`, which is made here if there is none. Standard library only.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import install  # noqa: E402
from tests import chromium  # noqa: E402
from tests.hosts import environments as hosts  # noqa: E402


def main(arguments: Sequence[str]) -> int:
    """Installs what is missing, runs pytest in the environment, and returns its exit status."""
    status = install.reported(lambda: install.install(dev=True))
    if status:
        return status
    problem = chromium.provide(install.say)
    if problem:
        install.say(f"Browser tests will be skipped: {problem}")
    hosts_problem = hosts.provide(install.say, str(install.OWN_VENV.python))
    if hosts_problem:
        install.say(f"Host tests will be skipped: {hosts_problem}")
    command = [str(install.OWN_VENV.python), "-m", "pytest", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment(problem, hosts_problem), check=False).returncode


def environment(browser_problem: str, hosts_problem: str) -> dict[str, str]:
    """Returns this process's environment with what keeps the tests quick, repeatable and off the network."""
    threads = str(min(2, os.cpu_count() or 1))
    defaults = {
        "OMP_NUM_THREADS": threads,  # the tests start servers and trainers beside themselves
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
        "GRADIO_ANALYTICS_ENABLED": "False",
        chromium.PROBLEM: browser_problem,
        hosts.PROBLEM: hosts_problem,
    }
    return {**defaults, **os.environ}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
