"""sd-scripts' files of sample prompts: one a line, with `--w 512 --h 512 --d 1 --l 7.5 --s 30 --n blurry` behind it."""

import re
from dataclasses import dataclass
from pathlib import Path

from ti_studio.errors import NotFound
from ti_studio.training.sd_scripts.errors import BadConfiguration

_OPTION = re.compile(r"(w|h|d|s|l|n|ss|g|cn) +(.+)", re.DOTALL | re.IGNORECASE)
_NOT_HERE = ("g", "cn")


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
    """Reads a file of prompts; blank lines and lines that begin with # do not count.

    Raises:
        NotFound: there is no such file.
        BadConfiguration: it is no text file of prompts, or an option's value is none; says the line.
    """
    if path.suffix.lower() in (".toml", ".json"):
        raise BadConfiguration(f"{path} can't be read; expected a text file with one prompt a line.")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (FileNotFoundError, IsADirectoryError) as error:
        raise NotFound(f"There is no file of sample prompts {path}.") from error
    except UnicodeDecodeError as error:
        raise BadConfiguration(f"{path} is not UTF-8 text; expected prompts, one a line.") from error
    wanted = [(number, line.strip()) for number, line in enumerate(lines, 1)]
    return [_read_line(line, f"{path}, line {number}") for number, line in wanted if line and not line.startswith("#")]


def _read_line(line: str, place: str) -> SamplePrompt:
    prompt, *options = re.split(r"\s+--", line)
    found: dict[str, str] = {}
    for option in options:
        match = _OPTION.fullmatch(option.strip())
        if match is None or match.group(1).lower() in _NOT_HERE:
            raise BadConfiguration(f"{place}: --{option} is unknown; expected --w, --h, --d, --s, --l, --n or --ss.")
        found[match.group(1).lower()] = match.group(2).strip()
    try:
        return SamplePrompt(
            prompt=prompt.strip(),
            negative_prompt=found.get("n", ""),
            width=_side(found.get("w")),
            height=_side(found.get("h")),
            seed=int(found["d"]) if "d" in found else None,
            steps=max(1, min(150, int(found.get("s", 30)))),
            scale=max(1.0, min(30.0, float(found.get("l", 7.5)))),
            sampler=found.get("ss"),
        )
    except ValueError as error:
        raise BadConfiguration(f"{place}: {error}.") from error


def _side(text: str | None) -> int | None:
    return None if text is None else max(64, int(text) - int(text) % 8)
