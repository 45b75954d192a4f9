"""Extensions as git repositories: which version is there, and getting one by its address."""

import os
import re
import shutil
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ti_studio.errors import Conflict, StudioError
from ti_studio.folders import TEMPORARY_PREFIX
from ti_studio.watchdog import long_work

GIT_SECONDS = 10
CLONE_SECONDS = 600
SCHEMES = ("https", "http", "ssh", "git", "file")
SCP_LIKE = re.compile(r"[\w.-]+@[\w.-]+:[^:\s]+")
"""`git@host:owner/repository.git`."""
FOLDER_NAME = re.compile(r"[\w][\w .+-]{0,99}")
BRANCH = re.compile(r"[\w][\w./-]{0,199}")


class InstallFailed(StudioError):
    """An extension could not be got; nothing was changed."""


class NameTaken(Conflict):
    """There is a folder of that name already."""


@dataclass(frozen=True)
class Version:
    """What git says of a folder; empty texts where it has nothing to say."""

    commit: str = ""
    date: str = ""
    remote: str = ""
    commit_hash: str = ""
    timestamp: int = 0
    """When it was committed, in Unix seconds."""
    branch: str = ""


def version_of(folder: Path) -> Version:
    """Returns an extension's version; an empty one where there is no git, or the folder is no repository."""
    if not (folder / ".git").exists() or shutil.which("git") is None:
        return Version()
    commit, date, whole, at = (_ask(folder, "log", "-1", "--format=%h %cs %H %ct").split() or [""] * 4)[:4]
    remote = _without_password(_ask(folder, "config", "--get", "remote.origin.url"))
    return Version(commit, date, remote, whole, int(at or 0), _ask(folder, "branch", "--show-current"))


def clone(address: str, folder: Path, name: str = "", branch: str = "") -> Path:
    """Gets an extension; it is in `folder` as a whole or not at all.

    Args:
        address: of the repository, as `git clone` takes it: https, http, ssh, git or file.
        folder: where extensions are.
        name: its folder's name; empty: the address's last part.
        branch: a branch or tag; empty: the repository's default.

    Returns:
        The extension's folder.

    Raises:
        InstallFailed: the address, name or branch can't be one; git is missing or failed.
        NameTaken: there is an extension of that name.
    """
    if shutil.which("git") is None:
        raise InstallFailed("git is not installed on the server's machine. Put the extension's folder there by hand.")
    target = folder / _folder_name(address, name)
    if branch and not BRANCH.fullmatch(branch):
        raise InstallFailed(f"{branch!r} can't be a branch; expected letters, digits and . / - _.")
    if target.exists():
        raise NameTaken(f"There is an extension {target.name!r} already.")
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}"
    options = ["--branch", branch] if branch else []
    try:
        _run(["clone", "--quiet", *options, "--", address, str(temporary)], CLONE_SECONDS)
        os.rename(temporary, target)
    except OSError as error:
        raise InstallFailed(f"{address} could not be got: {error}. Nothing was changed.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target


def _folder_name(address: str, name: str) -> str:
    """Returns the name of the folder.

    Raises:
        InstallFailed: the address is none that git should be given, or the name can't be a folder's.
    """
    if not SCP_LIKE.fullmatch(address) and not (urlsplit(address).scheme in SCHEMES and "::" not in address):
        raise InstallFailed(f"{address!r} is no address of a repository; expected one that begins with https://.")
    name = name or re.split(r"[/:]", address.rstrip("/"))[-1].removesuffix(".git")
    if not FOLDER_NAME.fullmatch(name) or name.endswith((" ", ".")):
        raise InstallFailed(f"{name!r} can't be a folder's name here; expected letters, digits, spaces and . + - _.")
    return name


def _run(arguments: list[str], seconds: int) -> str:
    """Runs git, which must ask nobody for a password, and start nothing that an address or a repository names."""
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "", "GIT_ALLOW_PROTOCOL": ":".join(SCHEMES)}
    try:
        with long_work():  # no longer than it says
            result = subprocess.run(
                ["git", "-c", "core.fsmonitor=false", "-c", "log.showSignature=false", *arguments],
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=seconds,
                check=False,
            )
    except subprocess.TimeoutExpired as error:
        raise InstallFailed(f"git took longer than {seconds} s and was ended. Nothing was changed.") from error
    if result.returncode:
        lines = result.stderr.strip().splitlines()
        raise InstallFailed(
            f"git failed: {lines[-1] if lines else f'status {result.returncode}'}. Nothing was changed."
        )
    return result.stdout.strip()


def _ask(folder: Path, *question: str) -> str:
    try:
        return _run(["-C", str(folder), *question], GIT_SECONDS)
    except InstallFailed:  # no commit yet, no remote, or another user's folder
        return ""


def _without_password(address: str) -> str:
    return re.sub(r"(?<=://)[^/@]*@", "", address)
