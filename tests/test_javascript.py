"""The unit tests of the page's JavaScript, and its linter and types."""

import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TESTS = sorted((ROOT / "tests" / "javascript").glob("*.test.mjs"))
LEAST_NODE = 18


def node() -> str:
    """Returns the program of Node.js: the one in the PATH, or else Playwright's. Skips the test where there is none."""
    candidates = [shutil.which("node")]
    playwright = find_spec("playwright")
    if playwright and playwright.origin:
        candidates.append(shutil.which("node", path=str(Path(playwright.origin).parent / "driver")))
    for candidate in candidates:
        if candidate and _major_version(candidate) >= LEAST_NODE:
            return candidate
    pytest.skip(f"there is no Node.js {LEAST_NODE} or newer")


def _major_version(program: str) -> int:
    try:
        answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return 0
    version = re.match(r"v(\d+)", answer)
    return int(version[1]) if version else 0


def tool(name: str) -> str:
    """Returns the path of a program that `npm ci` installs. Skips the test where it is missing."""
    path = shutil.which(name, path=str(ROOT / "node_modules" / ".bin"))
    if path is None:
        pytest.skip(f"{name} is not installed: run npm ci in {ROOT}")
    return path


def output_of(*command: str) -> str:
    """Returns what a command wrote; fails the test with it if the command failed."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", timeout=120, check=False)
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    return output


def test_the_unit_tests_of_the_javascript_pass() -> None:
    assert TESTS

    output = output_of(node(), "--test", "--test-reporter=tap", *map(str, TESTS))

    passed = re.search(r"^# pass (\d+)$", output, re.MULTILINE)
    assert passed and int(passed[1]) >= len(TESTS)


def test_the_linter_finds_nothing_in_the_javascript() -> None:
    output_of(tool("biome"), "ci", "--error-on-warnings")


def test_the_types_of_the_javascript_fit() -> None:
    output_of(tool("tsc"))
