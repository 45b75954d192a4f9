"""Ways to train full-size checkpoints, each with the published evidence that it rests on (docs/presets.md).

Rates are shares of the vocabulary's mean norm (`learning_rate_unit`), so that they mean the same for every family and
for both of SDXL's text encoders. What was published as AdamW's rate r for SD 1 (rows of 768 numbers, 0.4 long in the
mean) moves a row by at most r·√768 in a step, which is r·√768 / 0.4 of that norm: 0.005 is 0.35. Imports no torch.
"""

from collections.abc import Mapping
from typing import Any

from ti_studio.training.config.preset_kinds import PURPOSES, Preset, PresetName, Presets

DIRECTIONAL = "Directional Textual Inversion (arXiv 2512.13672): its own command, which is for SDXL"
PLAIN = "Textual Inversion (arXiv 2208.01618) as A1111 has it: AdamW 0.005, some thousand steps"
PLAIN_SDXL = "diffusers' Textual Inversion of SDXL: AdamW 0.002"
PULLED = "invoke-training's sample for {family}: AdamW {rate}, 2,000 steps, rows drawn to the vocabulary's norm"
NOBODYS = ". No figures for words of this kind are published"

_OF_THE_VOCABULARY = {"learning_rate_unit": "vocabulary"}
_DIRECTIONAL = {
    **_OF_THE_VOCABULARY,
    "template": "object_filewords.txt",
    "parametrization": "direction",
    "prior_weight": 1e-4,
    "optimizer": "rsgd",
    "learning_rate": "0.01",
    "vectors_per_token": 1,
    "batch_size": 4,
    "max_steps": 400,
}
"""All steps are made, as they were for the published figures, and the last rows kept."""
_UNTIL_IT_IS_CALM = {"validation_every": 50, "patience": 6, "early_stopping": "variance"}
"""DVAR (arXiv 2302.04841), found on 48 concepts with SD 1: the variance of the last 300 steps' validations."""
_STYLE = {
    "template": "style_filewords.txt",
    "vectors_per_token": 4,
    "preview_prompts": ("a picture of a house, art by [name]", "a picture of a dog, art by [name]"),
}
_NEGATIVE = {
    "template": "style_filewords.txt",
    "vectors_per_token": 4,
    "initialization_text": "bad, blurry",
    "preview_prompts": ("a photo of a dog", "a photo of a house"),
    "preview_negative_prompt": "[name]",
    "metadata_is_negative_embedding": True,
}


def _plain(rate: str, steps: int) -> dict[str, Any]:
    """Returns plain Textual Inversion, until its loss is calm."""
    return {**_OF_THE_VOCABULARY, **_UNTIL_IT_IS_CALM, "optimizer": "adamw", "learning_rate": rate,
            "batch_size": 4, "max_steps": steps}  # fmt: skip


def _pulled(rate: str) -> dict[str, Any]:
    """Returns invoke-training's way."""
    return {
        **_OF_THE_VOCABULARY,
        "optimizer": "adamw",
        "learning_rate": rate,
        "lr_scheduler": "cosine",
        "lr_warmup_steps": 200,
        "min_snr_gamma": 5.0,
        "norm_pull": 0.1,
        "vectors_per_token": 4,
        "batch_size": 1,
        "max_steps": 2000,
    }


def _presets(made: Mapping[PresetName, tuple[str, Mapping[str, Any]]]) -> Presets:
    return {name: Preset(PURPOSES[name], source + ".", values) for name, (source, values) in made.items()}


def _of_sd(family: str) -> Presets:
    """Returns the presets of SD 1 and SD 2, for which the same was published."""
    thing = "object_filewords.txt"
    pulled = PULLED.format(family="SD 1", rate="0.004")
    return _presets(
        {
            "object": (f"{DIRECTIONAL}; the paper has figures for {family} too", _DIRECTIONAL),
            "style": (PLAIN, {**_plain("0.35", 3000), **_STYLE}),
            "character": (pulled, {**_pulled("0.28"), "template": thing, "flip": False}),
            "negative": (PLAIN + NOBODYS, {**_plain("0.35", 3000), **_NEGATIVE}),
            "quick": (DIRECTIONAL, {**_DIRECTIONAL, "max_steps": 130, "preview_every": 50, "save_every": 50}),
            "thorough": (PLAIN, {**_plain("0.35", 6000), "template": thing}),
        }
    )


def _of_sdxl() -> Presets:
    thing = "object_filewords.txt"
    pulled = PULLED.format(family="SDXL", rate="0.002")
    return _presets(
        {
            "object": (DIRECTIONAL, _DIRECTIONAL),
            "style": (pulled, {**_pulled("0.14"), **_STYLE}),
            "character": (pulled, {**_pulled("0.14"), "template": thing, "flip": False}),
            "negative": (PLAIN_SDXL + NOBODYS, {**_plain("0.14", 2000), **_NEGATIVE}),
            "quick": (DIRECTIONAL, {**_DIRECTIONAL, "max_steps": 130, "preview_every": 50, "save_every": 50}),
            "thorough": (PLAIN_SDXL, {**_plain("0.14", 2000), "template": thing}),
        }
    )


PUBLISHED: Mapping[str, Presets] = {"SD 1": _of_sd("SD 1.5"), "SD 2": _of_sd("SD 2.1"), "SDXL": _of_sdxl()}
"""By the family's name."""
