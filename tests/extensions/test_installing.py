"""Installers, and extensions from git."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.extensions.conftest import Host
from ti_studio.errors import StudioError
from ti_studio.extensions import launching
from ti_studio.extensions.installing import environment
from ti_studio.extensions.repositories import InstallFailed, NameTaken, clone, version_of

Write = Callable[[str, str], Path]

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


def test_installers_run_with_launch_and_modules_and_those_that_fail_are_named(
    add_samples: Callable[..., None], host: Host, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_samples("broken", "greeter")
    loaded = host()

    loaded.install()

    printed = capsys.readouterr().out
    assert "[greeter] greeter has all it needs" in printed
    assert f"[greeter] extensions are in {data / 'extensions'}" in printed
    assert loaded.boundary.problems("broken")[1:] == ["install.py ended with status 1: <b>nothing</b> can be installed"]
    assert loaded.boundary.problems("greeter") == []


def test_installers_may_not_change_the_studios_own_packages(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_CONSTRAINT", "mine.txt")

    constraints = environment(root)["PIP_CONSTRAINT"].split()

    assert constraints[0] == "mine.txt"
    assert {Path(name).name for name in constraints[1:]} == {
        *("constraints.txt", "requirements.txt", "requirements-torch.txt")
    }


def test_a_packages_name_may_be_pips_or_pythons() -> None:
    assert [launching.is_installed(name) for name in ("Pillow", "PIL", "PIL.Image", "nowhere", "no.where")] == [
        *(True, True, True, False, False)
    ]


def test_a_command_returns_its_output_or_raises_with_it() -> None:
    assert launching.run("echo it works", live=False).strip() == "it works"
    with pytest.raises(RuntimeError, match=r"Could not do: exit 3 ended with status 3"):
        launching.run("exit 3", errdesc="Could not do", live=False)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A git repository with an extension, and a second branch."""
    folder = tmp_path / "far" / "my-extension"
    (folder / "scripts").mkdir(parents=True)
    (folder / "scripts" / "a.py").write_text("")
    who = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org", "-c", "commit.gpgsign=false"]
    for command in (["init", "-qb", "main"], ["add", "."], [*who, "commit", "-qm", "first"], ["branch", "other"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


@needs_git
def test_an_extension_is_got_as_a_whole_and_its_version_known(repository: Path, data: Path) -> None:
    address = repository.as_uri()

    got = clone(address, data / "extensions")
    named = clone(address, data / "extensions", "another", "other")

    assert (got.name, (got / "scripts" / "a.py").is_file(), named.name) == ("my-extension", True, "another")
    version = version_of(got)
    assert (len(version.commit), version.date[:2], version.remote) == (7, "20", address)
    assert version.commit_hash.startswith(version.commit)
    assert (len(version.commit_hash), version.timestamp > 0, version.branch) == (40, True, "main")
    with pytest.raises(NameTaken, match="an extension 'my-extension' already"):
        clone(address, data / "extensions")


@needs_git
@pytest.mark.parametrize(
    ("address", "name", "told"),
    [
        ("ext::sh -c 'touch hacked'", "", "no address"),
        ("--upload-pack=touch hacked", "", "no address"),
        ("/etc", "", "no address"),
        ("javascript:alert(1)", "", "no address"),
        ("file:///no/such/repository", "", "git failed: .*Nothing was changed"),
        ("https://example.org/x.git", "../x", "can't be a folder's name"),
        ("https://example.org/x.git", ".git", "can't be a folder's name"),
        ("https://example.org/..", "", "can't be a folder's name"),
        ("https://example.org/x.git", "<b>", "can't be a folder's name"),
    ],
)
def test_what_is_no_repository_changes_nothing(data: Path, address: str, name: str, told: str) -> None:
    with pytest.raises(InstallFailed, match=told) as caught:
        clone(address, data / "extensions", name)

    assert isinstance(caught.value, StudioError)
    assert os.listdir(data / "extensions") == []


@needs_git
def test_a_branch_is_no_option(repository: Path, data: Path) -> None:
    with pytest.raises(InstallFailed, match="can't be a branch"):
        clone(repository.as_uri(), data / "extensions", branch="--upload-pack=x")


def test_a_folder_in_another_repository_has_no_version(write: Write, root: Path) -> None:
    assert version_of(root / "docs").commit == ""
    assert version_of(write("plain/readme", "").parent).remote == ""
