"""The families of Stable Diffusion, as far as learned words care. Imports no torch."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """Checkpoints whose embeddings are interchangeable."""

    name: str
    encoders: tuple[str, ...]
    """The text encoders' keys in embedding files, in the order in which their outputs are joined."""
    architecture: str
    """The name in `modelspec.architecture` of the files it is written to."""


SD1 = Family("SD 1", ("clip_l",), "stable-diffusion-v1")
SD2 = Family("SD 2", ("clip_h",), "stable-diffusion-v2")
SDXL = Family("SDXL", ("clip_l", "clip_g"), "stable-diffusion-xl-v1-base")

SD2_WIDTH = 1024
"""The width of SD 2's text encoder, which tells it from SD 1 in a folder of the same pipeline class."""


def family_of_pipeline(pipeline: str, widths: Mapping[str, int]) -> Family | None:
    """Returns the family of a diffusers folder, or None for a pipeline that is none of them.

    Args:
        pipeline: `_class_name` of `model_index.json`.
        widths: hidden size of each text encoder folder (`text_encoder`, `text_encoder_2`).
    """
    if pipeline == "StableDiffusionXLPipeline":
        return SDXL
    if pipeline == "StableDiffusionPipeline":
        return SD2 if widths.get("text_encoder") == SD2_WIDTH else SD1
    return None
