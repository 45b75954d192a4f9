"""The families of Stable Diffusion, as far as learned words care. Imports no torch."""

from collections.abc import Mapping
from dataclasses import dataclass

from ti_studio.prompts.layers import Layer


@dataclass(frozen=True)
class Family:
    """Checkpoints whose embeddings are interchangeable."""

    name: str
    encoders: tuple[str, ...]
    """The text encoders' keys in embedding files, in the order in which their outputs are joined."""
    architecture: str
    """The name in `modelspec.architecture` of the files it is written to."""
    layer: Layer
    """What the UNet listens to in the text encoders."""
    zero_negative: bool = False
    """An empty negative prompt is zeros, not an encoded empty text: as SDXL was trained, and A1111 paints."""


SD1 = Family("SD 1", ("clip_l",), "stable-diffusion-v1", Layer.BY_CLIP_SKIP)
SD2 = Family("SD 2", ("clip_h",), "stable-diffusion-v2", Layer.LAST)
SDXL = Family("SDXL", ("clip_l", "clip_g"), "stable-diffusion-xl-v1-base", Layer.PENULTIMATE, zero_negative=True)

_WIDTHS = {768: SD1, 1024: SD2}
"""The real widths of token embeddings. Other widths are those of small checkpoints, for demonstrations and tests."""


def family_of_pipeline(pipeline: str, text_config: Mapping[str, object]) -> Family | None:
    """Returns the family of a diffusers folder, or None for a pipeline that is none of them.

    Args:
        pipeline: `_class_name` of `model_index.json`.
        text_config: the first text encoder's `config.json`. SD 1 and SD 2 have the same pipeline; their text encoders
            differ in width, and in that OpenCLIP computes GELU where OpenAI's CLIP has a quick estimate of it.
    """
    if pipeline == "StableDiffusionXLPipeline":
        return SDXL
    if pipeline == "StableDiffusionPipeline":
        by_activation = SD2 if text_config.get("hidden_act") == "gelu" else SD1
        width = text_config.get("hidden_size")
        return _WIDTHS.get(width, by_activation) if isinstance(width, int) else by_activation
    return None
