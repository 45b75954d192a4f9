"""`config.json`: the settings, which survive a restart."""

import json
import os
from pathlib import Path
from typing import Any

from ti_studio.errors import StudioError
from ti_studio.folders import atomic_write


class SettingsUnreadable(StudioError):
    """The settings are there and may not be read."""


class SettingsNotSaved(StudioError):
    """A setting has a value that the file can't hold; nothing was written."""


def read_settings(path: Path) -> tuple[dict[str, Any], str]:
    """Reads the settings; a file that is broken is put aside.

    Args:
        path: the file; a missing one has no settings.

    Returns:
        The settings, and what had to be told about them (`""`: nothing).

    Raises:
        SettingsUnreadable: the system refuses; going on would overwrite the file.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}, ""
    except OSError as error:
        raise SettingsUnreadable(f"The settings {path} can't be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        return {}, _put_aside(path, str(error))
    if not isinstance(data, dict):
        return {}, _put_aside(path, f"it holds {type(data).__name__}, expected an object")
    return data, ""


def write_settings(path: Path, data: dict[str, Any]) -> None:
    """Replaces the file as a whole.

    Raises:
        SettingsNotSaved: a value is none that JSON has.
        WriteFailed: the disk is full or the folder can't be written to; the old file is as it was.
    """
    for key, value in data.items():
        try:
            json.dumps(value)
        except (TypeError, ValueError) as error:
            raise SettingsNotSaved(f"The setting {key!r} can't be saved: {error}. Nothing was changed.") from error
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, json.dumps(data, indent=4, ensure_ascii=False).encode())


def _put_aside(path: Path, why: str) -> str:
    number = 1
    while (aside := path.with_name(f"{path.name}.broken-{number}")).exists():
        number += 1
    os.replace(path, aside)
    return f"The settings {path.name} were broken ({why}) and are kept as {aside.name}; all are at their defaults."
