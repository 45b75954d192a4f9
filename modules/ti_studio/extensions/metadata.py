"""`metadata.ini`: what an extension is called, what it requires, and the order that its scripts and callbacks want.

The format is A1111's (its `modules/extensions.py`).
"""

import configparser
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ti_studio.errors import StudioError

FILE = "metadata.ini"
ALL_SCRIPTS = "scripts"
SCRIPT = "scripts/"
CALLBACK = "callbacks/"


class BadMetadata(StudioError):
    """A `metadata.ini` can't be read."""


@dataclass(frozen=True)
class Order:
    """Names of others, in lower case: extensions, or `extension/script.py`; callbacks by their full names."""

    requires: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    """Those that this one goes before."""
    after: tuple[str, ...] = ()
    """Those that this one goes after."""


@dataclass(frozen=True)
class Metadata:
    """What an extension says of itself."""

    name: str
    """What others require it by, in lower case."""
    requires: tuple[str, ...] = ()
    """Extensions that it needs; `a|b` is satisfied by either."""
    scripts: Mapping[str, Order] = field(default_factory=dict)
    """By the script's file name in lower case; `""` holds for all."""
    callbacks: Mapping[str, Order] = field(default_factory=dict)
    """By the callback's full name, `extension/script.py/ui_tabs`."""

    def order_of(self, script: str) -> Order:
        """Returns what holds for a script, its own rules and those for all together."""
        own, shared = self.scripts.get(script.lower(), Order()), self.scripts.get("", Order())
        return Order((*own.requires, *shared.requires), (*own.before, *shared.before), (*own.after, *shared.after))


def read_metadata(folder: Path) -> Metadata:
    """Reads an extension's `metadata.ini`; one without says nothing but its folder's name.

    Raises:
        BadMetadata: the file is there and can't be read.
    """
    path = folder / FILE
    config = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        config.read_string(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return Metadata(folder.name.lower())
    except (configparser.Error, UnicodeDecodeError, OSError) as error:
        why = " ".join(str(error).split())
        raise BadMetadata(
            f"{FILE} can't be read: {why}. Expected sections such as [Extension] with Name = …"
        ) from error
    sections = {section: config[section] for section in config.sections()}
    return Metadata(
        name=config.get("Extension", "Name", fallback="").strip().lower() or folder.name.lower(),
        requires=_names(config.get("Extension", "Requires", fallback="")),
        scripts={
            name[len(SCRIPT) :].lower() if name != ALL_SCRIPTS else "": _order(rules)
            for name, rules in sections.items()
            if name == ALL_SCRIPTS or name.startswith(SCRIPT)
        },
        callbacks={
            name[len(CALLBACK) :]: _order(rules, lower=False)
            for name, rules in sections.items()
            if name.startswith(CALLBACK)
        },
    )


def _order(rules: Mapping[str, str], *, lower: bool = True) -> Order:
    requires, before, after = (_names(rules.get(key, ""), lower=lower) for key in ("Requires", "Before", "After"))
    return Order(requires, before, after)


def _names(text: str, *, lower: bool = True) -> tuple[str, ...]:
    """Commas and spaces both separate names."""
    return tuple(name for name in re.split(r"[,\s]+", text.lower() if lower else text) if name)
