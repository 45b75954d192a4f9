"""TOML files as values."""

import sys
from pathlib import Path
from typing import Any

from ti_studio.errors import NotFound
from ti_studio.training.sd_scripts.errors import BadConfiguration

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def read_toml(path: Path) -> dict[str, Any]:
    """Returns what is in a TOML file.

    Raises:
        NotFound: there is no such file.
        BadConfiguration: it is no TOML; says the line.
    """
    try:
        content: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        return content
    except (FileNotFoundError, IsADirectoryError) as error:
        raise NotFound(f"There is no file {path}; expected a TOML file.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadConfiguration(f"{path} is not TOML: {error}.") from error
