"""Ready-made ways to train: for each name, what it is for and the values that it gives to a request's fields.

A preset is a way to fill in a `TrainRequest` and nothing more: what a training does is in its request alone. Imports no
torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from ti_studio.training.request import SAID, TrainRequest

PresetName = Literal["object", "style", "character", "negative", "quick", "thorough"]
DEFAULT_PRESET: PresetName = "object"
"""What the page begins with, and `python -m ti_studio train`."""

_EARLY = {"validation_every": 50, "patience": 4, "keep_best": True}
"""With five pictures the validations take 5 % of the time; a shorter look back stops before a slow word is through."""
_STEADY = {
    **_EARLY,
    "optimizer": "rsgd",
    "learning_rate": "0.1",
    "lr_scheduler": "cosine",
    "ema_decay": 0.9,
    "max_steps": 300,
}
"""Each row moves by the rate and no more, which means the same for every encoder's width, and less and less."""
_OF_A_THING = {
    **_STEADY,
    "optimizer": "natural",
    "learning_rate": "0.2",
    "lr_scheduler": "inverse_sqrt",
    "lr_timescale": 5,
    "max_timestep": 800,
    "template": "object_filewords.txt",
    "context_weight": 0.002,
}
"""Long steps at first; and nothing from the noisiest fifth of the timesteps, where the demo checkpoint's gradients are
chance."""


@dataclass(frozen=True)
class Preset:
    """One way to train."""

    purpose: str
    """What it is for, in a line."""
    values: Mapping[str, Any]
    """What it sets; everything else is as in the request."""


PRESETS: Mapping[PresetName, Preset] = {
    "object": Preset("A thing: one object, animal or building. What to begin with.", _OF_A_THING),
    "style": Preset(
        "A manner of painting or photographing. Use the word behind a prompt: a castle, art by my-style.",
        {
            **_EARLY,
            "template": "style_filewords.txt",
            "vectors_per_token": 4,
            "preview_prompts": ("a picture of a house, art by [name]", "a picture of a dog, art by [name]"),
        },
    ),
    "character": Preset(
        "A person or figure, whose left side is not its right: never mirrored, with room for more detail.",
        {**_OF_A_THING, "vectors_per_token": 4, "flip": False},
    ),
    "negative": Preset(
        "What pictures should not be, learned from bad ones. Use the word in the negative prompt, as the previews do.",
        {
            **_STEADY,
            "max_steps": 150,
            "template": "style_filewords.txt",
            "vectors_per_token": 4,
            "initialization_text": "bad, blurry",
            "preview_prompts": ("a photo of a dog", "a photo of a house"),
            "preview_negative_prompt": "[name]",
            "metadata_is_negative_embedding": True,
        },
    ),
    "quick": Preset(
        "A first look in a third of the steps, to see whether the pictures and captions teach the right thing.",
        {**_OF_A_THING, "context_weight": 0.005, "max_steps": 100, "preview_every": 50, "save_every": 50},
    ),
    "thorough": Preset(
        "Nearest to the pictures: longer steps, and nothing but the template keeps the rest of the prompt.",
        {**_STEADY, "learning_rate": "0.15", "template": "object_filewords.txt"},
    ),
}
"""What was tried on the demo checkpoint, and what was not, is in docs/log.md."""

SUGGESTED = ("initialization_text", "preview_prompts", "preview_negative_prompt")
"""Texts that presets only suggest: a form keeps what a person wrote there."""

NOT_DECIDED = frozenset(
    {
        "name",
        "more_words",
        "initialization_file",
        "overwrite",
        "dataset_directory",
        "folders",
        "mask_directory",
        "checkpoint",
        "vae",
        "metadata",
        "metadata_file",
        *(f"metadata_{what}" for what in SAID),
    }
    | {"width", "height", "clip_skip", "prediction_type", "precision", "gradient_checkpointing", "seed", "save_as"}
)
"""What is taught, from what, on which checkpoint and machine, and where it goes: no preset decides it."""

NO_PRESET: Literal["none"] = "none"
PRESET_CHOICES: tuple[str, ...] = (*get_args(PresetName), NO_PRESET)
"""What a person can ask for; `none` leaves everything as the request has it."""


def filled(preset: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns values for a request: those given, and the preset's for what is not.

    A preset's value that can't go with one that was given is left out.

    Raises:
        KeyError: there is no such preset.
    """
    if preset == NO_PRESET:
        return dict(given)
    values = dict(PRESETS[preset].values)  # type: ignore[index]  # any text may be asked for
    for name in _left_out(given):
        values.pop(name, None)
    return {**values, **given}


def recipe(preset: str) -> dict[str, Any]:
    """Returns the value of every field that a preset decides: those it sets, and the request's defaults for the rest.

    Raises:
        KeyError: there is no such preset.
    """
    values = {} if preset == NO_PRESET else PRESETS[preset].values  # type: ignore[index]  # any text may be asked for
    fields = {name: field for name, field in TrainRequest.model_fields.items() if name not in NOT_DECIDED}
    defaults = {name: field.get_default(call_default_factory=True) for name, field in fields.items()}
    return {**defaults, **values}


def suggestions(field: str) -> list[Any]:
    """Returns every value of a field that is the request's default or some preset's, and so nobody's own words."""
    default = TrainRequest.model_fields[field].get_default(call_default_factory=True)
    return [default, *(preset.values[field] for preset in PRESETS.values() if field in preset.values)]


def _left_out(given: Mapping[str, Any]) -> set[str]:
    """Returns the fields that a preset can't set beside what was given."""
    left_out: set[str] = set()
    if given.get("validation_every") == 0:
        left_out |= {"patience", "keep_best"}
    if given.keys() & {"learning_rate", "optimizer"}:  # a rate of its own falls as it says itself
        left_out |= {"lr_scheduler", "lr_timescale"}
    if "parametrization" in given:
        left_out |= {"norm_limit"} if given["parametrization"] == "direction" else {"prior_weight"}
    if "optimizer" in given:
        left_out |= {"optimizer_args", "learning_rate"}  # whose unit is the optimizer's own
    elif "learning_rate" in given:
        left_out |= {"optimizer", "optimizer_args"}
    if given.get("optimizer") == "schedulefree":
        left_out |= {"parametrization", "prior_weight", "norm_limit", "ema_decay"}
    return left_out
