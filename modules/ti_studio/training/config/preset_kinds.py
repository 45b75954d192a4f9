"""The kinds of ready-made ways to train: their names, what each is for, and what none decides. Imports no torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ti_studio.training.config.request import SAID, TrainRequest

PresetName = Literal["object", "style", "character", "negative", "quick", "thorough"]

PURPOSES: Mapping[PresetName, str] = {
    "object": "A thing: one object, animal or building. What to begin with.",
    "style": "A manner of painting or photographing. Use the word behind a prompt: a castle, art by my-style.",
    "character": "A person or figure, whose left side is not its right: never mirrored, with room for more detail.",
    "negative": "What pictures should not be, learned from bad ones. Use the word in the negative prompt, as the "
    "previews do.",
    "quick": "A first look in a third of the steps, to see whether the pictures and captions teach the right thing.",
    "thorough": "Nearest to the pictures: longer steps, and nothing but the template keeps the rest of the prompt.",
}


@dataclass(frozen=True)
class Preset:
    """One way to train checkpoints of one kind."""

    purpose: str
    """What it is for, in a line."""
    source: str
    """Whose values they are, in a line."""
    values: Mapping[str, Any]
    """What it sets; everything else is as in the request."""


Presets = Mapping[PresetName, Preset]
"""All of them, for one checkpoint."""

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

DECIDED = tuple(name for name in TrainRequest.model_fields if name not in NOT_DECIDED)
"""The fields that a preset may set."""
