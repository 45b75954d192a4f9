"""What a picture is said to show: its caption, and the prompts that templates make of it. Imports no torch."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ti_studio.errors import NotFound, StudioError
from ti_studio.folders import inside, repository_root
from ti_studio.training.dataset_options import DatasetFolder

NAME = "[name]"
FILEWORDS = "[filewords]"

_LEADING_NUMBER = re.compile(r"^[-\d]+\s*")


class BadTemplate(StudioError):
    """A prompt template that can't teach a word."""


class BadCaption(StudioError):
    """A caption file that can't be read."""


def read_caption(picture: Path, options: DatasetFolder) -> str:
    """Returns the text of the caption file beside a picture; without one, the class tokens of its folder, or the
    picture's name less a leading number, as in A1111 (`01-a red ball.png` → `a red ball`).

    The text is one line, unless the folder's wildcards make each line a caption of its own.

    Raises:
        BadCaption: the file is not UTF-8 text.
    """
    beside = picture.with_suffix(options.caption_extension)
    if not beside.is_file():
        return _LEADING_NUMBER.sub("", picture.stem) if options.class_tokens is None else options.class_tokens
    try:
        text = beside.read_text(encoding="utf-8-sig")
        if options.enable_wildcard:
            return "\n".join(" ".join(line.split()) for line in text.splitlines() if line.strip())
        return " ".join(text.split())
    except UnicodeDecodeError as error:
        raise BadCaption(
            f"{beside} is not UTF-8 text: byte {error.start} is {error.object[error.start]:#04x}."
        ) from error


@dataclass(frozen=True)
class PromptTemplate:
    """A file of prompts, one a line, with `[name]` and `[filewords]` in them."""

    path: Path
    lines: tuple[str, ...]

    @classmethod
    def read(cls, path: Path) -> "PromptTemplate":
        """Reads a template file; blank lines do not count.

        Raises:
            NotFound: there is no such file.
            BadTemplate: it is no text, has no line, or has one without `[name]`, which would teach nothing.
        """
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (FileNotFoundError, IsADirectoryError) as error:
            raise NotFound(f"There is no prompt template {path}.") from error
        except UnicodeDecodeError as error:
            raise BadTemplate(f"{path} is not UTF-8 text; expected prompts, one a line.") from error
        numbered = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
        if not numbered:
            raise BadTemplate(f"{path} has no prompt in it; expected at least one line with {NAME}.")
        for number, line in numbered:
            if NAME not in line:
                raise BadTemplate(f"{path}, line {number}: {line!r} lacks {NAME}, so it could teach the word nothing.")
        return cls(path, tuple(line for _, line in numbered))

    def prompts(self, name: str, caption: str) -> tuple[str, ...]:
        """Returns every line with the word and the caption put in; a caption may hold `[name]` itself."""
        return tuple(self.prompt(index, name, caption) for index in range(len(self.lines)))

    def prompt(self, index: int, name: str, caption: str) -> str:
        """Returns one line so."""
        return tidy(self.lines[index].replace(FILEWORDS, caption).replace(NAME, name))


def tidy(prompt: str) -> str:
    """Takes out the stray comma that an empty caption leaves behind."""
    return re.sub(r"\s+,", ",", prompt).strip().strip(",").strip()


def find_template(templates: Path, wanted: str) -> Path:
    """Returns the path of a template: a name in the user's folder, then among the shipped ones, else a path.

    Raises:
        NotFound: there is none; the message lists those there are.
    """
    folders = (templates, repository_root() / "textual_inversion_templates")
    for folder in folders:
        if Path(wanted).name == wanted and (path := inside(folder, wanted)).is_file():
            return path
    path = Path(wanted).expanduser()
    if path.is_file():
        return path.resolve()
    raise NotFound(f"There is no prompt template {wanted!r}. There are: {', '.join(list_templates(templates))}.")


def list_templates(templates: Path) -> Sequence[str]:
    """Returns the names of the templates that are there, the user's and the shipped ones."""
    folders = (templates, repository_root() / "textual_inversion_templates")
    return sorted({path.name for folder in folders if folder.is_dir() for path in folder.glob("*.txt")})
