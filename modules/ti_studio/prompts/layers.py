"""Which of a text encoder's layers a checkpoint listens to. Imports no torch."""

from enum import Enum

from ti_studio.errors import StudioError


class TooFewLayers(StudioError):
    """Clip skip goes back further than the text encoder has layers."""


class Layer(Enum):
    """The layer that the UNet was trained on, and whether the encoder's final normalisation follows it."""

    BY_CLIP_SKIP = "chosen"
    """SD 1: the last one, or the one that Clip skip names; normalised."""
    LAST = "last"
    """SD 2: the last one there is; normalised. Its files leave out OpenCLIP's last layer, so this is OpenCLIP's
    penultimate one. A1111's Clip skip does not move it."""
    PENULTIMATE = "penultimate"
    """SDXL: the one before the last, not normalised. A1111's Clip skip does not move it."""
