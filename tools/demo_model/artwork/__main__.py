"""Builds the checkpoint of artwork, and goes on where it was broken off.

    python -m tools.demo_model.artwork WORKFOLDER OUTPUTFOLDER --minutes 300                    # on a CPU
    python -m tools.demo_model.artwork WORKFOLDER OUTPUTFOLDER --sprites sprites.zip --minutes 7    # on one GPU

The stages run one after the other: sprites, tokenizer, pictures, autoencoder, views, their latents, text lessons, UNet,
decoder, checkpoint folder. A stage whose result lies in the work folder is not run again; a stage that was broken off
continues from its saved state. The minutes are for the trainings; drawing takes some more, on all cores.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from tools.demo_model.artwork import packing
from tools.demo_model.artwork.autoencoder import mixed
from tools.demo_model.artwork.icons import render_all
from tools.demo_model.assemble import assemble
from tools.demo_model.make_tokenizer import download_merges, write_tokenizer
from tools.demo_model.parallel import launch

AUTOENCODER_SHARE, TEXT_SHARE, UNET_SHARE, DECODER_SHARE = 0.25, 0.1, 0.55, 0.1
"""How the minutes are divided among the trainings."""
MIXED = 16_000
GPU_BATCHES = {"autoencoder": 128, "text_lessons": 1024, "train_unet": 1024}
GPU_RATES = {"text_lessons": 3e-3, "train_unet": 3e-3}
"""Learning rates for batches so large."""


@dataclass(frozen=True)
class Plan:
    """What was asked for on the command line."""

    work: Path
    output: Path
    minutes: float
    packages: Path | None
    sprites: Path | None
    tokenizer: Path | None

    def train(self, module: str, share: float, *flags: str) -> None:
        """Runs one trainer for its share of the minutes: one process a core, or one on the GPU."""
        arguments = [str(self.work), "--minutes", f"{self.minutes * share:.2f}", *flags]
        name = f"tools.demo_model.artwork.{module}"
        if not torch.cuda.is_available():
            launch(name, arguments, os.cpu_count() or 1)
            return
        arguments += ["--batch", str(GPU_BATCHES[module])]
        if module in GPU_RATES:
            arguments += ["--rate", str(GPU_RATES[module])]
        subprocess.run([sys.executable, "-m", name, *arguments], check=True)

    def draw(self) -> None:
        """Draws the views on all cores."""
        launch("tools.demo_model.artwork.things", [str(self.work), "draw"], os.cpu_count() or 1)

    def encode(self) -> None:
        """Encodes the views: one process a core, or one on the GPU."""
        processes = 1 if torch.cuda.is_available() else os.cpu_count() or 1
        launch("tools.demo_model.artwork.things", [str(self.work), "encode"], processes)

    def take_sprites(self) -> None:
        """Unpacks the sprites, or renders them."""
        if self.sprites is not None:
            packing.unpack(self.sprites, self.work)
        elif self.packages is not None:
            render_all(self.packages, self.work)
        elif not (self.work / "icons.json").exists():
            raise SystemExit("There are no sprites. Expected: --sprites ARCHIVE or --packages FOLDER.")

    def take_tokenizer(self) -> None:
        """Copies the tokenizer's folder, or downloads CLIP's merges."""
        target = self.work / "tokenizer"
        if self.tokenizer is not None:
            target.symlink_to(self.tokenizer.resolve())
        else:
            write_tokenizer(target, download_merges())


STAGES: tuple[tuple[str, Callable[[Plan], object]], ...] = (
    ("tokenizer", Plan.take_tokenizer),
    ("vae", lambda plan: plan.train("autoencoder", AUTOENCODER_SHARE)),
    ("text_side.pt", lambda plan: plan.train("text_lessons", TEXT_SHARE)),
    ("unet", lambda plan: plan.train("train_unet", UNET_SHARE)),
    ("vae_refined", lambda plan: plan.train("autoencoder", DECODER_SHARE, "--decoder-only")),
)
"""What each training leaves in the work folder, and what makes it."""


def build(plan: Plan) -> int:
    """Runs every stage that is still to be done; returns the checkpoint's size in bytes."""
    plan.take_sprites()
    mixed(plan.work, MIXED)
    plan.draw()
    for result, run in STAGES:
        if (plan.work / result).exists():
            print(f"{result}: done before", flush=True)
        else:
            print(f"{result}: starting", flush=True)
            run(plan)
        if result == "vae":
            plan.encode()
    return assemble(plan.work, plan.output)


def main() -> None:
    """Reads the command line and builds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--minutes", type=float, default=300, help="for the trainings together")
    parser.add_argument("--packages", type=Path, help="npm's folder of @iconify-json packages")
    parser.add_argument("--sprites", type=Path, help="an archive that `packing` has made, in place of the packages")
    parser.add_argument("--tokenizer", type=Path, help="a tokenizer's folder, where CLIP's merges can't be downloaded")
    print(f"{build(Plan(**vars(parser.parse_args()))):,} bytes")


if __name__ == "__main__":
    main()
