"""Reads the command lines of sd-scripts' Textual Inversion commands. Imports no torch."""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ti_studio.folders import atomic_write
from ti_studio.training.sd_scripts.options import COMMAND, DATASET, OPTIONS, OTHERS, TRAINING, BadConfiguration, Option
from ti_studio.training.sd_scripts.toml_files import read_toml

_DESCRIPTION = "Textual Inversion with sd-scripts' options. docs/sd-scripts.md says what each does here."


def read_options(arguments: Sequence[str], prog: str) -> dict[str, Any]:
    """Returns the options that are given, by their names; those of a `--config_file` come after the command line's.

    Raises:
        SystemExit: an option is unknown or its value can't be read, and argparse has said which; or the options were
            written into a file, as `--output_config` asks for.
        StudioError: the file of options is missing, or holds an unknown option; or it is to be written and is there.
    """
    parser = argparse.ArgumentParser(prog=prog, argument_default=argparse.SUPPRESS, description=_DESCRIPTION)
    groups = (("training", TRAINING), ("dataset", DATASET), ("command", COMMAND), ("accepted or refused", OTHERS))
    for title, options in groups:
        group = parser.add_argument_group(title)
        for option in options:
            _add(group, option)
    given = {name: value for name, value in vars(parser.parse_args(arguments)).items() if value != []}
    writes = given.pop("output_config", False)
    if "config_file" not in given:
        if writes:
            raise BadConfiguration("--output_config: --config_file is missing; expected the file to write.")
        return given
    path = Path(given.pop("config_file"))
    path = path if path.suffix else path.with_suffix(".toml")
    if writes:
        _write(given, path)
        parser.exit(message=f"The options are in {path}.\n")
    return {**_flat(read_toml(path), path), **given}


def _write(given: Mapping[str, Any], path: Path) -> None:
    """Writes options into a file that isn't there yet."""
    if path.exists():
        raise BadConfiguration(f"--output_config: {path} is there already; expected the name of a new file.")
    # What JSON makes of texts, numbers, truth and lists of them is TOML too, but for one character.
    lines = (f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in sorted(given.items()))
    atomic_write(path, "".join(lines).replace("\x7f", "\\u007f").encode())


def _flat(content: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Returns a file's options, whatever sections they stand in; those that are switched off are not given."""
    known = {option.name: option for option in OPTIONS}
    options: dict[str, Any] = {}
    for name, value in content.items():
        if isinstance(value, dict):
            options |= _flat(value, path)
        elif name not in known:
            raise BadConfiguration(f"{path}: {name} is unknown; expected an option of the command.")
        elif value is not False and value != []:
            kind = known[name].kind
            options[name] = kind(str(value)) if kind is not None and not known[name].several else value
    return options


def _add(group: Any, option: Option) -> None:
    text = option.help.replace("%", "%%")
    if option.without_effect:
        text += f" (changes nothing: {option.without_effect})"
    if option.kind is None:
        group.add_argument(option.flag, action="store_true", help=text)
        return
    reading: dict[str, Any] = {"nargs": "*"} if option.several else {}
    group.add_argument(option.flag, type=option.kind, choices=option.choices, help=text, **reading)
