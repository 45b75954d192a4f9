"""Shows how far the first steps of each preset move a word's rows, in shares of the vocabulary's mean norm.

    python -m tools.random_checkpoint --family sd15 --output outputs/random-sd15.safetensors     # sd21, sdxl
    python tools/first_steps.py --ckpt outputs/random-sd15.safetensors

For a look at a preset's rate before anybody waits for a whole training. A checkpoint of the real shapes with random
weights is enough, because how far a row moves depends on the optimizer, the rate and the norms alone; what it moves
towards has no meaning then. SD 1.5 takes 2 GB on the disk and about 5 GB of memory, SDXL 7 GB and 20 GB; on a CPU a
step takes from half a minute to several minutes at their own sizes, so --size 256 may be enough.

For each preset and text encoder a line is printed: how far a row moved in the first step, in the median step, and from
its start to the last of these steps. They should be alike for every family, and no step longer than about a third.
"""

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

from PIL import Image, ImageDraw
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
for place in (ROOT, ROOT / "modules"):
    if str(place) not in sys.path:
        sys.path.insert(0, str(place))  # started as a file, Python looks for modules beside it only

from ti_studio.embeddings.formats.files import read_embedding  # noqa: E402
from ti_studio.models.checkpoint.checkpoints import identify  # noqa: E402
from ti_studio.models.hardware import hardware_for  # noqa: E402
from ti_studio.training.config.preset_kinds import PURPOSES  # noqa: E402
from ti_studio.training.config.presets import filled, presets_for  # noqa: E402
from ti_studio.training.config.request import TrainRequest  # noqa: E402
from ti_studio.training.events import Saved  # noqa: E402
from ti_studio.training.optim.parametrization import Rows, parametrize, vocabulary_norms  # noqa: E402
from ti_studio.training.output.initialization import starting_embedding  # noqa: E402
from tools.learning.studio import Studio  # noqa: E402

STEPS = 20


@dataclass(frozen=True)
class Moves:
    """How far the rows of one encoder moved, in shares of its vocabulary's mean norm."""

    steps: tuple[float, ...]
    """In each step, the rows' mean."""
    whole: float
    """From the first row to the last."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Reads the command line, trains, prints; returns the exit status."""
    options = parser().parse_args(arguments)
    info = identify(options.ckpt)
    studio = Studio(options.ckpt, hardware=hardware_for(info))
    presets = presets_for(info)
    print(f"{info.title}, {info.family.name}\n")
    print(f"| preset | encoder | first step | median step | in {options.steps} steps |")
    print("|---|---|--:|--:|--:|")
    for preset in options.presets:
        given = {"initialization_text": "cat", "width": options.size, "height": options.size}
        moved = first_steps(studio, filled(preset, given, presets), options.steps)
        for encoder, moves in moved.items():
            print(f"| {preset} | {encoder} | {moves.steps[0]:.3f} | {median(moves.steps):.3f} | {moves.whole:.3f} |")
    return 0


def parser() -> argparse.ArgumentParser:
    """Describes the command line."""
    described = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    described.add_argument("--ckpt", type=Path, required=True, help="the checkpoint's file or folder")
    described.add_argument("--presets", nargs="+", choices=list(PURPOSES), default=list(PURPOSES), metavar="PRESET",
                           help=f"of {', '.join(PURPOSES)} (default: all)")  # fmt: skip
    described.add_argument("--steps", type=int, default=STEPS, help=f"default: {STEPS}")
    described.add_argument("--size", type=int, help="pixels on each side (default: the checkpoint's own)")
    return described


def first_steps(studio: Studio, values: Mapping[str, object], steps: int = STEPS) -> dict[str, Moves]:
    """Makes the first steps of a training and returns how far the rows moved, for each text encoder.

    Args:
        studio: the checkpoint.
        values: the request's, less what is taught and from what.
        steps: how many; the schedule is still that of the whole training.
    """
    with tempfile.TemporaryDirectory() as temporary:
        pictures, job = Path(temporary) / "pictures", Path(temporary) / "job"
        _draw(pictures, studio.native_side)
        own = {"name": "firststeps", "dataset_directory": str(pictures), "save_every": 1, "preview_every": 0}
        request = TrainRequest(**{**values, **own, "validation_every": 0, "patience": 0, "keep_best": False,
                                  "ema_decay": 0.0})  # type: ignore[arg-type]  # fmt: skip
        rows = [_start(request, studio)]
        for event in studio.training(request, job, lambda: len(rows) > steps):
            if isinstance(event, Saved) and len(rows) <= steps:
                rows.append(dict(read_embedding(job / event.path).vectors))
    norms = vocabulary_norms(studio.model.encoders)
    return {encoder: _moves([each[encoder] for each in rows], norm) for encoder, norm in norms.items()}


def _start(request: TrainRequest, studio: Studio) -> Rows:
    """Returns the rows before the first step; directions are at the vocabulary's norm."""
    encoders = studio.model.encoders
    initial = {encoder: rows.float() for encoder, rows in starting_embedding(request, encoders).vectors.items()}
    before = parametrize(request, initial, vocabulary_norms(encoders))
    return {encoder: rows.detach() for encoder, rows in before.rows_of(before.parameters).items()}


def _moves(rows: Sequence[Tensor], norm: float) -> Moves:
    def share(one: Tensor, other: Tensor) -> float:
        return float((other - one).norm(dim=-1).mean()) / norm

    return Moves(tuple(share(*pair) for pair in pairwise(rows)), share(rows[0], rows[-1]))


def _draw(folder: Path, side: int) -> None:
    """Draws four pictures of a disc."""
    folder.mkdir()
    for number, colour in enumerate(("red", "green", "blue", "orange")):
        picture = Image.new("RGB", (side, side), "white")
        ImageDraw.Draw(picture).ellipse((side // 4, side // 4, side * 3 // 4, side * 3 // 4), fill=colour)
        picture.save(folder / f"{number}.png")


if __name__ == "__main__":
    sys.exit(main())
