"""TOML files as values."""

import sys
from pathlib import Path
from typing import Any

from ti_studio.errors import NotFound
from ti_studio.text_files import MEGABYTE, UnreadableText, read_text_file
from ti_studio.training.sd_scripts.options import BadConfiguration

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


_MOST_BYTES = 4 * MEGABYTE


def read_toml(path: Path) -> dict[str, Any]:
    """Returns what is in a TOML file.

    Raises:
        NotFound: there is no such file.
        BadConfiguration: it is no TOML; says the line.
    """
    try:
        return read_toml_text(read_text_file(path, _MOST_BYTES), str(path))
    except FileNotFoundError as error:
        raise NotFound(f"There is no file {path}; expected a TOML file.") from error
    except UnreadableText as error:
        raise BadConfiguration(f"{error} Expected TOML.") from error


def read_toml_text(text: str, place: str) -> dict[str, Any]:
    """Returns what a text in TOML says.

    Raises:
        BadConfiguration: it is no TOML, or too much of it; says where and in which line.
    """
    if len(text) > _MOST_BYTES:
        raise BadConfiguration(f"{place} has {len(text):,} characters; expected {_MOST_BYTES:,} at most.")
    try:
        content: dict[str, Any] = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadConfiguration(f"{place} is not TOML: {error}.") from error
    return content
