"""What the linters look at."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("modules", "scripts", "tests", "ti_studio_bridge", "tools")


def test_ruff_looks_at_every_python_file() -> None:
    listed = subprocess.run(
        [Path(sys.executable).with_name("ruff"), "check", "--show-files", "."],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip

    there = {str(path) for folder in SOURCES for path in (ROOT / folder).rglob("*.py")}

    assert there
    assert there <= set(listed.stdout.splitlines())
