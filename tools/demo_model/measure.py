"""Measures a checkpoint: does it draw what it is told, in which colour and shape, and how good is its autoencoder?

    python -m tools.demo_model.measure --ckpt models/Stable-diffusion/demo --grid grid.png

96 fixed prompts "a photo of a red circle on a white background" (12 colours x 8 shapes, each with its own fixed
starting noise, 20 DDIM steps) are judged by `classify`, whose own accuracy on true drawings is printed beside.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from PIL import Image

from tools.demo_model.classify import accuracy_of_classify, background_is, classify
from tools.demo_model.drawing import PICTURE, SHAPES, Pixels, sheet
from tools.demo_model.palette import COLOURS
from tools.demo_model.pictures import held_out
from tools.demo_model.train_vae import psnr

LIGHT = ("white", "yellow", "pink", "gray")
"""Colours that are asked for on black; the others on white."""

SHOWN_PROMPTS = (
    "a photo of a red striped circle on a white background",
    "a painting of a blue star at night",
    "a drawing of a green heart on a yellow background",
    "pixel art of a purple diamond on the beach",
    "a photo of a small orange square on the left on a white background",
    "a photo of a large teal ring on a pink background",
    "a photo of a purple creature with one eye and yellow horns",
    "a photo of a green monster with three eyes and pointed ears on the beach",
    "a drawing of a red creature with two eyes and a smile in the snow",
    "a photo of a pink creature with long ears on the grass",
    "a photo of a blue car on the grass",
    "a photo of a red house in the snow",
    "a photo of a green tree on a blue background",
    "an orange fish on a white background",
    "a white cup on a black background",
    "a pink flower on a blue background",
    "a photo of a yellow dotted square on a black background",
    "a photo of a blue checkered heart on a white background",
    "a photo of a red circle and a blue square on a white background",
    "a small white star at the top at night",
    "a cat",
    "a landscape by monet, masterpiece",
    "red",
    "",
)


@dataclass(frozen=True)
class Request:
    """One picture of the test: what is asked for, and the starting noise's seed."""

    colour: str
    shape: str
    background: str
    seed: int

    @property
    def prompt(self) -> str:
        article = "an" if self.colour == "orange" else "a"
        return f"a photo of {article} {self.colour} {self.shape} on a {self.background} background"


@dataclass(frozen=True)
class Score:
    """Shares of pictures judged right, 0 to 1."""

    colour: float
    shape: float
    both: float
    background: float


def requests() -> list[Request]:
    """The fixed test: every colour with every shape."""
    pairs = [(colour, shape) for colour in COLOURS for shape in SHAPES]
    return [
        Request(colour, shape, "black" if colour in LIGHT else "white", seed=1000 + place)
        for place, (colour, shape) in enumerate(pairs)
    ]


def load(checkpoint: Path) -> StableDiffusionPipeline:
    """The checkpoint in float32 with a DDIM sampler."""
    pipeline = StableDiffusionPipeline.from_pretrained(checkpoint, local_files_only=True, torch_dtype=torch.float32)
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def generate(pipeline: StableDiffusionPipeline, prompts: list[str], seeds: list[int], cfg: float = 4.0) -> list[Pixels]:
    """One picture for each prompt, 20 DDIM steps, in batches of 16; each seed gives its own starting noise."""
    pictures: list[Pixels] = []
    for start in range(0, len(prompts), 16):
        generators = [torch.Generator().manual_seed(seed) for seed in seeds[start : start + 16]]
        result = pipeline(
            prompts[start : start + 16],
            num_inference_steps=20,
            guidance_scale=cfg,
            generator=generators,
            output_type="np",
        )
        pictures.extend((image * 255).round().astype(np.uint8) for image in result.images)
    return pictures


def score(asked: list[Request], pictures: list[Pixels]) -> Score:
    """Compares what was asked for with what the classifier sees."""
    guesses = [classify(picture) for picture in pictures]
    colour = np.array([g.colour == r.colour for g, r in zip(guesses, asked, strict=True)])
    shape = np.array([g.shape == r.shape for g, r in zip(guesses, asked, strict=True)])
    background = np.array([background_is(p, r.background) for p, r in zip(pictures, asked, strict=True)])
    return Score(*(float(right.mean()) for right in (colour, shape, colour & shape, background)))


def write_grid(path: Path, pipeline: StableDiffusionPipeline, tested: list[Pixels], cfg: float) -> None:
    """The test's pictures and, below them, SHOWN_PROMPTS, enlarged twice where they are small."""
    shown = generate(pipeline, list(SHOWN_PROMPTS), list(range(len(SHOWN_PROMPTS))), cfg)
    board = sheet([*tested, *shown], columns=12)
    times = 2 if shown[0].shape[1] <= PICTURE else 1
    board.resize((board.width * times, board.height * times), Image.Resampling.NEAREST).save(path)


def main() -> None:
    """Reads the command line, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ckpt", type=Path, required=True, help="folder of the checkpoint")
    parser.add_argument("--grid", type=Path, help="PNG to write the pictures to")
    parser.add_argument("--cfg", type=float, default=4.0, help="classifier-free guidance")
    options = parser.parse_args()
    pipeline, asked = load(options.ckpt), requests()
    pictures = generate(pipeline, [r.prompt for r in asked], [r.seed for r in asked], options.cfg)
    result = score(asked, pictures)
    print(f"{len(asked)} prompts, CFG {options.cfg:g}: colour {result.colour:.1%}, shape {result.shape:.1%},"
          f" both {result.both:.1%}, background {result.background:.1%}")  # fmt: skip
    colour, shape = accuracy_of_classify()
    print(f"classifier on true drawings: colour {colour:.1%}, shape {shape:.1%}")
    quality = psnr(pipeline.vae, held_out(300, pipeline.vae.config.sample_size))
    print(f"autoencoder on 300 held-out drawings: {quality:.2f} dB")
    if options.grid:
        write_grid(options.grid, pipeline, pictures, options.cfg)


if __name__ == "__main__":
    main()
