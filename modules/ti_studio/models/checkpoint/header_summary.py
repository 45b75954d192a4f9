"""What is known of a checkpoint before a tensor of it is loaded. Imports no torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ti_studio.errors import StudioError
from ti_studio.models.families import Family

PREDICTION_TYPES = ("epsilon", "v_prediction")

LATENT_CHANNELS = 4


class UnknownCheckpoint(StudioError):
    """A file or folder that is no checkpoint the studio can load; the message says what was found."""


@dataclass(frozen=True)
class CheckpointSummary:
    """What a checkpoint is."""

    family: Family
    widths: Mapping[str, int]
    """Columns of each text encoder's token embeddings: `{"clip_l": 768}`."""
    default_size: int
    """Width and height in pixels of the pictures it was trained on."""
    prediction_type: str
    """`epsilon` or `v_prediction`."""
    weights: tuple[Path, ...]
    """The files that hold its tensors."""
    zero_terminal_snr: bool = False
    """A single file is marked as trained on a schedule that ends in pure noise; a folder's schedule says so itself."""
    notes: tuple[str, ...] = ()
    """What about it is a guess, for the person to know."""


def check_channels(path: Path, channels: object) -> None:
    """Checks that the UNet takes latents and nothing else.

    Raises:
        UnknownCheckpoint: it takes a mask or a second picture too.
    """
    if channels != LATENT_CHANNELS:
        raise UnknownCheckpoint(
            f"{path} has a UNet that takes {channels} channels, as inpainting and picture-editing checkpoints have; "
            f"expected one that takes {LATENT_CHANNELS}."
        )
