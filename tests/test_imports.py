"""Importing is not running: what importing the package must not do, and what it must not pull in."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

MODULES = Path(__file__).resolve().parents[1] / "modules"
NAMES = sorted(
    ".".join(path.relative_to(MODULES).with_suffix("").parts).removesuffix(".__init__")
    for path in (MODULES / "ti_studio").rglob("*.py")
    if path.name != "__main__.py"  # importing that one is running it
)
WEB = tuple(name for name in NAMES if name.startswith("ti_studio.web"))
BELOW_WEB = tuple(name for name in NAMES if name not in WEB)
WITHOUT_TORCH = (
    "ti_studio.errors",
    "ti_studio.folders",
    "ti_studio.server_options",
    "ti_studio.prompts.composable",
    "ti_studio.prompts.schedule",
    "ti_studio.prompts.grammar",
    "ti_studio.prompts.tags",
    "ti_studio.jobs.name_lock",
    "ti_studio.training.configuration_warnings",
    "ti_studio.training.config.concept",
    "ti_studio.training.config.request",
    "ti_studio.training.config.learning_rate",
    "ti_studio.training.config.preset_kinds",
    "ti_studio.training.config.published_presets",
    "ti_studio.training.config.recommended_training",
    "ti_studio.training.config.presets",
    "ti_studio.prompts.parser",
    "ti_studio.generation.request",
)

# Imports what it is given, and reports what our own modules did meanwhile and what was loaded after each. What a
# library does while it is imported is its own affair: between that and our frame stands a frame of the import system.
PROBE = """
import importlib, json, os, sys, threading

OURS = os.path.join("modules", "ti_studio") + os.sep
NEVER = {"socket.__new__", "socket.connect", "socket.bind", "socket.getaddrinfo", "subprocess.Popen", "os.system",
         "os.posix_spawn", "os.fork", "os.mkdir", "os.rename", "os.remove", "os.putenv"}
done = []

def who():
    frame = sys._getframe(2)
    while frame and "importlib._bootstrap" not in frame.f_code.co_filename:
        if OURS in frame.f_code.co_filename:
            return f"{frame.f_code.co_filename}:{frame.f_lineno}"
        frame = frame.f_back

def watch(event, arguments):
    writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    if (writes or event in NEVER) and who():
        done.append(f"{who()} {event} {arguments[:1]}")

def start(thread, start=threading.Thread.start):  # not every Python audits this
    if who():
        done.append(f"{who()} starts a thread")
    start(thread)

threading.Thread.start = start
sys.addaudithook(watch)
packages = {}
for name in sys.argv[1:]:
    importlib.import_module(name)
    packages[name] = sorted({module.partition(".")[0] for module in sys.modules})
torch = sys.modules.get("torch")
print(json.dumps({"done": done, "cuda": bool(torch and torch.cuda.is_initialized()), "packages": packages}))
"""


@cache
def imported(*names: str, path: Path = MODULES) -> dict[str, Any]:
    """Imports modules in a fresh Python and returns what that did."""
    command = [sys.executable, "-B", "-c", PROBE, *names]
    result = subprocess.run(command, cwd=path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    report: dict[str, Any] = json.loads(result.stdout)
    return report


def test_importing_any_module_opens_nothing_writes_nothing_and_starts_nothing() -> None:
    report = imported(*BELOW_WEB, *WEB)

    assert report["done"] == []
    assert report["cuda"] is False


def test_only_the_web_layer_imports_gradio_and_fastapi() -> None:
    report = imported(*BELOW_WEB, *WEB)

    assert {"gradio", "fastapi", "starlette", "uvicorn"} & set(report["packages"][BELOW_WEB[-1]]) == set()


def test_requests_and_grammars_import_no_torch() -> None:
    report = imported(*WITHOUT_TORCH)

    heavy = {"torch", "diffusers", "transformers", "numpy", "gradio"}
    assert {name: heavy & set(packages) for name, packages in report["packages"].items() if heavy & set(packages)} == {}


def test_the_flags_import_the_standard_library_alone() -> None:
    before, after = imported("json", "ti_studio.server_options")["packages"].values()

    assert set(after) - set(before) - sys.stdlib_module_names == {"ti_studio"}


@pytest.mark.parametrize(
    "bad",
    [
        "open('note.txt', 'w').close()",
        "import pathlib; pathlib.Path('made').mkdir()",
        "import socket; socket.socket()",
        "import threading; threading.Thread(target=int).start()",
        "import os; os.environ['X'] = '1'",
        "import subprocess, sys; subprocess.run([sys.executable, '-c', ''])",
    ],
)
def test_the_probe_sees_a_module_that_does_something(bad: str, tmp_path: Path) -> None:
    package = tmp_path / "modules" / "ti_studio"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(bad)

    report = imported("ti_studio", path=package.parent)

    assert report["done"]
