"""The names that A1111's extensions import, `modules.…` and `launch`, made of one server's own objects.

They are in `sys.modules` only while extensions are loaded, and only in our own server: inside a real host `modules` is
the host's.
"""

import argparse
import contextlib
import importlib.machinery
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from ti_studio.extensions import launching
from ti_studio.extensions.boundary import NOT_OFFERED, Boundary
from ti_studio.extensions.callbacks import CALLED, NEVER_CALLED, Callbacks, parameter_classes
from ti_studio.extensions.options import OptionHTML, OptionInfo, Options, options_section
from ti_studio.extensions.state import State
from ti_studio.folders import repository_root

ROOT = "modules"
NO_MODEL = "the studio's checkpoint is not handed to extensions"


@dataclass(frozen=True)
class Offer:
    """What the modules give access to."""

    data: Path
    boundary: Boundary
    callbacks: Callbacks
    options: Options
    state: State
    cmd_opts: argparse.Namespace

    def basedir(self) -> str:
        """Returns the folder of the extension whose code is running, otherwise the studio's."""
        running = self.boundary.running
        return str(running.folder if running else repository_root())


@contextlib.contextmanager
def offered(offer: Offer) -> Iterator[None]:
    """Lets `import modules.shared` and its kin find what is offered, until the block ends."""
    made = offered_modules(offer)
    before = {name: module for name, module in sys.modules.items() if _is_ours(name)}
    for name in before:
        del sys.modules[name]
    sys.modules.update(made)
    try:
        yield
    finally:
        for name in [name for name in sys.modules if _is_ours(name)]:
            del sys.modules[name]
        sys.modules.update(before)


def offered_modules(offer: Offer) -> dict[str, ModuleType]:
    """Returns the modules by their full names."""
    paths = _paths(offer.data)
    shared = {
        **{name: getattr(offer, name) for name in ("cmd_opts", "state")},
        **{"opts": offer.options, "OptionInfo": OptionInfo, "OptionHTML": OptionHTML},
        **{"options_section": options_section, "config_filename": str(offer.data / "config.json"), "demo": None},
    }
    contents: dict[str, Mapping[str, Any]] = {
        "options": {"OptionInfo": OptionInfo, "OptionHTML": OptionHTML, "options_section": options_section},
        "paths": paths,
        "paths_internal": paths,
        "script_callbacks": _script_callbacks(offer.callbacks),
        "scripts": {"basedir": offer.basedir},
        "shared": shared,
        "shared_cmd_options": {"cmd_opts": offer.cmd_opts},
        "launch_utils": _launch(offer.cmd_opts),
    }
    root = _module(ROOT, {})
    root.__path__ = []  # a package, in which nothing but these is found
    made = {ROOT: root, "launch": _module("launch", _launch(offer.cmd_opts))}
    for name, values in contents.items():
        made[f"{ROOT}.{name}"] = module = _module(f"{ROOT}.{name}", values)
        setattr(root, name, module)
    return made


def _module(name: str, values: Mapping[str, Any]) -> ModuleType:
    module = ModuleType(name, "Offered to extensions by Textual Inversion Studio.")
    module.__spec__ = importlib.machinery.ModuleSpec(name, None, is_package=name == ROOT)
    module.__dict__.update(values)
    if name != ROOT:
        module.__dict__["__getattr__"] = _refusing(name)
    return module


def _refusing(module: str) -> Callable[[str], Any]:
    """Returns what a module does about names that it has not."""

    def refuse(name: str) -> Any:
        why = NO_MODEL if name in ("sd_model", "sd_model_lock") else NOT_OFFERED
        raise AttributeError(f"{module}.{name}: {why}", name=name)

    return refuse


def _script_callbacks(callbacks: Callbacks) -> dict[str, Any]:
    return {
        **{name: callbacks.registrar(name) for name in (*CALLED, *NEVER_CALLED)},
        **parameter_classes(),
        "remove_current_script_callbacks": callbacks.remove_of_current_script,
        "remove_callbacks_for_function": callbacks.remove_function,
    }


def _paths(data: Path) -> dict[str, Any]:
    root = repository_root()
    return {
        "script_path": str(root),
        "data_path": str(data),
        "models_path": str(data / "models"),
        "extensions_dir": str(data / "extensions"),
        "extensions_builtin_dir": str(root / "extensions-builtin"),
        "cwd": str(Path.cwd()),
        "default_output_dir": str(data / "outputs"),
    }


def _launch(cmd_opts: argparse.Namespace) -> dict[str, Any]:
    return {
        **{name: getattr(launching, name) for name in ("is_installed", "run", "run_pip")},
        **{"python": sys.executable, "args": cmd_opts, "script_path": str(repository_root())},
    }


def _is_ours(name: str) -> bool:
    return name in (ROOT, "launch") or name.startswith(f"{ROOT}.")
