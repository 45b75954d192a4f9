"""Ready-made ways to train a checkpoint, and how they fill in a request.

A preset is a way to fill in a `TrainRequest` and nothing more: what a training does is in its request alone. Its values
are those that the checkpoint's folder recommends, else what is published for its family. Imports no torch.
"""

from collections.abc import Mapping
from typing import Any, Literal, get_args

from ti_studio.models.checkpoint.checkpoints import CheckpointInfo
from ti_studio.training.config.preset_kinds import DECIDED, PresetName, Presets
from ti_studio.training.config.published_presets import PUBLISHED
from ti_studio.training.config.recommended_training import recommended_presets
from ti_studio.training.config.regularization import LEAST_WINDOW
from ti_studio.training.config.request import TrainRequest

DEFAULT_PRESET: PresetName = "object"
"""What the page begins with, and `python -m ti_studio train`."""

NO_PRESET: Literal["none"] = "none"
PRESET_CHOICES: tuple[str, ...] = (*get_args(PresetName), NO_PRESET)
"""What a person can ask for; `none` leaves everything as the request has it."""


def presets_for(info: CheckpointInfo) -> Presets:
    """Returns every preset with its values for a checkpoint.

    Raises:
        BadRecommendation: what its folder recommends can't be used.
    """
    return {**PUBLISHED[info.family.name], **recommended_presets(info.path)}


def filled(preset: str, given: Mapping[str, Any], presets: Presets) -> dict[str, Any]:
    """Returns values for a request: those given, and the preset's for what is not.

    A preset's value that can't go with one that was given is left out.

    Raises:
        KeyError: there is no such preset.
    """
    if preset == NO_PRESET:
        return dict(given)
    values = dict(presets[preset].values)  # type: ignore[index]  # any text may be asked for
    for name in _left_out(given, values):
        values.pop(name, None)
    return {**values, **given}


def recipe(preset: str, presets: Presets) -> dict[str, Any]:
    """Returns the value of every field that a preset decides: those it sets, and the request's defaults for the rest.

    Raises:
        KeyError: there is no such preset.
    """
    values = {} if preset == NO_PRESET else presets[preset].values  # type: ignore[index]  # any text may be asked for
    return {**{name: _default(name) for name in DECIDED}, **values}


def suggestions(field: str, presets: Presets) -> list[Any]:
    """Returns every value of a field that is the request's default or some preset's, and so nobody's own words."""
    every = [preset for known in (presets, *PUBLISHED.values()) for preset in known.values()]
    return [_default(field), *(preset.values[field] for preset in every if field in preset.values)]


def _default(field: str) -> Any:
    return TrainRequest.model_fields[field].get_default(call_default_factory=True)


def _left_out(given: Mapping[str, Any], values: Mapping[str, Any]) -> set[str]:
    """Returns those of a preset's values that it can't set beside what was given."""
    left_out: set[str] = set()
    if given.get("validation_every") == 0:
        left_out |= {"patience", "keep_best"}
    patience = given.get("patience")
    if isinstance(patience, int) and 0 < patience < LEAST_WINDOW:
        left_out |= {"early_stopping"}
    if "parametrization" in given:
        left_out |= {"norm_limit", "norm_pull"} if given["parametrization"] == "direction" else {"prior_weight"}
    if given.get("optimizer") == "schedulefree":
        left_out |= {"parametrization", "prior_weight", "norm_limit", "norm_pull", "ema_decay"}
    return left_out | _left_out_of_the_rate(given, values)


def _left_out_of_the_rate(given: Mapping[str, Any], values: Mapping[str, Any]) -> set[str]:
    """A rate is one optimizer's, in one unit, and falls as it says itself."""
    left_out: set[str] = set()
    if given.keys() & {"learning_rate", "optimizer"}:
        left_out |= {"lr_scheduler", "lr_timescale", "lr_warmup_steps", "learning_rate_unit"}
    if "optimizer" in given:
        left_out |= {"optimizer_args", "learning_rate"}
    elif "learning_rate" in given:
        left_out |= {"optimizer", "optimizer_args"}
    unit = values.get("learning_rate_unit", _default("learning_rate_unit"))
    if given.get("learning_rate_unit", unit) != unit:
        left_out |= {"learning_rate"}
    return left_out
