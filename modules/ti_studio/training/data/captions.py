"""What a picture is said to show: its caption, and the prompts that templates make of it. Imports no torch."""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ti_studio.errors import NotFound, StudioError
from ti_studio.folders import OutsideFolder, expanded, inside, repository_root, resolved
from ti_studio.text_files import KILOBYTE, UnreadableText, read_text_file
from ti_studio.training.config.dataset import DatasetFolder

NAME = "[name]"
FILEWORDS = "[filewords]"

MOST_CHARACTERS = 10_000
"""Of a caption, or of one line of a template."""
_MOST_CAPTION_BYTES = 256 * KILOBYTE
"""Of a file, which may have many captions to draw from."""
_MOST_TEMPLATE_BYTES = 256 * KILOBYTE

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
        BadCaption: the file is no text, or says more than a caption can.
    """
    beside = picture.with_suffix(options.caption_extension)
    if not beside.is_file():
        return _LEADING_NUMBER.sub("", picture.stem) if options.class_tokens is None else options.class_tokens
    try:
        text = read_text_file(beside, _MOST_CAPTION_BYTES)
    except (FileNotFoundError, UnreadableText) as error:
        raise BadCaption(str(error)) from error
    lines = text.splitlines() if options.enable_wildcard else [text]
    captions = [" ".join(line.split()) for line in lines if line.strip()]
    longest = max(map(len, captions), default=0)
    if longest > MOST_CHARACTERS:
        raise BadCaption(f"{beside} has a caption of {longest:,} characters; expected {MOST_CHARACTERS:,} at most.")
    return "\n".join(captions)


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
            BadTemplate: it is no text, has no line, or has one without `[name]`, which would teach nothing. What the
                line says is not told: where requests may name any file, it may be one that is none of theirs.
        """
        try:
            text = read_text_file(path, _MOST_TEMPLATE_BYTES)
        except FileNotFoundError as error:
            raise NotFound(f"There is no prompt template {path}.") from error
        except UnreadableText as error:
            raise BadTemplate(f"{error} Expected prompts, one a line.") from error
        numbered = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
        if not numbered:
            raise BadTemplate(f"{path} has no prompt in it; expected at least one line with {NAME}.")
        for number, line in numbered:
            if NAME not in line:
                raise BadTemplate(f"{path}, line {number} lacks {NAME}, so it could teach the word nothing.")
            if len(line) > MOST_CHARACTERS:
                raise BadTemplate(
                    f"{path}, line {number} has {len(line):,} characters; expected {MOST_CHARACTERS:,} at most."
                )
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


def find_template(templates: Path, template: str, *, anywhere: bool = True) -> Path:
    """Returns the path of a template: a name in the user's folder, then among the shipped ones, else a path.

    Args:
        templates: the user's folder.
        template: the name or path.
        anywhere: whether a path may lead out of the two folders; if not, nothing is said of what lies there.

    Raises:
        NotFound: there is none; the message lists those there are.
        OutsideFolder: it leads where it may not.
    """
    path = expanded(template)
    folders = (templates, repository_root() / "textual_inversion_templates")
    for folder in folders:
        if path.name == template and (candidate := inside(folder, template)).is_file():
            return candidate
    for candidate in [resolved(path)] if anywhere else _inside_one_of(folders, template):
        if candidate.is_file():
            return candidate
    raise NotFound(f"There is no prompt template {template!r}. There are: {', '.join(list_templates(templates))}.")


def _inside_one_of(folders: Sequence[Path], template: str) -> list[Path]:
    paths = []
    for folder in folders:
        with suppress(OutsideFolder):
            paths.append(inside(folder, template))
    if not paths:
        raise OutsideFolder(f"The prompt template {template!r} leads out of {folders[0]}; expected a name.")
    return paths


def list_templates(templates: Path) -> Sequence[str]:
    """Returns the names of the templates that are there, the user's and the shipped ones."""
    folders = (templates, repository_root() / "textual_inversion_templates")
    return sorted({path.name for folder in folders if folder.is_dir() for path in folder.glob("*.txt")})
