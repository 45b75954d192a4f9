"""DreamBench as it is laid out (github.com/google/dreambooth, dataset/): a folder of JPEGs for each subject, and
`prompts_and_classes.txt` with each subject's class and the prompts for objects and for animals."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ti_studio.errors import StudioError
from ti_studio.text_files import KILOBYTE, read_text_file

FILE = "prompts_and_classes.txt"
ALIVE = ("cat", "dog")
"""The classes of the subjects that get the prompts for animals."""
ENDINGS = (".jpg", ".jpeg", ".png")
_MOST_BYTES = 64 * KILOBYTE
_PROMPT = re.compile(r"'([^'\n]*\{0\} \{1\}[^'\n]*)'")
_CLASS = re.compile(r"^(\w+),([\w ]+)$", re.MULTILINE)


class NoDreamBench(StudioError):
    """A folder that is not laid out as DreamBench is."""


@dataclass(frozen=True)
class Subject:
    """One thing that is taught."""

    name: str
    kind: str
    """The word for its class: the initialization text, and what prompts say in the word's place for a text score."""
    folder: Path
    pictures: tuple[Path, ...]
    prompts: tuple[str, ...]
    """With {thing} in them."""


def read_subjects(folder: Path, only: Sequence[str] = ()) -> list[Subject]:
    """Returns the subjects of a dataset, in its order.

    Args:
        folder: the dataset.
        only: the names of those that are wanted; none for all.

    Raises:
        NoDreamBench: the file of prompts or a subject's folder is missing or empty; says which.
    """
    path = folder / FILE
    try:
        text = read_text_file(path, _MOST_BYTES)
    except FileNotFoundError as error:
        raise NoDreamBench(f"There is no {path}; expected DreamBench's dataset folder.") from error
    classes, _, rest = text.partition("Prompts")
    objects, _, animals = rest.partition("Live Subject Prompts")
    known = {name: kind for name, kind in _CLASS.findall(classes) if name != "subject_name"}
    unknown = [name for name in only if name not in known]
    if unknown or not known:
        found = ", ".join(known) or "none"
        raise NoDreamBench(f"{path} has no subject {', '.join(unknown) or 'at all'}; it has {found}.")
    return [
        Subject(
            name, kind, folder / name, _pictures(folder / name), _prompts(path, animals if kind in ALIVE else objects)
        )
        for name, kind in known.items()
        if not only or name in only
    ]


def _pictures(folder: Path) -> tuple[Path, ...]:
    found = [path for path in sorted(folder.glob("*")) if path.suffix.lower() in ENDINGS]
    if not found:
        raise NoDreamBench(f"There are no pictures in {folder}; expected some .jpg files.")
    return tuple(found)


def _prompts(path: Path, text: str) -> tuple[str, ...]:
    found = [prompt.replace("{0} {1}", "{thing}") for prompt in _PROMPT.findall(text)]
    if not found:
        raise NoDreamBench(f"{path} lacks prompts; expected lines such as 'a {{0}} {{1}} in the snow'.format(…).")
    return tuple(found)
