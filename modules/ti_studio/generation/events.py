"""What txt2img tells while it works."""

from dataclasses import dataclass
from pathlib import Path

from PIL import Image


@dataclass(frozen=True)
class Loading:
    """The checkpoint is being loaded."""

    text: str


@dataclass(frozen=True)
class Notice:
    """Something about the prompt that the person should know, such as a word that could not be used."""

    text: str


@dataclass(frozen=True)
class DenoisingProgress:
    """One denoising step of one batch is done."""

    step: int
    """Steps done, over all batches."""
    steps: int
    """Steps of all batches together."""


@dataclass(frozen=True)
class Picture:
    """A finished picture."""

    image: Image.Image
    infotext: str
    seed: int
    path: Path | None = None
    """Where it was saved."""
    files: tuple[str, ...] = ()
    """The embeddings in its prompts, by path in the library."""


GenerationEvent = Loading | Notice | DenoisingProgress | Picture
