"""Who may change pictures before they are saved, and is told of them afterwards."""

from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from ti_studio.generation.request import GenerateRequest


@dataclass
class Saving:
    """A picture on its way into a file. Its image and texts may be changed until it is there."""

    image: Image.Image
    texts: dict[str, str]
    """What the PNG holds as text; `parameters` is the infotext."""
    path: Path
    seed: int
    request: GenerateRequest


class Watcher:
    """Is asked about every picture that is saved; this one looks away."""

    def saving(self, saving: Saving) -> None:
        """A picture is about to be saved."""

    def saved(self, saving: Saving) -> None:
        """It was saved."""
