"""sd-scripts' files of sample prompts: text with one a line and `--w 512 --h 512 --d 1 --l 7.5 --s 30 --n blurry`
behind it, JSON, or TOML."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ti_studio.errors import NotFound
from ti_studio.text_files import MEGABYTE, UnreadableText, read_text_file
from ti_studio.training.sd_scripts.options import BadConfiguration
from ti_studio.training.sd_scripts.toml_files import read_toml

_OPTION = re.compile(r"(w|h|d|s|l|n|ss|g|cn) +(.+)", re.DOTALL | re.IGNORECASE)
_MOST_BYTES = 4 * MEGABYTE
_NOT_HERE = ("g", "cn")
_LETTERS: Mapping[str, str] = {
    "negative_prompt": "n",
    "width": "w",
    "height": "h",
    "seed": "d",
    "sample_steps": "s",
    "scale": "l",
    "sample_sampler": "ss",
}
"""The names of the options in JSON and TOML."""


@dataclass(frozen=True)
class SamplePrompt:
    """One picture that is asked for."""

    prompt: str
    negative_prompt: str = ""
    width: int | None = None
    height: int | None = None
    seed: int | None = None
    steps: int = 30
    scale: float = 7.5
    sampler: str | None = None


def read_sample_prompts(path: Path) -> list[SamplePrompt]:
    """Reads a file of prompts. In a text file blank lines and lines that begin with # do not count; a JSON file is a
    list of lines or of objects; a TOML file has `[prompt]` with what all share, and `[[prompt.subset]]`.

    Raises:
        NotFound: there is no such file.
        BadConfiguration: it is no file of prompts, or an option's value is none; says where.
    """
    if path.suffix.lower() == ".toml":
        shared = read_toml(path).get("prompt")
        if not isinstance(shared, dict) or not isinstance(shared.get("subset"), list):
            raise BadConfiguration(f"{path} has no [[prompt.subset]]; expected one for each picture.")
        subsets = shared.pop("subset")
        return [_read_object({**shared, **_table(s, path)}, f"{path}, subset {n}") for n, s in enumerate(subsets, 1)]
    text = _read_text(path)
    if path.suffix.lower() == ".json":
        return _read_json(text, path)
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    return [_read_line(line, f"{path}, line {number}") for number, line in lines if line and not line.startswith("#")]


def _read_text(path: Path) -> str:
    try:
        return read_text_file(path, _MOST_BYTES)
    except FileNotFoundError as error:
        raise NotFound(f"There is no file of sample prompts {path}.") from error
    except UnreadableText as error:
        raise BadConfiguration(f"{error} Expected prompts, one a line.") from error


def _read_json(text: str, path: Path) -> list[SamplePrompt]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadConfiguration(f"{path} is not JSON: {error}.") from error
    if not isinstance(content, list):
        raise BadConfiguration(f"{path} holds a {type(content).__name__}; expected a list of prompts.")
    return [
        _read_line(entry, f"{path}, prompt {number}")
        if isinstance(entry, str)
        else _read_object(_table(entry, path), f"{path}, prompt {number}")
        for number, entry in enumerate(content, 1)
    ]


def _table(entry: object, path: Path) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise BadConfiguration(f"{path}: found {entry!r}; expected a prompt with its options.")
    return entry


def _read_object(entry: Mapping[str, Any], place: str) -> SamplePrompt:
    prompt = entry.get("prompt")
    if not isinstance(prompt, str):
        raise BadConfiguration(f"{place}: prompt is {prompt!r}; expected a text.")
    unknown = set(entry) - {"prompt", "enum", *_LETTERS}
    if unknown:
        raise BadConfiguration(f"{place}: {min(unknown)} is unknown; expected prompt, {', '.join(_LETTERS)}.")
    return _sample(prompt, {_LETTERS[name]: str(value) for name, value in entry.items() if name in _LETTERS}, place)


def _read_line(line: str, place: str) -> SamplePrompt:
    prompt, *parts = re.split(r"\s+--", line)
    options: dict[str, str] = {}
    for option in parts:
        match = _OPTION.fullmatch(option.strip())
        if match is None or match.group(1).lower() in _NOT_HERE:
            raise BadConfiguration(f"{place}: --{option} is unknown; expected --w, --h, --d, --s, --l, --n or --ss.")
        options[match.group(1).lower()] = match.group(2).strip()
    return _sample(prompt, options, place)


def _sample(prompt: str, options: Mapping[str, str], place: str) -> SamplePrompt:
    """Returns a prompt with its options by their letters, as sd-scripts bounds them."""
    try:
        return SamplePrompt(
            prompt=prompt.strip(),
            negative_prompt=options.get("n", ""),
            width=_side(options.get("w")),
            height=_side(options.get("h")),
            seed=int(options["d"]) if "d" in options else None,
            steps=max(1, min(150, int(options.get("s", 30)))),
            scale=max(1.0, min(30.0, float(options.get("l", 7.5)))),
            sampler=options.get("ss"),
        )
    except ValueError as error:
        raise BadConfiguration(f"{place}: {error}.") from error


def _side(text: str | None) -> int | None:
    return None if text is None else max(64, int(text) - int(text) % 8)
