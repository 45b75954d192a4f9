"""Loading: what extensions find, in what order things happen to them, and what their failures do."""

import asyncio
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.extensions.conftest import Host
from ti_studio.extensions.host import ExtensionHost
from ti_studio.folders import repository_root
from ti_studio.server_options import ServerOptions

Write = Callable[[str, str], Path]

RECORD = """
from modules import script_callbacks, scripts, shared
shared.opts.add_option("seen", shared.OptionInfo([]))
def note(what):
    shared.opts.seen = [*shared.opts.seen, what]
"""


def test_a_script_finds_what_a1111_offers(write: Write, host: Host, data: Path) -> None:
    write("one/lib_one.py", "VALUE = 5")
    write(
        "one/scripts/a.py",
        RECORD
        + "import launch, sys\nfrom lib_one import VALUE\nfrom modules.paths import models_path, script_path\n"
        + "from modules import paths_internal, shared_cmd_options\nfrom modules.scripts import basedir\n"
        + "note([basedir(), sys.path[0], VALUE, script_path, models_path, paths_internal.extensions_dir,"
        + " shared.cmd_opts.port, shared_cmd_options.cmd_opts.share, shared.state.job,"
        + " launch.is_installed('pytest')])\n",
    )
    before = list(sys.path)
    loaded = host(port=7999)

    with loaded.loaded():
        seen = loaded.options.seen[0]

    folder, root = str(data / "extensions" / "one"), str(repository_root())
    assert seen == [folder, folder, 5, root, str(data / "models"), str(data / "extensions"), 7999, False, "", True]
    assert sys.path == before
    assert loaded.boundary.failed == []
    assert not [name for name in sys.modules if name in ("modules", "launch") or name.startswith("modules.")]


def test_postponed_annotations_in_a_dataclass_work(write: Write, host: Host) -> None:
    source = "from __future__ import annotations\nfrom dataclasses import dataclass\n@dataclass\nclass A:\n    x: int\n"
    write("one/scripts/a.py", source)

    with (loaded := host()).loaded():
        assert loaded.boundary.failed == []


def test_what_fails_is_named_with_its_place_and_the_rest_is_loaded(
    add_samples: Callable[..., None], host: Host
) -> None:
    add_samples("broken", "framer", "greeter")
    loaded = host()
    loaded.read_flags(())

    async def build() -> None:  # outside a running event loop Gradio makes one of its own and never closes it
        for category in ("before_ui", "ui_settings", "ui_tabs"):
            loaded.callbacks.call(category)

    with loaded.loaded():
        asyncio.run(build())
        registered = [callback.name for callback in loaded.callbacks.registered]

    problems = loaded.boundary.problems("broken")
    assert loaded.boundary.failed == ["broken"]
    assert "metadata.ini can't be read" in problems[0]
    assert problems[1] == (
        "scripts/a_missing.py failed: ModuleNotFoundError: No module named 'modules.processing' – the studio does not "
        "offer this part of A1111 to extensions (scripts/a_missing.py, line 5)"
    )
    assert problems[2] == "The callback before_ui failed: SystemExit: 3 (scripts/b_callbacks.py, line 26)"
    assert problems[3].startswith("The callback ui_tabs failed: ValueError: <img")
    assert not [name for name in registered if "a_missing" in name], "half of a script stays registered"
    assert [name for name in registered if not name.startswith("broken/")] == [
        "greeter/greeter.py/ui_tabs",
        "greeter/greeter.py/app_started/hello",
        "framer/framer.py/ui_settings",
        "framer/framer.py/before_image_saved",
        "framer/framer.py/cfg_denoiser",
    ]


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("from modules.shared import sd_model", "sd_model.* – the studio does not offer"),
        ("import modules.shared as s\ns.sd_model", "modules.shared.sd_model: the studio's checkpoint is not handed"),
        ("import modules.scripts as s\nclass A(s.Script): pass", "modules.scripts.Script: the studio does not offer"),
        ("from modules import sd_hijack", "sd_hijack.* – the studio does not offer"),
        ("import no_such_package", r"No module named 'no_such_package' \(scripts/a.py, line 1\)"),
        ("def", r"SyntaxError: .*\(a.py, line 1\)$"),
        ("raise SystemExit(1)", "SystemExit: 1"),
    ],
)
def test_what_the_studio_does_not_offer_is_told_plainly(write: Write, host: Host, source: str, told: str) -> None:
    write("one/scripts/a.py", source)
    with (loaded := host()).loaded():
        pass

    (problem,) = loaded.boundary.problems("one")
    assert problem.startswith("scripts/a.py failed: ")
    assert re.search(told, problem), problem


def test_callbacks_that_nothing_calls_are_remarked_upon(add_samples: Callable[..., None], host: Host) -> None:
    add_samples("framer", "greeter")
    with (loaded := host()).loaded():
        pass

    assert loaded.boundary.remarks("framer") == ["on_cfg_denoiser has no effect: the studio never calls it."]


def test_callbacks_are_removed_by_function_and_by_script(write: Write, host: Host) -> None:
    write(
        "one/scripts/a.py",
        RECORD + "def f(): note('f')\ndef g(): note('g')\nscript_callbacks.on_before_ui(f)\n"
        "script_callbacks.on_before_ui(g)\nscript_callbacks.on_before_ui(f)\n"
        "script_callbacks.remove_callbacks_for_function(f)\n",
    )
    write(
        "one/scripts/b.py",
        "from modules import script_callbacks as s\ns.on_before_ui(print)\ns.remove_current_script_callbacks()\n",
    )
    with (loaded := host()).loaded():
        loaded.callbacks.call("before_ui")

    assert loaded.options.seen == ["g"]
    assert [callback.name for callback in loaded.callbacks.registered] == ["one/a.py/before_ui-1"]


def test_callbacks_follow_metadata_and_the_setting(write: Write, host: Host) -> None:
    for name in ("a", "b", "c"):
        write(f"{name}/scripts/s.py", RECORD + f"script_callbacks.on_before_ui(lambda: note({name!r}))")
    write("a/metadata.ini", "[callbacks/a/s.py/before_ui]\nAfter = c/s.py/before_ui\n")
    with (loaded := host()).loaded():
        loaded.callbacks.call("before_ui")
        loaded.options.data["prioritized_callbacks_before_ui"] = ["b/s.py/before_ui"]
        loaded.callbacks.call("before_ui")

    assert loaded.options.seen == ["c", "a", "b", "b", "c", "a"]


def test_scripts_are_told_of_the_end(write: Write, host: Host) -> None:
    write("one/scripts/a.py", RECORD + "script_callbacks.on_script_unloaded(lambda: note('over'))")
    with (loaded := host()).loaded():
        assert loaded.options.seen == []

    assert loaded.options.seen == ["over"]


@pytest.mark.parametrize("flag", ["disable_all_extensions", "disable_extra_extensions"])
def test_flags_and_settings_keep_extensions_out(add_samples: Callable[..., None], host: Host, flag: str) -> None:
    add_samples("greeter", "framer")

    assert [extension.name for extension in host().active] == ["framer", "greeter"]
    by_flag = host(**{flag: True})
    assert (by_flag.active, by_flag.disabled_by) == (
        [],
        f"No extension is loaded: the server was started with --{flag.replace('_', '-')}.",
    )
    host().want({"greeter": False})
    assert [extension.name for extension in host().active] == ["framer"]
    assert host().enabled_by_name == {"framer": True, "greeter": False}
    host().want({"greeter": True})
    assert [extension.name for extension in host().active] == ["framer", "greeter"]


def test_a_setting_that_is_no_list_disables_nothing(write: Write, data: Path, host: Host) -> None:
    write("one/scripts/a.py", "")
    (data / "config.json").write_text('{"disabled_extensions": null, "prioritized_callbacks_ui_tabs": 5}')

    assert [extension.name for extension in host().active] == ["one"]


def test_flags_are_those_that_preload_declares(
    add_samples: Callable[..., None], host: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    add_samples("greeter")
    loaded = host()

    loaded.read_flags(["--greeting", "Good day"])

    assert loaded.cmd_opts.greeting == "Good day"
    with pytest.raises(SystemExit):
        host().read_flags(["--greetings", "x"])
    assert "unrecognized arguments: --greetings" in capsys.readouterr().err


def test_a_failing_preload_is_named(write: Write, host: Host) -> None:
    write("one/preload.py", "def preload(parser):\n    parser.add_argument('--x')\n    parser.add_argument('--x')\n")
    loaded = host()

    loaded.read_flags(())

    assert loaded.boundary.problems("one")[0].startswith("preload.py failed: ArgumentError")


def test_accounts_and_paths_are_text_as_in_a1111(data: Path) -> None:
    server = ServerOptions(data_dir=data, gradio_auth=(("ann", "secret"), ("bob", "b")))

    flags = ExtensionHost(data, server).cmd_opts

    assert (flags.data_dir, flags.gradio_auth) == (str(data), "ann:secret,bob:b")
    assert flags.embeddings_dir == str(data / "embeddings"), "A1111 has a folder also where none is given"
    given = ServerOptions(data_dir=data, embeddings_dir=data / "words")
    assert ExtensionHost(data, given).cmd_opts.embeddings_dir == str(data / "words")
    assert ExtensionHost(data, ServerOptions()).cmd_opts.gradio_auth is None
