"""The way from a fresh clone to a running server, walked for real with a tiny studio and an index of tiny packages."""

import argparse
import ast
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import install
from tests import tiny_clone
from tests.tiny_clone import TinyClone
from ti_studio.server_options import ServerOptions, add_server_options
from ti_studio_bridge import torch_build

ROOT = Path(__file__).resolve().parents[1]
NOWHERE = "http://127.0.0.1:9/whl/cpu"
linux_without_gpu = pytest.mark.skipif(
    sys.platform != "linux" or torch_build.has_nvidia_gpu(), reason="another build is right for this machine"
)
FLAGS = (
    "--port --listen --embeddings-dir --ckpt-dir --ckpt --data-dir --no-browser --gradio-auth --dataset-root".split()
)


@pytest.fixture
def bare(tmp_path: Path) -> TinyClone:
    """A clone that was never started."""
    return tiny_clone.make(tmp_path)


@pytest.fixture(scope="module")
def first_start(tmp_path_factory: pytest.TempPathFactory) -> tuple[TinyClone, "subprocess.CompletedProcess[str]"]:
    """A clone after `python launch.py --port 7999 --no-browser --api`, and what that said."""
    clone = tiny_clone.make(tmp_path_factory.mktemp("clone"))
    return clone, clone.run("launch.py", "--port", "7999", "--no-browser", "--api")


@pytest.fixture
def installed(first_start: tuple[TinyClone, "subprocess.CompletedProcess[str]"]) -> Iterator[TinyClone]:
    """A clone in which everything is installed, whatever the test before did to it."""
    clone = first_start[0]
    texts = {path: path.read_text(encoding="utf-8") for path in clone.folder.glob("*.txt")}
    assert clone.run("install.py").returncode == 0
    yield clone
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")


@pytest.fixture
def clone(tmp_path: Path) -> TinyClone:
    """A clone in a folder beside which a test makes indexes; it knows only those."""
    return tiny_clone.make(tmp_path / "clone")


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Serves tiny packages as a package index: `index("mirror", "torch-2.13.0")` returns its address."""
    folder = tmp_path / "indexes"
    serve = partial(QuietHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()

        def make(name: str, *packages: str) -> str:
            for package in packages:
                project, _, version = package.partition("-")
                (folder / name / project).mkdir(parents=True, exist_ok=True)
                tiny_clone.write_wheel(folder / name / project, project, version, {f"{project}/__init__.py": ""})
            return f"http://127.0.0.1:{server.server_port}/{name}"

        yield make
        server.shutdown()


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files, and says nothing of it."""

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def installed_by(clone: TinyClone, own: str, pytorchs: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Installs with a package index of one's own and, in place of PyTorch's for the CPU, another."""
    build = clone.folder / "ti_studio_bridge" / "torch_build.py"
    source = build.read_text(encoding="utf-8")
    build.write_text(source.replace(torch_build.CPU_INDEX, pytorchs), encoding="utf-8")
    indexes = {"PIP_NO_INDEX": "0", "PIP_INDEX_URL": own, "PIP_FIND_LINKS": "", "PIP_NO_CACHE_DIR": "1"}
    result = clone.run("install.py", **indexes, **environment)
    assert result.returncode == 0, result.stderr
    return result


def torches(clone: TinyClone) -> list[str]:
    """Returns what is installed of torch."""
    return [path.name for path in clone.site_packages.glob("torch-*.dist-info")]


def test_the_first_start_says_what_it_does_and_becomes_the_server_in_the_environment(
    first_start: tuple[TinyClone, "subprocess.CompletedProcess[str]"],
) -> None:
    clone, result = first_start

    assert result.returncode == 0, result.stderr
    said = result.stdout
    python = ".".join(map(str, sys.version_info[:2]))
    assert f"Creating {clone.folder / '.venv'} (Python {python}) …" in said
    assert "Installing torch 2.13.0 (about 200 MB for the CPU, 2–3 GB with CUDA) …" in said
    assert "Installed the studio in " in said
    assert json.loads(said.splitlines()[-1]) == {
        "arguments": ["serve", "--port", "7999", "--no-browser", "--api"],
        "prefix": str(clone.folder / ".venv"),
    }


def test_the_studio_is_importable_from_any_folder(installed: TinyClone, tmp_path: Path) -> None:
    python = installed.folder / ".venv" / ("Scripts" if os.name == "nt" else "bin") / "python"

    result = subprocess.run([python, "-m", "ti_studio"], cwd=tmp_path, capture_output=True, text=True, check=True)

    assert json.loads(result.stdout)["arguments"] == []


def test_the_second_start_runs_no_pip_and_says_nothing_of_installing(installed: TinyClone) -> None:
    pip = installed.site_packages / "pip"
    pip.rename(pip.with_name("pip-taken-away"))
    try:
        result = installed.run("launch.py")
    finally:
        pip.with_name("pip-taken-away").rename(pip)

    assert result.returncode == 0, result.stderr
    starting, server = result.stdout.splitlines()
    assert starting == "Starting Textual Inversion Studio …"
    assert json.loads(server)["arguments"] == ["serve"]


def test_test_tools_are_installed_when_asked_for_and_once(installed: TinyClone) -> None:
    first = installed.run("install.py", "--dev")
    second = installed.run("install.py", "--dev")

    assert (installed.site_packages / "easel").is_dir()
    assert "Installed the test tools in " in first.stdout
    assert "studio" not in first.stdout.replace(str(installed.folder), "")
    assert second.stdout == ""


def test_an_installation_that_was_killed_is_continued(installed: TinyClone) -> None:
    (installed.folder / ".venv" / "studio.installed").unlink()
    (installed.site_packages / "brush" / "__init__.py").unlink()
    (installed.site_packages / "brush-1.0.dist-info" / "INSTALLER").unlink()

    result = installed.run("install.py")

    assert result.returncode == 0, result.stderr
    assert "brush-1.0.dist-info was not installed completely; installing it again." in result.stdout
    assert "torch 2.13.0 is there already." in result.stdout
    assert (installed.site_packages / "brush" / "__init__.py").is_file()
    assert installed.run("install.py").stdout == ""


@pytest.mark.skipif(os.name == "nt", reason="Ctrl+C is another thing on Windows")
def test_an_interrupted_installation_says_how_to_go_on_and_leaves_no_stamp(installed: TinyClone) -> None:
    sleeper = "python -c \"import time; print('asleep', flush=True); time.sleep(60)\""
    process = subprocess.Popen(
        [sys.executable, "install.py", "--reinstall-torch"],
        cwd=installed.folder,
        env=installed.environment(TORCH_COMMAND=sleeper),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        assert process.stdout and process.stderr
        while "asleep" not in process.stdout.readline().split():
            assert process.poll() is None
        os.killpg(process.pid, signal.SIGINT)
        said = process.stderr.read()

    assert process.returncode == 130, said
    assert said.endswith("Interrupted. Run the same command again to continue.\n")
    assert not (installed.folder / ".venv" / "studio.installed").exists()
    assert installed.run("install.py").returncode == 0


def test_a_pip_that_was_cancelled_is_an_interruption_and_no_failure(installed: TinyClone) -> None:
    cancelled = "python -c \"import sys; sys.exit('ERROR: Operation cancelled by user')\""
    result = installed.run("install.py", "--reinstall-torch", TORCH_COMMAND=cancelled)
    assert result.returncode == 130
    assert result.stderr.endswith("Interrupted. Run the same command again to continue.\n")


@pytest.mark.skipif(os.name == "nt", reason="the test takes the lock as it is taken elsewhere")
def test_two_installations_into_one_environment_wait_for_each_other(installed: TinyClone) -> None:
    holder = "import install, sys\nwith install.alone(install.OWN_VENV): print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", holder], cwd=installed.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as first:
        assert first.stdout and first.stdin
        first.stdout.readline()
        second = subprocess.Popen(
            [sys.executable, "install.py"], cwd=installed.folder, env=installed.environment(), stdout=subprocess.PIPE
        )
        assert second.stdout
        assert "waiting for it" in second.stdout.readline().decode()
        assert second.poll() is None
        first.stdin.close()
        with second:
            assert second.wait(60) == 0


def test_changed_requirements_are_installed_at_the_next_start(installed: TinyClone) -> None:
    tiny_clone.write_wheel(installed.folder / "index", "brush", "2.0", {"brush/__init__.py": ""})
    (installed.folder / "requirements.txt").write_text("brush==2.0\n", encoding="utf-8")

    result = installed.run("install.py")

    assert "Installed the studio in " in result.stdout
    assert (installed.site_packages / "brush-2.0.dist-info").is_dir()


def test_torch_command_replaces_the_torch_install_and_later_starts_keep_its_torch(installed: TinyClone) -> None:
    command = "pip install --quiet torch==2.12.0"
    result = installed.run("install.py", "--reinstall-torch", TORCH_COMMAND=command)

    assert result.returncode == 0, result.stderr
    assert "Installing torch by TORCH_COMMAND: " in result.stdout
    assert [path.name for path in installed.site_packages.glob("torch-*.dist-info")] == ["torch-2.12.0.dist-info"]
    assert installed.run("install.py").stdout == ""


def test_a_torch_command_that_installs_no_torch_is_an_error(installed: TinyClone) -> None:
    result = installed.run("install.py", "--reinstall-torch", TORCH_COMMAND="pip --version")

    assert result.returncode == 1
    assert "The command ended well, but there is no torch in " in result.stderr
    assert installed.run("install.py").returncode == 0


def test_a_package_that_is_not_to_be_had_is_named_with_the_command_and_nothing_is_stamped(installed: TinyClone) -> None:
    (installed.folder / "requirements-dev.txt").write_text("palette==3.0\n", encoding="utf-8")

    result = installed.run("install.py", "--dev")

    assert result.returncode == 1
    assert "-r " + str(installed.folder / "requirements-dev.txt") in result.stderr
    assert "No matching distribution found for palette==3.0" in result.stderr
    assert "The index has no such package for this Python and system." in result.stderr
    assert "Then try again; what was downloaded is kept." in result.stderr
    assert "Traceback" not in result.stderr


def test_an_index_out_of_reach_is_said_to_be_so(installed: TinyClone) -> None:
    (installed.folder / "requirements-dev.txt").write_text("palette==3.0\n", encoding="utf-8")
    nowhere = {"PIP_NO_INDEX": "0", "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "1"}

    result = installed.run("install.py", "--dev", **nowhere)

    assert result.returncode == 1
    assert "The package index can't be reached: check the network." in result.stderr


@pytest.mark.skipif(os.name == "nt", reason="an environment's Python is a copy on Windows")
def test_an_environment_whose_python_is_gone_is_made_anew(installed: TinyClone) -> None:
    for python in (installed.folder / ".venv" / "bin").glob("python*"):
        python.unlink()
        python.symlink_to(installed.folder / "no-such-python")

    result = installed.run("install.py")

    assert result.returncode == 0, result.stderr
    assert "Creating " in result.stdout
    assert "Installed the studio in " in result.stdout


def test_a_moved_clone_installs_itself_again(installed: TinyClone) -> None:
    version = install.Venv(installed.folder / ".venv").version

    assert install.stamp("studio", version) != install.stamp("studio", version, installed.folder)


def test_the_stamp_depends_on_every_requirement_and_the_python(bare: TinyClone) -> None:
    stamps = {install.stamp("studio", "3.11.7", bare.folder), install.stamp("studio", "3.12.1", bare.folder)}
    for name in install.FILES["studio"]:
        (bare.folder / name).write_text("changed==1\n", encoding="utf-8")
        stamps.add(install.stamp("studio", "3.11.7", bare.folder))

    assert len(stamps) == 2 + len(install.FILES["studio"])


def test_help_explains_every_flag_before_anything_is_installed(bare: TinyClone) -> None:
    result = bare.run("launch.py", "--help")

    assert result.returncode == 0, result.stderr
    assert {*FLAGS, "--reinstall-torch"} <= set(re.findall(r"^  (--[a-z-]+)", result.stdout, flags=re.MULTILINE))
    assert not (bare.folder / ".venv").exists()


def test_a_wrong_flag_is_refused_before_anything_is_installed(bare: TinyClone) -> None:
    result = bare.run("launch.py", "--port", "70000")

    assert result.returncode == 2
    assert "argument --port: '70000' is not a port; expected a whole number from 1 to 65535" in result.stderr
    assert not (bare.folder / ".venv").exists()


def test_a_python_that_is_too_old_is_told_which_one_is_needed() -> None:
    with pytest.raises(install.InstallError) as refused:
        install.require_python((3, 9))

    assert "This is Python 3.9; Textual Inversion Studio needs Python 3.10 or newer." in str(refused.value)


@pytest.mark.parametrize(
    "name",
    [
        *("launch.py", "install.py", "tests/__main__.py", "tests/__init__.py", "tests/chromium.py"),
        *("tests/hosts/__init__.py", "tests/hosts/environments.py"),
        *("ti_studio_bridge/__init__.py", "ti_studio_bridge/shared_torch.py", "ti_studio_bridge/torch_build.py"),
    ],
)
def test_an_old_python_can_read_what_tells_it_that_it_is_too_old(name: str) -> None:
    source = (ROOT / name).read_text(encoding="utf-8")

    tree = ast.parse(source, feature_version=(3, 7))

    futures = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
    assert futures or "def " not in source  # annotations of today must not be evaluated there


def test_a_missing_venv_module_names_the_package_that_brings_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "ensurepip", None)

    with pytest.raises(install.InstallError) as refused:
        install.create(install.Venv(tmp_path / ".venv"))

    version = ".".join(map(str, sys.version_info[:2]))
    assert f"sudo apt install python{version}-venv" in str(refused.value)
    assert not (tmp_path / ".venv").exists()


@pytest.mark.parametrize(
    ("platform", "has_nvidia", "index"),
    [
        ("win32", True, torch_build.CUDA_INDEX),
        ("win32", False, ""),
        ("linux", True, ""),
        ("linux", False, torch_build.CPU_INDEX),
        ("darwin", False, ""),
    ],
)
def test_torch_comes_from_pytorchs_own_index_where_the_package_index_has_another_build(
    platform: str, has_nvidia: bool, index: str
) -> None:
    assert torch_build.own_index(platform, has_nvidia=has_nvidia) == index


def test_an_nvidia_gpu_is_seen_without_nvidia_smi_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    device = tmp_path / "nvidiactl"
    assert not torch_build.has_nvidia_gpu([str(device)])
    device.touch()
    assert torch_build.has_nvidia_gpu([str(device)])

    device.unlink()
    program = tmp_path / ("nvidia-smi.exe" if os.name == "nt" else "nvidia-smi")
    program.touch(0o755)
    assert torch_build.has_nvidia_gpu([str(device)])


@linux_without_gpu
def test_without_an_nvidia_gpu_the_cpus_torch_comes_from_pytorchs_index_and_the_rest_from_ones_own(
    clone: TinyClone, index: Callable[..., str]
) -> None:
    own = index("own", "torch-2.13.0", "brush-1.0")
    result = installed_by(clone, own, index("cpu", "torch-2.13.0+cpu", "brush-1.0"))

    assert "Installing torch 2.13.0 for the CPU (about 200 MB): no NVIDIA GPU was found" in result.stdout
    assert torches(clone) == ["torch-2.13.0+cpu.dist-info"]
    assert f"Looking in indexes: {own}\n" in result.stdout, "torch's index is asked for torch alone"
    assert clone.run("install.py").stdout == ""


@linux_without_gpu
def test_the_cpus_torch_of_a_mirror_is_taken_where_pytorchs_index_is_out_of_reach(
    clone: TinyClone, index: Callable[..., str]
) -> None:
    installed_by(clone, index("own", "torch-2.13.0", "torch-2.13.0+cpu", "brush-1.0"), NOWHERE)

    assert torches(clone) == ["torch-2.13.0+cpu.dist-info"]


@linux_without_gpu
def test_a_machine_that_reaches_nothing_but_a_mirror_gets_its_torch_and_is_told_why(
    clone: TinyClone, index: Callable[..., str]
) -> None:
    result = installed_by(clone, index("own", "torch-2.13.0", "brush-1.0"), NOWHERE)

    assert f"torch 2.13.0 for the CPU is not to be had: {NOWHERE} can't be reached." in result.stdout
    assert torches(clone) == ["torch-2.13.0.dist-info"]


@linux_without_gpu
def test_torch_command_is_obeyed_on_a_machine_without_a_gpu(clone: TinyClone, index: Callable[..., str]) -> None:
    own = index("own", "torch-2.12.0", "torch-2.13.0+cpu", "brush-1.0")
    result = installed_by(clone, own, NOWHERE, TORCH_COMMAND="pip install torch==2.12.0")

    assert "Installing torch by TORCH_COMMAND: " in result.stdout
    assert torches(clone) == ["torch-2.12.0.dist-info"]


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (
            "pip install torch==2.13.0 --index-url https://x/y",
            ["-m", "pip", "install", "torch==2.13.0", "--index-url", "https://x/y"],
        ),
        ("python -m pip install 'a torch.whl'", ["-m", "pip", "install", "a torch.whl"]),
    ],
)
def test_torch_command_is_run_by_the_environments_own_python(chosen: str, expected: list[str]) -> None:
    command = install.chosen_command(install.OWN_VENV, chosen, on_windows=False)

    assert command == [str(install.OWN_VENV.python), *expected]


def parse(*arguments: str) -> ServerOptions:
    parser = argparse.ArgumentParser()
    add_server_options(parser)
    return ServerOptions.from_namespace(parser.parse_args(arguments))


def test_without_flags_the_server_is_for_this_machine_only() -> None:
    options = parse()

    assert options == ServerOptions()
    assert (options.host, options.port) == ("127.0.0.1", 7860)


def test_every_flag_arrives_as_the_server_needs_it(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").touch()
    given = [
        "--port",
        "7999",
        "--listen",
        "--no-browser",
        "--gradio-auth",
        "ann:a:1,bo:b",
        "--api",
        "--api-auth",
        "bot:x",
    ]
    folders = ["--embeddings-dir", f"{tmp_path}/e", "--ckpt-dir", f"{tmp_path}/c", "--data-dir", f"{tmp_path}/d"]

    options = parse(*given, *folders, "--ckpt", f"{tmp_path}/model.safetensors", "--dataset-root", str(tmp_path))

    assert options == ServerOptions(
        port=7999,
        listen=True,
        embeddings_dir=tmp_path / "e",
        ckpt_dir=tmp_path / "c",
        ckpt=tmp_path / "model.safetensors",
        data_dir=tmp_path / "d",
        no_browser=True,
        gradio_auth=(("ann", "a:1"), ("bo", "b")),
        api_auth=(("bot", "x"),),
        dataset_root=tmp_path,
    )
    assert options.host == "0.0.0.0"
    assert not (tmp_path / "e").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--port", "0"], "argument --port: '0' is not a port; expected a whole number from 1 to 65535"),
        (["--port", "eighty"], "argument --port: 'eighty' is not a port"),
        (["--port", "-1"], "argument --port: '-1' is not a port"),
        (["--gradio-auth", "ann"], "argument --gradio-auth: account 1 of 1 is not of the form USER:PASSWORD"),
        (["--gradio-auth", "ann:secret,:x"], "argument --gradio-auth: account 2 of 2 is not of the form USER:PASSWORD"),
        (["--gradio-auth", "ann:a,ann:b"], "argument --gradio-auth: the same user is given more than once: ann"),
        (["--embeddings-dir", f"{__file__}/x"], f"can't be a folder: {__file__} is a file"),
        (["--data-dir", ""], "argument --data-dir: the path is empty"),
        (
            ["--ckpt", "/no/such.safetensors"],
            "such.safetensors is missing; expected a checkpoint file or a diffusers folder",
        ),
        (["--dataset-root", __file__], f"{__file__} is a file; expected a folder"),
    ],
)
def test_a_wrong_flag_is_answered_with_what_was_found_and_expected(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse(*arguments)

    said = capsys.readouterr().err
    assert message in said
    assert "secret" not in said


def requirements(name: str) -> dict[str, str]:
    """Returns the pins in a requirements file; fails on a line that is none."""
    lines = [line for line in (ROOT / name).read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]
    pairs = [re.fullmatch(r"([\w.-]+)==([\w.]+)(; python_version (>=|<) \"3.11\")?", line) for line in lines]
    assert all(pairs), lines
    return {pair[1].lower(): pair[2] for pair in pairs if pair}


@pytest.mark.parametrize(
    "name", ["requirements.txt", "requirements-torch.txt", "requirements-dev.txt", "constraints.txt"]
)
def test_every_requirement_is_pinned(name: str) -> None:
    assert requirements(name)


def test_what_the_studio_imports_is_what_it_requires() -> None:
    imported: set[str] = set()
    for path in (ROOT / "modules" / "ti_studio").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.partition(".")[0])
    third_party = {{"PIL": "pillow"}.get(name, name) for name in imported - sys.stdlib_module_names - {"ti_studio"}}

    required = {*requirements("requirements.txt"), *requirements("requirements-torch.txt")}

    assert third_party == required - {"setuptools"}  # which builds the editable install
