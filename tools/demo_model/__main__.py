"""Builds the demo checkpoint from nothing, and goes on where it was broken off.

    python -m tools.demo_model WORKFOLDER OUTPUTFOLDER --minutes 110 --processes 2

The stages run one after the other: tokenizer, pictures, autoencoder, text model and UNet, decoder, checkpoint folder. A
stage whose result lies in the work folder is not run again; a stage that was broken off continues from its saved state.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tools.demo_model.assemble import assemble
from tools.demo_model.make_tokenizer import download_merges, write_tokenizer
from tools.demo_model.parallel import launch
from tools.demo_model.pictures import drawn

VAE_SHARE, UNET_SHARE, DECODER_SHARE = 0.16, 0.75, 0.09
"""How the minutes are divided among the three trainings."""


@dataclass(frozen=True)
class Plan:
    """What was asked for on the command line."""

    work: Path
    output: Path
    minutes: float
    processes: int
    pictures: int

    def train(self, module: str, share: float, *flags: str) -> None:
        """Runs one trainer for its share of the minutes."""
        arguments = [str(self.work), "--count", str(self.pictures), "--minutes", str(self.minutes * share), *flags]
        launch(f"tools.demo_model.{module}", arguments, self.processes)


Stage = tuple[str, Callable[[Plan], object]]

STAGES: tuple[Stage, ...] = (
    ("tokenizer", lambda plan: write_tokenizer(plan.work / "tokenizer", download_merges())),
    ("vae", lambda plan: plan.train("train_vae", VAE_SHARE)),
    ("unet", lambda plan: plan.train("train_unet", UNET_SHARE)),
    ("vae_refined", lambda plan: plan.train("train_vae", DECODER_SHARE, "--decoder-only")),
)
"""Each stage's folder inside the work folder, and what makes it."""


def build(plan: Plan) -> int:
    """Runs every stage that is still to be done; returns the checkpoint's size in bytes."""
    drawn(plan.work, plan.pictures)
    for folder, run in STAGES:
        if (plan.work / folder).exists():
            print(f"{folder}: done before", flush=True)
        else:
            print(f"{folder}: starting", flush=True)
            run(plan)
    return assemble(plan.work, plan.output)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--minutes", type=float, default=110, help="for the three trainings together")
    parser.add_argument("--processes", type=int, default=2, help="one for each core")
    parser.add_argument("--pictures", type=int, default=20_000)
    options = parser.parse_args()
    print(f"{build(Plan(**vars(options))):,} bytes")
