"""`modules.shared.opts`: the settings that extensions declare, their values, and the file that keeps them."""

import html
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ti_studio.errors import StudioError
from ti_studio.extensions.boundary import Boundary, Owner
from ti_studio.extensions.settings_file import read_settings, write_settings

SECTIONLESS = ("uncategorized", "Uncategorized")
HIDDEN = (None, "Hidden options")
DISABLED = "disabled_extensions"
DISABLE_ALL = "disable_all_extensions"
PRIORITIES = "prioritized_callbacks_"
"""With a category behind it: names of callbacks that are called before all others."""


class WrongSetting(StudioError):
    """A value is not of a setting's kind, or the extension refuses it."""


@dataclass
class OptionInfo:
    """A setting, declared as in A1111. The comments are HTML of the extension's own."""

    default: Any = None
    label: str = ""
    component: Callable[..., Any] | None = None
    """Makes the Gradio component; None: by the default's type."""
    component_args: Mapping[str, Any] | Callable[[], Mapping[str, Any]] | None = None
    onchange: Callable[[], Any] | None = None
    section: tuple[str | None, str] | None = None
    """Id and title of the page in Settings; an id of None is shown nowhere."""
    refresh: Callable[[], Any] | None = None
    comment_before: str = ""
    comment_after: str = ""
    infotext: str | None = None
    restrict_api: bool = False
    category_id: str | None = None
    do_not_save: bool = field(default=False, init=False)

    def link(self, label: str, url: str) -> "OptionInfo":
        """Adds a link before the comment."""
        self.comment_before += f'[<a href="{html.escape(url)}" target="_blank">{html.escape(label)}</a>]'
        return self

    def js(self, label: str, js_func: str) -> "OptionInfo":
        """Adds a link that calls a function of the extension's JavaScript."""
        self.comment_before += (
            f'[<a href="#" onclick="{html.escape(js_func)}(); return false">{html.escape(label)}</a>]'
        )
        return self

    def info(self, info: str) -> "OptionInfo":
        """Adds an explanation in brackets."""
        self.comment_after += f"<span class='info'>({info})</span>"
        return self

    def html(self, html: str) -> "OptionInfo":
        """Adds HTML."""
        self.comment_after += html
        return self

    def needs_restart(self) -> "OptionInfo":
        """Says that a change shows after a restart."""
        return self.html(" <span class='info'>(requires restart)</span>")

    def needs_reload_ui(self) -> "OptionInfo":
        """Says that a change shows after a restart: the studio's page is built once."""
        return self.needs_restart()


class OptionHTML(OptionInfo):
    """A text between settings."""

    def __init__(self, text: str) -> None:
        super().__init__(comment_after=str(text).strip())
        self.do_not_save = True


def options_section(section_identifier: tuple[Any, ...], options_dict: dict[str, OptionInfo]) -> dict[str, OptionInfo]:
    """Puts settings into a section, `(id, title)` or `(id, title, category)`, and returns them."""
    for info in options_dict.values():
        info.section = (section_identifier[0], section_identifier[1])
        info.category_id = section_identifier[2] if len(section_identifier) > 2 else None  # noqa: PLR2004 - as above
    return options_dict


class Options:
    """Settings by name: `opts.key` is a value, `opts.data` all of them, `opts.data_labels` what was declared."""

    data: dict[str, Any]
    data_labels: dict[str, OptionInfo]

    def __init__(self, path: Path | None, boundary: Boundary) -> None:
        """Reads the file.

        Args:
            path: `config.json`; a missing one is made when something is saved. None: nothing is read or kept.
            boundary: through which what extensions declare is called.

        Raises:
            SettingsUnreadable: the file is there and may not be read.
        """
        self._path, self._boundary = path, boundary
        self._owners: dict[str, Owner] = {}
        self.data, self._trouble = read_settings(path) if path is not None else ({}, "")
        self.data_labels = {}
        self.add_option(DISABLED, OptionInfo([], "Disable these extensions", section=HIDDEN))
        self.add_option(DISABLE_ALL, OptionInfo("none", "Disable all extensions", section=HIDDEN))

    @property
    def trouble(self) -> str:
        """What has to be told about the file; empty if nothing."""
        return self._trouble

    def __getattr__(self, key: str) -> Any:
        for values in (self.__dict__.get("data", {}), self.__dict__.get("data_labels", {})):
            if key in values:
                return values[key] if values is self.data else values[key].default
        raise AttributeError(f"There is no setting {key!r}: the studio has none of that name, nor was it added.")

    def __setattr__(self, key: str, value: Any) -> None:
        if not key.startswith("_") and key not in ("data", "data_labels") and key in self.data_labels:
            self.data[key] = value
        else:
            super().__setattr__(key, value)

    def add_option(self, key: str, info: OptionInfo) -> None:
        """Declares a setting; a value that the file had stays."""
        info.section = info.section or SECTIONLESS
        if self._boundary.running is not None:
            self._owners[key] = self._boundary.running
        self.data_labels[key] = info
        if not info.do_not_save:
            self.data.setdefault(key, info.default)

    def owner(self, key: str) -> Owner | None:
        """Returns whose setting it is; None: the studio's own."""
        return self._owners.get(key)

    def get_default(self, key: str) -> Any:
        """Returns a setting's default, or None for one that is not declared."""
        return self.data_labels[key].default if key in self.data_labels else None

    def set(self, key: str, value: Any, is_api: bool = False, run_callbacks: bool = True) -> bool:
        """Changes a setting and calls its `onchange`; returns whether it has changed."""
        info = self.data_labels[key]
        old = self.data.get(key)
        if old == value or info.do_not_save or (is_api and info.restrict_api):
            return False
        self.data[key] = value
        if run_callbacks and not self._tell(key):
            self.data[key] = old
            return False
        return True

    def apply(self, values: Mapping[str, Any]) -> list[str]:
        """Saves values and then calls what listens to them.

        Args:
            values: by the names of declared settings.

        Returns:
            The names of those that have changed.

        Raises:
            WrongSetting: a value is of another kind, and nothing was changed; or an `onchange` failed, and that setting
                is as it was.
            SettingsNotSaved, WriteFailed: nothing was changed.
        """
        for key, value in values.items():
            if not self.same_type(value, self.data_labels[key].default):
                kind = type(self.data_labels[key].default).__name__
                raise WrongSetting(f"{self.data_labels[key].label or key}: found {value!r}, expected {kind}.")
        before = dict(self.data)
        changed = [key for key, value in values.items() if before.get(key) != value]
        self._write({**before, **values})
        self.data.update(values)
        refused = [key for key in changed if not self._tell(key)]
        if refused:
            self.data.update({key: before.get(key) for key in refused})
            self._write(self.data)
            raise WrongSetting(
                f"The extension failed on the new value of {', '.join(refused)}, which is as it was. "
                "The Extensions tab has its error."
            )
        return changed

    def save(self, filename: str | Path | None = None) -> None:
        """Writes all settings, those of extensions that are not there included."""
        if filename is not None:
            write_settings(Path(filename), self.data)
        else:
            self._write(self.data)

    def onchange(self, key: str, func: Callable[[], Any], call: bool = True) -> None:
        """Sets what a change calls, and calls it now."""
        self.data_labels[key].onchange = func
        if call:
            func()

    def reorder(self) -> None:
        """Puts the settings of a section together, as A1111 does; Settings does so by itself."""
        sections = list(dict.fromkeys(info.section for info in self.data_labels.values()))
        self.data_labels = dict(sorted(self.data_labels.items(), key=lambda item: sections.index(item[1].section)))

    def dumpjson(self) -> str:
        """Returns the values as the page's JavaScript has them in `opts`."""
        return json.dumps(
            {key: self.data.get(key, info.default) for key, info in self.data_labels.items()}, default=str
        )

    @staticmethod
    def same_type(value: Any, default: Any) -> bool:
        """Returns whether a value may stand for a default: of its type, or both numbers, or one of them None."""
        if value is None or default is None:
            return True
        numbers = (int, float)
        if type(value) in numbers and type(default) in numbers:
            return True
        return type(value) is type(default)

    def _write(self, data: dict[str, Any]) -> None:
        if self._path is not None:
            write_settings(self._path, data)

    def _tell(self, key: str) -> bool:
        onchange = self.data_labels[key].onchange
        if onchange is None:
            return True
        owner = self._owners.get(key, Owner("unknown", Path()))
        return self._boundary.attempt(
            owner, f"What the setting {key!r} calls when it changes", partial(_done, onchange), False
        )


def _done(work: Callable[[], Any]) -> bool:
    work()
    return True
