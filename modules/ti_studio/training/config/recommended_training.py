"""The training that a checkpoint's folder recommends: `recommended_training.json` beside `model_index.json`.

    {"about": "Found by experiment on this checkpoint.",
     "presets": {"object": {"optimizer": "natural", "learning_rate": "0.2"}}}

A preset that is named takes the place of the family's, whole: what it does not say is as in the request. Whoever made
the checkpoint has written the file, so it may set numbers and texts, and neither name files nor have code imported.
Imports no torch.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from ti_studio.errors import StudioError
from ti_studio.text_files import KILOBYTE, UnreadableText, read_text_file
from ti_studio.training.config.preset_kinds import DECIDED, PURPOSES, Preset, PresetName, Presets
from ti_studio.training.config.request import TrainRequest

FILE = "recommended_training.json"
MOST_BYTES = 64 * KILOBYTE


class BadRecommendation(StudioError):
    """A checkpoint recommends what no training can do, or may not recommend."""

    status = 422


class _Recommended(BaseModel):
    """What the file holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    about: str = Field(default="Recommended with this checkpoint.", max_length=500)
    """Where the values come from, in a line."""
    presets: dict[PresetName, dict[str, JsonValue]]
    """The values of presets, by fields of `TrainRequest`."""


def recommended_presets(checkpoint: Path) -> Presets:
    """Returns the presets that a checkpoint recommends; none for a single file, or a folder that has no such file.

    Raises:
        BadRecommendation: the file is too long, is damaged, or sets what there is not or what it may not; says where.
    """
    path = checkpoint / FILE
    if not checkpoint.is_dir():
        return {}
    try:
        text = read_text_file(path, MOST_BYTES)
    except FileNotFoundError:
        return {}
    except UnreadableText as error:
        raise BadRecommendation(str(error)) from error
    try:
        recommended = _Recommended.model_validate_json(text)
    except ValidationError as error:
        raise BadRecommendation(f"{path} can't be used: {_problem_text(error)}") from error
    return {
        name: Preset(PURPOSES[name], recommended.about, _values(path, name, v))
        for name, v in recommended.presets.items()
    }


def _values(path: Path, preset: PresetName, given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a preset's values as a request has them."""
    what = f"{path}, preset {preset}"
    for field in given:
        if field not in DECIDED:
            why = "is decided by no preset" if field in TrainRequest.model_fields else "is no option of a training"
            raise BadRecommendation(f"{what}: the field {field[:80]!r} {why}; expected one of {', '.join(DECIDED)}.")
    try:
        request = TrainRequest(name="word", **given)
    except ValidationError as error:
        raise BadRecommendation(f"{what}: {_problem_text(error)}") from error
    for field in ("optimizer", "lr_scheduler"):
        if "." in (name := getattr(request, field)):
            raise BadRecommendation(f"{what}: {field} is the class {name[:80]!r}; expected a short name.")
    if any(separator in request.template for separator in "/\\:"):
        raise BadRecommendation(f"{what}: template is the path {request.template[:80]!r}; expected a file's name.")
    return {field: getattr(request, field) for field in given}


def _problem_text(error: ValidationError) -> str:
    """Says what is wrong first."""
    problem = error.errors()[0]
    place = " ".join(str(part)[:80] for part in problem["loc"])
    message = str(problem["msg"]).removeprefix("Value error, ").rstrip(".")
    return f"{place}: {message}." if place else f"{message}."
