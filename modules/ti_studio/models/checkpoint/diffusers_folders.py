"""Checkpoints that are folders in diffusers' layout, known from their configurations. Imports no torch."""

import json
from pathlib import Path
from typing import Any

from ti_studio.models.checkpoint.header_summary import (
    PREDICTION_TYPES,
    CheckpointSummary,
    UnknownCheckpoint,
    check_channels,
)
from ti_studio.models.checkpoint.headers import read_header
from ti_studio.models.families import family_of_pipeline

INDEX = "model_index.json"

ENCODER_PARTS = ("text_encoder", "text_encoder_2")
"""The folders of the text encoders, in the order of `Family.encoders`."""

HALF_VARIANT = "fp16"
HALF_MARK = f".{HALF_VARIANT}."
"""In the names of weights that a folder may have beside, or in place of, those in full precision."""


def summarize_folder(path: Path) -> CheckpointSummary:
    """Finds out what a folder holds.

    Raises:
        UnknownCheckpoint: a pipeline that can't be loaded, or a configuration or weights are missing or damaged.
        BrokenFile: a weights file is truncated or damaged.
    """
    pipeline = str(_read_json(path / INDEX).get("_class_name", "nothing"))
    text_config = _read_json(path / ENCODER_PARTS[0] / "config.json") if "StableDiffusion" in pipeline else {}
    family = family_of_pipeline(pipeline, text_config)
    if family is None:
        raise UnknownCheckpoint(
            f"{path} holds a {pipeline}; expected a StableDiffusionPipeline (SD 1, SD 2) or a "
            "StableDiffusionXLPipeline."
        )
    parts = ENCODER_PARTS[: len(family.encoders)]
    configs = [_read_json(path / part / "config.json") for part in parts]
    unet, vae = (_read_json(path / part / "config.json") for part in ("unet", "vae"))
    check_channels(path, unet.get("in_channels", 4))
    weights = tuple(file for part in (*parts, "unet", "vae") for file in _weights(path / part))
    for file in weights:
        read_header(file)
    factor = 2 ** (len(vae.get("block_out_channels", [0] * 4)) - 1)
    return CheckpointSummary(
        family=family,
        widths={key: int(config.get("hidden_size", 0)) for key, config in zip(family.encoders, configs, strict=True)},
        default_size=int(unet.get("sample_size", 64) * factor),
        prediction_type=_prediction_type(path),
        weights=weights,
    )


def _prediction_type(path: Path) -> str:
    prediction_type = str(_read_json(path / "scheduler" / "scheduler_config.json").get("prediction_type", "epsilon"))
    if prediction_type not in PREDICTION_TYPES:
        raise UnknownCheckpoint(f"{path} predicts {prediction_type!r}; expected {' or '.join(PREDICTION_TYPES)}.")
    return prediction_type


def half_precision_only(part: Path) -> bool:
    """Tells whether a part's only weights are diffusers' half precision ones, `*.fp16.safetensors`."""
    return not any(HALF_MARK not in file.name for file in part.glob("*.safetensors"))


def _weights(part: Path) -> list[Path]:
    only_half = half_precision_only(part)
    files = sorted(file for file in part.glob("*.safetensors") if only_half or HALF_MARK not in file.name)
    if not files:
        raise UnknownCheckpoint(f"{part} has no .safetensors file; expected the {part.name}'s weights there.")
    return files


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UnknownCheckpoint(f"{path} is missing; expected a diffusers folder with {path.name} in it.") from error
    except ValueError as error:
        raise UnknownCheckpoint(f"{path} is damaged: it is not JSON ({error}).") from error
    if not isinstance(content, dict):
        raise UnknownCheckpoint(f"{path} is damaged: it holds a {type(content).__name__}, expected an object.")
    return content
