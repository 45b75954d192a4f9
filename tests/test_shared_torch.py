"""Inside a WebUI the studio uses that WebUI's torch, and nothing else of it; with tiny packages and a real set-up."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import tiny_clone

# As torch 2.6 asks for sympy and 2.12 for setuptools: neither is what the studio pins.
REQUIRES = ("nvidia-cublas==13.0", "easel (==0.9) ; python_version >= '3.9'", "brush<0.5", "frame; extra == 'frame'")


class TinyWebUI:
    """A WebUI's environment with torch and one more package, and the repository among its extensions."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "modules").mkdir(parents=True)
        (folder / "modules" / "script_callbacks.py").touch()
        self.clone = tiny_clone.make(folder / "extensions" / "studio")
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
        self.site = next(folder.glob("venv/[Ll]ib*/**/site-packages"))

    def put(self, package: str, version: str) -> None:
        """Installs a package into the WebUI's environment, in place of another release."""
        for old in self.site.glob(f"{package}-*.dist-info"):
            (old / "METADATA").unlink()
            old.rmdir()
        (self.site / package).mkdir(exist_ok=True)
        (self.site / package / "__init__.py").write_text(f"version = {version!r}\n", encoding="utf-8")
        information = self.site / f"{package}-{version}.dist-info"
        information.mkdir()
        requires = "".join(f"Requires-Dist: {line}\n" for line in REQUIRES if package == "torch")
        (information / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n{requires}\n", encoding="utf-8"
        )

    def install(self, **environment: str) -> "subprocess.CompletedProcess[str]":
        """Runs the extension's installer in the WebUI's Python."""
        python = (
            self.site.parents[2] / "bin" / "python"
            if sys.platform != "win32"
            else self.site.parents[1] / "Scripts/python"
        )
        return subprocess.run(
            [python, "install.py"],
            cwd=self.clone.folder,
            env=self.clone.environment(**environment),
            capture_output=True,
            text=True,
            check=False,
        )

    def seen(self, package: str) -> str:
        """Returns which release of a package the studio's environment imports and knows of; empty for none."""
        python = self.clone.folder / ".venv" / ("Scripts/python" if sys.platform == "win32" else "bin/python")
        code = f"import {package}, importlib.metadata as m; print({package}.version, m.version('{package}'))"
        return subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=False).stdout.strip()


@pytest.fixture(scope="module")
def webui(tmp_path_factory: pytest.TempPathFactory) -> TinyWebUI:
    """A WebUI with torch 2.9 and a package that the studio must not see, the studio installed in it."""
    made = TinyWebUI(tmp_path_factory.mktemp("webui") / "webui")
    made.put("torch", "2.9.0+cu130")
    made.put("xformers", "0.1")
    result = made.install()
    assert result.returncode == 0, result.stderr
    assert "Using the WebUI's torch 2.9.0+cu130." in result.stdout
    return made


def test_torch_is_the_webuis_with_what_it_requires_and_nothing_else_of_the_webuis_is_seen(webui: TinyWebUI) -> None:
    assert webui.seen("torch") == "2.9.0+cu130 2.9.0+cu130"
    assert webui.seen("easel") == "1.0 1.0"
    assert webui.seen("xformers") == ""
    assert webui.install().stdout == ""


def test_a_webui_whose_torch_was_replaced_is_linked_again_and_one_that_is_too_old_is_not_shared(
    webui: TinyWebUI,
) -> None:
    webui.put("torch", "2.10.0")
    assert "Using the WebUI's torch 2.10.0." in webui.install().stdout
    assert webui.seen("torch") == "2.10.0 2.10.0"

    webui.put("torch", "2.1.2")
    result = webui.install()
    assert "The WebUI's torch 2.1.2 is too old to be shared; the studio needs 2.6 or newer." in result.stdout
    assert "Installing torch 2.13.0" in result.stdout
    assert webui.seen("torch") == "2.13.0 2.13.0"


def test_the_command_that_installs_torch_is_not_the_webuis(webui: TinyWebUI) -> None:
    webui.put("torch", "2.1.2")
    shutil.rmtree(webui.clone.folder / ".venv")
    result = webui.install(TORCH_COMMAND="false", TI_STUDIO_TORCH_COMMAND="pip install --quiet torch==2.12.0")

    assert "Installing torch by TI_STUDIO_TORCH_COMMAND: " in result.stdout
    assert webui.seen("torch") == "2.12.0 2.12.0"


def test_a_webui_that_starts_is_not_kept_waiting(tmp_path: Path) -> None:
    webui = TinyWebUI(tmp_path / "webui")
    result = webui.install(PYTHONPATH=str(webui.folder))

    assert result.returncode == 0, result.stderr
    assert "makes an environment of its own in" in result.stdout
    assert not (webui.clone.folder / ".venv").exists()
