"""Installs what Textual Inversion Studio needs into `.venv` beside this file: `python install.py [--dev]`.

Running it again does no harm: what is there is left alone, and an interrupted installation is continued.
Standard library only, and in a syntax that a Python which is too old still reads, so that it can say so.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib.util
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ti_studio_bridge import shared_torch, torch_build

ROOT = Path(__file__).resolve().parent
OLDEST_PYTHON = (3, 10)
PIP = "26.3"
PIP_THAT_COUNTS = (24, 1)
"""It tells a file how much it has downloaded, as the tab of a WebUI shows it; older ones tell a terminal alone."""
INTERRUPTED = (-signal.SIGINT, 130)
"""How a command ends that Ctrl+C has stopped: by the signal, or by the status that shells give it."""
CANCELLED = ("KeyboardInterrupt", "Operation cancelled by user")
"""What Python and pip write last then; pip ends with the status of any other failure."""
STUDIO, TOOLS = "studio", "test tools"
FILES = {
    STUDIO: ("requirements-torch.txt", "requirements.txt", "constraints.txt", "pyproject.toml"),
    TOOLS: ("requirements-dev.txt", "constraints.txt"),
}
TORCH_COMMAND = "TORCH_COMMAND"
OWN_TORCH_COMMAND = "TI_STUDIO_TORCH_COMMAND"
"""In a WebUI's extensions, where TORCH_COMMAND is the WebUI's and names its own torch."""
# pip's own last line is often "No matching distribution found", whatever the reason was; these lines tell more.
KNOWN_FAILURES = (
    ("No space left on device", "The disk is full: make room (about 2 GB on CPU, 8 GB with CUDA)."),
    ("Failed to establish a new connection", "The package index can't be reached: check the network."),
    ("Temporary failure in name resolution", "The package index can't be reached: check the network."),
    ("NameResolutionError", "The package index can't be reached: check the network."),
    ("ProxyError", "The proxy refused: check HTTPS_PROXY."),
    ("CERTIFICATE_VERIFY_FAILED", "The index's certificate is not trusted here: set PIP_CERT to your network's own."),
    ("No matching distribution found", "The index has no such package for this Python and system."),
)


class InstallError(Exception):
    """The installation can't go on. The message says what happened and what to do about it."""


@dataclass(frozen=True)
class Venv:
    """A virtual environment, which may not exist yet. Looking at it starts no process."""

    folder: Path

    @property
    def python(self) -> Path:
        """The environment's Python."""
        return self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    @property
    def exists(self) -> bool:
        """Whether there is an environment whose Python is still on this machine."""
        return self.python.exists() and bool(self.version)

    @property
    def version(self) -> str:
        """The environment's Python version as `3.11.7`, empty where there is none."""
        config = self.folder / "pyvenv.cfg"
        lines = config.read_text(encoding="utf-8").splitlines() if config.is_file() else []
        versions = [line.partition("=")[2].strip() for line in lines if line.lower().startswith("version")]
        return versions[0] if versions else ""

    @property
    def pip_version(self) -> tuple[int, ...]:
        """The environment's pip as `(26, 3)`, empty where there is none."""
        pip = next(self.folder.glob("[Ll]ib*/**/site-packages/pip-*.dist-info"), None)
        numbers = pip.name[len("pip-") : -len(".dist-info")].split(".") if pip else []
        return tuple(int(number) for number in numbers[:2] if number.isdecimal())

    def stamp_file(self, part: str) -> Path:
        """Where it is noted that `part` was installed completely."""
        return self.folder / f"{part.replace(' ', '-')}.installed"


OWN_VENV = Venv(ROOT / ".venv")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit status."""
    parser = argparse.ArgumentParser(description="Makes .venv or brings it up to date. Running it again does no harm.")
    parser.add_argument("--dev", action="store_true", help="install the test tools and linters too")
    parser.add_argument("--reinstall-torch", action="store_true", help="install torch anew, by TORCH_COMMAND")
    options = parser.parse_args(arguments)
    if called_by_a_webui():
        if needed():
            say(
                f"Textual Inversion Studio makes an environment of its own in {OWN_VENV.folder}; its tab shows how far."
            )
        return 0
    return reported(lambda: install(dev=options.dev, reinstall_torch=options.reinstall_torch))


def called_by_a_webui() -> bool:
    """Tells whether A1111, Forge or reForge has called this while it starts.

    They wait for every extension's installer, and show nothing meanwhile; `ti_studio_bridge` runs it in the background.
    """
    first = os.environ.get("PYTHONPATH", "").split(os.pathsep)[0]
    return bool(first) and (Path(first) / "modules" / "script_callbacks.py").is_file()


def reported(work: Callable[[], None]) -> int:
    """Runs `work`; prints an expected failure in plain words; returns the exit status."""
    try:
        work()
    except InstallError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. Run the same command again to continue.", file=sys.stderr)
        return 130
    return 0


def install(venv: Venv = OWN_VENV, *, dev: bool = False, reinstall_torch: bool = False) -> None:
    """Makes `venv` if there is none and installs into it what is missing; silent and quick when nothing is.

    Raises:
        InstallError: the installation can't go on.
    """
    require_python(sys.version_info[:2])
    with alone(venv):
        bring_up_to_date(venv, dev=dev, reinstall_torch=reinstall_torch)


@contextlib.contextmanager
def alone(venv: Venv) -> Iterator[None]:
    """Waits for others that install into the same environment, such as a process that a crashed WebUI has left.

    The lock is the operating system's, and goes with its process.
    """
    name = hashlib.sha256(str(venv.folder).encode()).hexdigest()[:16]
    with open(os.path.join(tempfile.gettempdir(), f"ti-studio-install-{name}.lock"), "ab") as file:
        if not locked(file, wait=False):
            say("Another process installs into the same environment; waiting for it …")
            locked(file, wait=True)
        yield


def locked(file: IO[bytes], *, wait: bool) -> bool:
    """Takes a file's lock, which is given back when the file is closed; returns whether it has it."""
    try:
        if os.name == "nt":
            import msvcrt  # noqa: PLC0415 - there only

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
        else:
            import fcntl  # noqa: PLC0415 - not on Windows

            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        return False
    return True


def bring_up_to_date(venv: Venv, *, dev: bool, reinstall_torch: bool) -> None:
    """Does what `install` says, with nobody beside it."""
    if not venv.exists:
        create(venv)
    require_python(tuple(int(part) for part in venv.version.split(".")[:2]), f" in {venv.folder}")
    if reinstall_torch:
        run_pip(venv, ["uninstall", "--quiet", "--yes", "torch"])
        venv.stamp_file(STUDIO).unlink(missing_ok=True)
    for part in needed(venv, dev=dev):
        began = time.monotonic()
        say(f"Installing the {part} into {venv.folder} …")
        discard_unfinished(venv)
        {STUDIO: install_studio, TOOLS: install_tools}[part](venv)
        venv.stamp_file(part).write_text(stamp(part, venv.version), encoding="utf-8")
        say(f"Installed the {part} in {time.monotonic() - began:.0f} s.")


def needed(venv: Venv = OWN_VENV, *, dev: bool = False) -> list[str]:
    """Returns the parts that were not installed completely, or from other files than today's."""

    def is_current(part: str) -> bool:
        file = venv.stamp_file(part)
        return file.is_file() and file.read_text(encoding="utf-8") == stamp(part, venv.version)

    torch = shared_torch.linked(venv.folder)
    torch_is_gone = torch is not None and not torch.is_there
    parts = (STUDIO, *([TOOLS] if dev else []))
    return [part for part in parts if not is_current(part) or (part == STUDIO and torch_is_gone)]


def stamp(part: str, python_version: str, root: Path = ROOT) -> str:
    """Returns a digest of all that an installed part depends on: the files that describe it, the Python, the folder."""
    digest = hashlib.sha256(f"{root}\n{python_version}\n".encode())
    for name in FILES[part]:
        digest.update((root / name).read_bytes())
    return digest.hexdigest()


def require_python(version: Sequence[int], where: str = "") -> None:
    """Refuses a Python that the studio can't run on."""
    if tuple(version) < OLDEST_PYTHON:
        raise InstallError(
            f"This is Python {version[0]}.{version[1]}{where}; Textual Inversion Studio needs Python 3.10 or newer.\n"
            + (
                "Delete that folder and run the same command again."
                if where
                else "Install one from https://www.python.org/downloads/ and start with it, e.g. python3.11 launch.py."
            )
        )


def create(venv: Venv) -> None:
    """Makes the environment, or makes it anew when its Python is gone from the machine."""
    if importlib.util.find_spec("ensurepip") is None or importlib.util.find_spec("venv") is None:
        version = ".".join(map(str, sys.version_info[:2]))
        raise InstallError(
            f"This Python ({sys.executable}) can't make virtual environments: its venv module is missing.\n"
            f"On Debian and Ubuntu install it with: sudo apt install python{version}-venv"
        )
    began = time.monotonic()
    say(f"Creating {venv.folder} (Python {'.'.join(map(str, sys.version_info[:2]))}) …")
    command = [sys.executable, "-m", "venv", *(["--clear"] if venv.version else []), str(venv.folder)]
    if subprocess.run(command, check=False).returncode:
        raise InstallError(f"The virtual environment could not be made. The command was:\n  {shlex.join(command)}")
    if not sys.stdout.isatty() and venv.pip_version < PIP_THAT_COUNTS:
        renew_pip(venv)
    say(f"Created it in {time.monotonic() - began:.0f} s.")


def renew_pip(venv: Venv) -> None:
    """Takes a pip that tells how far it is, if there is one to be had; the old one installs as well."""
    try:
        run_pip(venv, ["install", "--quiet", "--upgrade", f"pip=={PIP}"])
    except InstallError:
        say("A newer pip could not be had, so that the tab can't show all that this one does.")


def discard_unfinished(venv: Venv) -> None:
    """Makes pip forget the packages that it was copying when it was killed; it would take them for installed."""
    for site_packages in venv.folder.glob("[Ll]ib*/**/site-packages"):
        for record in site_packages.glob("*.dist-info"):
            # pip and its kin write this file last, after all the package's own.
            if not (record / "INSTALLER").is_file():
                say(f"{record.name} was not installed completely; installing it again.")
                shutil.rmtree(record)


def install_studio(venv: Venv) -> None:
    """Installs torch, the pinned requirements, and the studio itself as an importable package."""
    install_torch(venv)
    say("Installing what the studio requires …")
    run_pip(venv, ["install", "-r", str(ROOT / "requirements.txt"), "-c", str(ROOT / "constraints.txt")])
    run_pip(venv, ["install", "--quiet", "--no-deps", "--no-build-isolation", "--editable", str(ROOT)])


def install_tools(venv: Venv) -> None:
    """Installs the test tools and linters."""
    run_pip(venv, ["install", "-r", str(ROOT / "requirements-dev.txt"), "-c", str(ROOT / "constraints.txt")])


def install_torch(venv: Venv) -> None:
    """Installs torch, unless the right one is there: the pinned release, or any when TORCH_COMMAND chose it."""
    variable = OWN_TORCH_COMMAND if shared_torch.is_extension(ROOT) else TORCH_COMMAND
    chosen = os.environ.get(variable, "").strip()
    release = torch_release()
    if not chosen and share_torch(venv):
        return
    shared_torch.unlink(venv.folder)
    present = torch_version(venv)
    if present and (chosen or present.partition("+")[0] == release):
        say(f"torch {present} is there already.")
        return
    if chosen:
        command = chosen_command(venv, chosen, on_windows=os.name == "nt")
        say(f"Installing torch by {variable}: {shlex.join(command)}")
    else:
        command = pip_command(venv, ["install", *own_torch(venv, release)])
        if torch_build.has_amd_gpu() and not torch_build.has_nvidia_gpu():
            say(f"There is an AMD GPU: {variable} can name the command that installs ROCm's torch; see docs/hosts.md.")
    run(command)
    if not torch_version(venv):
        raise InstallError(f"The command ended well, but there is no torch in {venv.folder}:\n  {shlex.join(command)}")


def share_torch(venv: Venv) -> bool:
    """Uses the torch of the WebUI whose extension this is, if that saves a download and will do; returns whether."""
    linked = shared_torch.linked(venv.folder)
    if linked is not None and linked.fits:
        return True
    torch = shared_torch.torch_of_this_python() if shared_torch.is_extension(ROOT) else None
    same_python = venv.version.split(".")[:2] == [str(part) for part in sys.version_info[:2]]
    if torch is None or not same_python or (linked is None and torch_version(venv)):
        return False
    if not torch.fits:
        oldest = ".".join(map(str, shared_torch.OLDEST))
        say(f"The WebUI's torch {torch.version} is too old to be shared; the studio needs {oldest} or newer.")
        return False
    shared_torch.link(venv.folder, torch)
    say(f"Using the WebUI's torch {torch.version}.")
    # It is there; this installs what it requires.
    run_pip(venv, ["install", "--quiet", f"torch=={torch.version}", "-c", str(ROOT / "constraints.txt")])
    return True


def torch_release() -> str:
    """Returns the pinned release of torch."""
    lines = (ROOT / "requirements-torch.txt").read_text(encoding="utf-8").splitlines()
    return next(line.partition("==")[2].strip() for line in lines if line.startswith("torch=="))


def torch_version(venv: Venv) -> str:
    """Returns the version of the torch in the environment, with its build (`2.13.0+cpu`); empty where there is none."""
    code = "import importlib.metadata as m; print(*(d.version for d in m.distributions(name='torch')))"
    result = subprocess.run([str(venv.python), "-I", "-c", code], capture_output=True, text=True, check=False)
    return result.stdout.strip()


def own_torch(venv: Venv, release: str) -> list[str]:
    """Returns pip's arguments for the pinned torch in the build that this machine needs, and says which one that is."""
    index = torch_build.own_index(sys.platform, has_nvidia=torch_build.has_nvidia_gpu())
    if index == torch_build.CPU_INDEX:
        build = torch_build.cpu_build(venv.python, release)
        if build is not None:
            say(f"Installing torch {release} for the CPU (about 200 MB): no NVIDIA GPU was found …")
            return build
        say(f"No NVIDIA GPU was found, but torch {release} for the CPU is not to be had: {index} can't be reached.")
        say("So it comes from the package index, whose build for Linux is CUDA's; it computes on the CPU as well.")
    say(f"Installing torch {release} (about 200 MB for the CPU, 2–3 GB with CUDA) …")
    # Only PyPI is sure to have the pinned releases of what torch requires.
    others = ["--index-url", index] if index == torch_build.CUDA_INDEX else ["-c", str(ROOT / "constraints.txt")]
    return ["-r", str(ROOT / "requirements-torch.txt"), *others]


def chosen_command(venv: Venv, chosen: str, *, on_windows: bool) -> list[str]:
    """Returns the command in TORCH_COMMAND, to be run by the environment's own Python."""
    pip = [str(venv.python), "-m", "pip"]
    # Outside Windows, where a backslash belongs to a path, quoting is the shell's.
    words = shlex.split(chosen, posix=not on_windows)
    replaced = {"pip": pip, "pip3": pip, "python": pip[:1], "python3": pip[:1]}
    return [*replaced.get(words[0], words[:1]), *words[1:]]


def pip_command(venv: Venv, arguments: Sequence[str]) -> list[str]:
    """Returns a command of the environment's pip that shows how far it is."""
    counts = not sys.stdout.isatty() and venv.pip_version >= PIP_THAT_COUNTS and arguments[0] == "install"
    bar = ["--progress-bar", "raw"] if counts else []
    return [str(venv.python), "-m", "pip", arguments[0], "--disable-pip-version-check", *bar, *arguments[1:]]


def run_pip(venv: Venv, arguments: Sequence[str]) -> None:
    """Runs the environment's pip, its progress visible."""
    run(pip_command(venv, arguments))


def run(command: Sequence[str]) -> None:
    """Runs a command whose output the user sees; a failure is explained by what it wrote."""
    lines = []
    try:
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, errors="replace")
    except OSError as error:
        raise InstallError(
            f"{command[0]} can't be run: {error.strerror}. It stands in:\n  {shlex.join(command)}"
        ) from error
    with process:
        for line in process.stderr or ():
            sys.stderr.write(line)
            lines.append(line)
    # Ctrl+C reaches both, and the command may have ended before this was told.
    if was_interrupted(process.returncode, lines):
        raise KeyboardInterrupt
    if process.returncode:
        raise InstallError(explained(command, process.returncode, "".join(lines)))


def was_interrupted(status: int, lines: Sequence[str]) -> bool:
    """Tells whether Ctrl+C has ended a command: by its status, or by the last line of what it wrote."""
    return status in INTERRUPTED or (status != 0 and any(sign in line for sign in CANCELLED for line in lines[-1:]))


def explained(command: Sequence[str], status: int, output: str) -> str:
    """Returns what a failed command was, why it failed as far as its output tells, and what to do."""
    reason = next((text for sign, text in KNOWN_FAILURES if sign in output), "The reason is in the lines above.")
    return (
        f"The installation stopped: this command ended with status {status}.\n  {shlex.join(command)}\n"
        f"{reason}\nThen try again; what was downloaded is kept."
    )


def say(text: str) -> None:
    """Tells the user what is going on, before the child process that does it can write."""
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
