"""Where the browser for the browser tests comes from, with a shell script in the place of apt-get."""

import os
from pathlib import Path

import pytest

from tests import chromium

pytestmark = pytest.mark.skipif(os.name == "nt", reason="apt-get is Debian's")

APT_GET = """#!/bin/sh
echo "$@" >> {folder}/apt-get.log
case "$*" in *install*) {install};; esac
"""
PUT_CHROMIUM = "printf '#!/bin/sh' > {folder}/chromium; /bin/chmod +x {folder}/chromium"


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on the PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def give_apt_get(folder: Path, install: str) -> None:
    script = folder / "apt-get"
    script.write_text(APT_GET.format(folder=folder, install=install.format(folder=folder)))
    script.chmod(0o755)


def be(monkeypatch: pytest.MonkeyPatch, user: int) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)


def test_root_gets_chromium_through_apt(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    give_apt_get(path, PUT_CHROMIUM)
    be(monkeypatch, 0)
    said: list[str] = []

    problem = chromium.provide(said.append)

    assert problem == ""
    assert said == ["Installing Chromium for the browser tests (apt-get) …"]
    assert chromium.find() == str(path / "chromium")
    log = (path / "apt-get.log").read_text().splitlines()
    assert log == ["-q update", "-q install -y --no-install-recommends chromium"]


def test_a_browser_that_is_there_is_used_and_nothing_is_installed(path: Path) -> None:
    (path / "google-chrome").write_text("")
    (path / "google-chrome").chmod(0o755)
    said: list[str] = []

    assert chromium.provide(said.append) == ""
    assert said == []


def test_an_apt_get_that_fails_is_the_reason(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    give_apt_get(path, "exit 100")
    be(monkeypatch, 0)

    assert chromium.provide(str) == "apt-get install -y --no-install-recommends chromium ended with status 100."


def test_who_is_not_root_is_told_the_command(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    give_apt_get(path, PUT_CHROMIUM)
    be(monkeypatch, 1000)

    assert chromium.provide(str).endswith("; install it with: sudo apt-get install chromium")
    assert not (path / "apt-get.log").exists()


def test_without_apt_the_reason_says_what_was_looked_for(path: Path) -> None:
    problem = chromium.provide(str)

    assert problem.startswith("no browser on the PATH (looked for chromium, ")
    assert problem.endswith("); install Chromium or Chrome.")
