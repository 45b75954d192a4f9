"""From an infotext, pasted or found in a picture, back to the request that made it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from PIL import Image
from pydantic import ValidationError

from ti_studio.embeddings.formats.png_embeddings import MAX_PIXELS, PICTURE_DAMAGE, known_formats, picture_problem
from ti_studio.embeddings.library.library import Entry, Library
from ti_studio.errors import StudioError
from ti_studio.generation.infotext import SHORT_HASH, model_name
from ti_studio.generation.request import GenerateRequest
from ti_studio.generation.samplers import SAMPLERS, automatic_sampler
from ti_studio.models.checkpoint.checkpoints import CheckpointInfo
from ti_studio.prompts.grammar import Emphasis

MOST_CHARACTERS = 100_000
"""Of an infotext: two long prompts, and more settings than any program writes."""

_NEGATIVE = "Negative prompt:"
_SETTING = re.compile(r'(?P<key>\w[\w \-/]{0,60}):\s*(?P<value>"(?:\\.|[^\\"])*"|[^,]*)(?:,|$)')
_FEWEST_SETTINGS = 3
"""A last line with fewer settings than this is part of the prompt, as in A1111."""
_SIZE = re.compile(r"(\d{1,5})x(\d{1,5})")
_SIDES = ("width", "height")
_SCHEDULE_TYPES = ("Karras", "Uniform", "Automatic")
_FIELDS = {
    **{"Steps": "steps", "CFG scale": "cfg_scale", "Seed": "seed", "Clip skip": "clip_skip", "Emphasis": "emphasis"},
    **{"Eta": "eta", "Eta DDIM": "eta"},
}
_FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "JXL", "GIF", "TIFF")
_USER_COMMENT = 0x9286
_EXIF_IFD = 0x8769


class NoInfotext(StudioError):
    """A text or picture that does not say how it was made."""


@dataclass(frozen=True)
class Infotext:
    """What an infotext says."""

    prompt: str
    negative_prompt: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Every setting of the last line, by A1111's name."""

    @property
    def embeddings(self) -> dict[str, str]:
        """The short hash of each embedding that was used, by word."""
        pairs = (pair.rpartition(":") for pair in self.settings.get("TI hashes", "").split(","))
        return {word.strip(): digest.strip().lower() for word, _, digest in pairs if word.strip() and digest.strip()}


def read_infotext(text: str) -> Infotext:
    """Reads an infotext of A1111's form: the prompt, `Negative prompt:`, and a line of settings, each optional.

    Raises:
        NoInfotext: the text is empty, or longer than any is.
    """
    if len(text) > MOST_CHARACTERS:
        raise NoInfotext(f"The text has {len(text):,} characters; expected an infotext of at most {MOST_CHARACTERS:,}.")
    lines = text.strip().splitlines()
    if not lines:
        raise NoInfotext("There is no text; expected a prompt and a line such as Steps: 20, Sampler: Euler a, …")
    matches = list(_SETTING.finditer(lines[-1]))
    settings = {}
    if len(matches) >= _FEWEST_SETTINGS:
        settings = {match["key"]: _unquoted(match["value"]) for match in matches}
        lines.pop()
    prompt: list[str] = []
    negative: list[str] = []
    for line in lines:
        if line.strip().startswith(_NEGATIVE):
            negative.append(line.strip().removeprefix(_NEGATIVE).strip())
        else:
            (negative or prompt).append(line)
    return Infotext("\n".join(prompt).strip(), "\n".join(negative).strip(), settings)


def infotext_of(picture: bytes) -> str:
    """Returns the infotext that a picture carries: PNG's text chunk `parameters`, or the EXIF comment of the others.

    Raises:
        NoInfotext: the file is no picture, or carries none.
    """
    try:
        with Image.open(BytesIO(picture), formats=known_formats(_FORMATS, picture)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise NoInfotext(
                    f"The picture has {image.width}×{image.height} pixels; expected at most {MAX_PIXELS:,}."
                )
            text = image.info.get("parameters")
            comment = image.getexif().get_ifd(_EXIF_IFD).get(_USER_COMMENT)
    except PICTURE_DAMAGE as error:
        raise NoInfotext(f"The file is no picture that can be read: {picture_problem(error)}.") from error
    if isinstance(text, str) and text.strip():
        return text
    if isinstance(comment, bytes) and comment.startswith(b"UNICODE\0"):
        return comment.removeprefix(b"UNICODE\0").decode("utf-16-be", errors="replace")
    raise NoInfotext("The picture does not say how it was made: it has no text chunk named parameters.")


@dataclass(frozen=True)
class Restored:
    """A request as it was, and what can't be as it was."""

    request: GenerateRequest
    notices: tuple[str, ...]


def restored(infotext: Infotext, current: GenerateRequest) -> Restored:
    """Returns the request that an infotext describes; what it does not say, or says in a way that is not known here,
    stays as it is now."""
    prompts = {"prompt": infotext.prompt, "negative_prompt": infotext.negative_prompt}
    if not infotext.settings:
        return Restored(current.model_copy(update=prompts), ())
    values = {**current.model_dump(), **prompts, **_values(infotext.settings)}
    notices = []
    sampler = infotext.settings.get("Sampler")
    sampler_name = None if sampler is None else _sampler(sampler, infotext.settings.get("Schedule type"))
    if sampler_name is not None:
        values["sampler"] = sampler_name
    elif sampler is not None:
        notices.append(f"There is no sampler {sampler!r} here; {current.sampler} stays.")
    try:
        request = GenerateRequest(**values)
    except ValidationError as error:
        for problem in error.errors():
            name = str(problem["loc"][0])
            notices.append(f"{name} {problem['input']!r} can't be used here: {problem['msg']}.")
            for each in _SIDES if name in _SIDES else (name,):  # half a size is none
                values[each] = getattr(current, each)
        request = GenerateRequest(**values)
    return Restored(request, tuple(notices))


def _values(settings: Mapping[str, str]) -> dict[str, Any]:
    """Returns the request's fields that the settings state; one picture of that seed."""
    # Infotexts name these only where they are not so.
    values: dict[str, Any] = {"count": 1, "clip_skip": 1, "emphasis": Emphasis.ORIGINAL, "eta": None}
    values |= {name: settings[key] for key, name in _FIELDS.items() if key in settings}
    size = _SIZE.fullmatch(settings.get("Size", ""))
    if size:
        values |= {"width": int(size[1]), "height": int(size[2])}
    return values


def doubts(infotext: Infotext, library: Library, info: CheckpointInfo) -> Iterator[str]:
    """Yields a sentence for what is not as it was when the picture was made: another checkpoint, an embedding that is
    not there or is another file; a file of the same content under another name is offered."""
    made_with = infotext.settings.get("Model")
    if made_with and model_name(made_with) != model_name(info.title):
        yield f"The picture was made with the checkpoint {made_with}; {info.title} is loaded."
    library.refresh()
    entries = library.entries(info.widths, info.family.name)
    here = {entry.word.lower(): entry for entry in entries if entry.conflict is None}
    for word, digest in infotext.embeddings.items():
        entry = here.get(word.lower())
        if entry is not None and library.sha256(entry)[:SHORT_HASH].startswith(digest[:SHORT_HASH]):
            continue
        same = _same_content(entries, library, digest)
        offered = f"; {same.relative} is the same file under another name" if same else ""
        if entry is None:
            yield f"The embedding {word} is not there{offered}."
        else:
            yield f"The embedding {word} is another file than the picture was made with ({digest}){offered}."


def _same_content(entries: tuple[Entry, ...], library: Library, digest: str) -> Entry | None:
    for entry in entries:
        if library.sha256(entry).startswith(digest):
            return entry
    return None


def _unquoted(value: str) -> str:
    value = value.strip()
    if value.startswith('"') and value.endswith('"') and len(value) > 1:
        return re.sub(r"\\(.)", r"\1", value[1:-1])
    return value


def _sampler(name: str, schedule_type: str | None) -> str | None:
    """Returns our name of A1111's sampler; older infotexts have the schedule's type at the end of the name."""
    for known in _SCHEDULE_TYPES:
        if schedule_type is None and name.endswith(f" {known}"):
            name, schedule_type = name.removesuffix(f" {known}"), known
    same_name = [sampler for sampler in SAMPLERS if sampler.plain_name.lower() == name.lower()]
    if same_name and schedule_type == "Automatic":
        return automatic_sampler(same_name).name
    schedule = schedule_type or "Uniform"
    return next((sampler.name for sampler in same_name if (sampler.schedule_type or schedule) == schedule), None)
