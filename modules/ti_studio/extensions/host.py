"""The extensions of one server: found, installed, loaded, and called through one boundary."""

import argparse
import contextlib
import importlib.util
import logging
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ti_studio.extensions.a1111 import Offer, offered
from ti_studio.extensions.boundary import Boundary, Owner
from ti_studio.extensions.callbacks import Callbacks
from ti_studio.extensions.discovery import Extension, check_requirements, extension_folders, find_extensions
from ti_studio.extensions.flags import command_line_options
from ti_studio.extensions.installing import run_installers
from ti_studio.extensions.options import DISABLE_ALL, DISABLED, PRIORITIES, Options
from ti_studio.extensions.ordering import ordered_scripts
from ti_studio.extensions.state import ExtensionWatcher, State
from ti_studio.folders import repository_root
from ti_studio.server_options import ServerOptions

logger = logging.getLogger(__name__)

ONLY_SHOWN = (
    "With --listen extensions are only shown: they are code, and whoever installs one runs it on this machine. "
    "--enable-insecure-extension-access lifts this."
)


ABSENT = "This studio loads no extensions: inside another WebUI they are that one's."


class ExtensionHost:
    """What loads extensions and what they have registered; nothing is loaded before `loaded`."""

    def __init__(self, data: Path, server: ServerOptions | None = None, *, is_absent: bool = False) -> None:
        """Reads the settings and finds the extensions.

        Args:
            data: the data folder, which holds `extensions/` and `config.json`.
            server: the server's flags.
            is_absent: there are none and can be none: inside another WebUI, whose folder this may be, extensions and
                settings are its own, and are neither read nor changed.

        Raises:
            SettingsUnreadable: the settings are there and may not be read.
        """
        self.server = server or ServerOptions()
        self.is_absent = is_absent
        self.data = data
        self.boundary = Boundary()
        self.options = Options(None if is_absent else data / "config.json", self.boundary)
        self.callbacks = Callbacks(self.boundary, priorities=self._first)
        self.state = State()
        self.watcher = ExtensionWatcher(self.callbacks)
        self.cmd_opts = command_line_options(self.server)
        self.extensions = [] if is_absent else find_extensions(self.folder, self._disabled, self.boundary)
        if self.options.trouble:
            logger.error(self.options.trouble)
        if not self.disabled_by:
            check_requirements(self.extensions, self.boundary)

    @classmethod
    def prepared(cls, server: ServerOptions) -> "ExtensionHost":
        """Returns the extensions of a server, installed, and its flags read, those of extensions included.

        Raises:
            SettingsUnreadable: the settings are there and may not be read.
            SystemExit: a flag is nobody's; argparse has said so.
        """
        host = cls((server.data_dir or repository_root()).resolve(), server)
        if not server.skip_install:
            host.install()
        host.read_flags(server.extension_flags)
        return host

    @property
    def folder(self) -> Path:
        """Where extensions are."""
        return self.data / "extensions"

    @property
    def disabled_by(self) -> str:
        """Why no extension at all is loaded; empty if those that are enabled are."""
        for flag in ("disable_all_extensions", "disable_extra_extensions"):
            if getattr(self.server, flag):
                return f"No extension is loaded: the server was started with --{flag.replace('_', '-')}."
        if self.options.data.get(DISABLE_ALL, "none") != "none":
            return f"No extension is loaded: the setting {DISABLE_ALL} is {self.options.data[DISABLE_ALL]!r}."
        return ""

    @property
    def only_shown(self) -> str:
        """Why extensions may not be changed from the page; empty if they may."""
        if self.is_absent:
            return ABSENT
        locked = self.server.listen and not self.server.enable_insecure_extension_access
        return ONLY_SHOWN if locked else ""

    @property
    def active(self) -> list[Extension]:
        """The extensions that this server loads."""
        return [] if self.disabled_by else [extension for extension in self.extensions if extension.enabled]

    @property
    def enabled_by_name(self) -> dict[str, bool]:
        """Whether the settings enable each extension that is there now, by its folder's name: for the next start."""
        disabled = self._disabled
        if self.is_absent:
            return {}
        return {path.name: path.name not in disabled for path in extension_folders(self.folder)}

    def want(self, enabled: dict[str, bool]) -> None:
        """Saves which extensions the next start loads; those that are not named stay as they are.

        Raises:
            WriteFailed: nothing was changed.
        """
        disabled = [name for name in self._disabled if not enabled.get(name, False)]
        more = [name for name, is_enabled in enabled.items() if not is_enabled and name not in disabled]
        self.options.apply({DISABLED: [*disabled, *more]})

    def install(self) -> None:
        """Runs the installers, and notes those that fail."""
        run_installers(self.active, self.data, self.boundary)

    def read_flags(self, flags: Sequence[str]) -> None:
        """Reads the flags that the server does not know, as `preload.py` of the extensions declare them.

        Raises:
            SystemExit: one is nobody's, or its value is wrong; argparse has said so.
        """
        parser = argparse.ArgumentParser(prog="extensions' flags", add_help=False, allow_abbrev=False)
        with self.offered():
            for extension in self.active:
                path = extension.folder / "preload.py"
                if path.is_file():
                    owner = Owner(extension.name, extension.folder, path)
                    self.boundary.attempt(owner, path.name, partial(_preload, path, owner, parser), None)
        parser.parse_args(list(flags), self.cmd_opts)

    @contextlib.contextmanager
    def offered(self) -> Iterator[None]:
        """Lets extensions' code find A1111's modules, until the block ends."""
        offer = Offer(self.data, self.boundary, self.callbacks, self.options, self.state, self.cmd_opts)
        with offered(offer):
            yield

    @contextlib.contextmanager
    def loaded(self) -> Iterator[None]:
        """Loads the scripts; they are told when the block ends."""
        self.callbacks.rules = {
            name: order for extension in self.active for name, order in extension.metadata.callbacks.items()
        }
        with self.offered():
            for extension, path in ordered_scripts(self.active, self.boundary):
                self._load(Owner(extension.name, extension.folder, path))
            try:
                yield
            finally:
                self.callbacks.call("script_unloaded")

    @property
    def _disabled(self) -> list[str]:
        return _strings(self.options.data[DISABLED])

    def _load(self, owner: Owner) -> None:
        path = owner.script
        assert path is not None
        if not self.boundary.attempt(owner, f"scripts/{path.name}", partial(_execute, path, owner), False):
            self.callbacks.remove_of(owner)  # half of a script is none

    def _first(self, category: str) -> list[str]:
        return _strings(self.options.data.get(PRIORITIES + category))


def _strings(value: Any) -> list[str]:
    """Returns a setting that is a list of names; a file may hold anything."""
    return [str(item) for item in value] if isinstance(value, list) else []


def _preload(path: Path, owner: Owner, parser: argparse.ArgumentParser) -> None:
    preload = getattr(_imported(path, owner), "preload", None)
    if preload is not None:
        preload(parser)


def _execute(path: Path, owner: Owner) -> bool:
    _imported(path, owner)
    return True


def _imported(path: Path, owner: Owner) -> Any:
    """Executes a file with its extension's folder first on `sys.path`, as A1111 does, and returns the module.

    A1111 leaves it out of `sys.modules`; here it is in there, so that dataclasses and pickles in it work.
    """
    name = f"extension_{owner.extension}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path.name} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    before, done = sys.path, False
    sys.path = [str(owner.folder), *before]
    try:
        spec.loader.exec_module(module)
        done = True
    finally:
        sys.path = before
        if not done:
            del sys.modules[name]
    return module
