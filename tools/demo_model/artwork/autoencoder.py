"""Trains the autoencoder of artwork: 128 x 128 pictures to 4 x 16 x 16 latents and back.

    torchrun --nproc_per_node 2 -m tools.demo_model.artwork.autoencoder WORKFOLDER --minutes 60
    torchrun --nproc_per_node 2 -m tools.demo_model.artwork.autoencoder WORKFOLDER --minutes 30 --decoder-only

Needs the sprites that `icons` writes to the work folder. The loop, the loss and the whitening are those of the drawn
world's autoencoder; the pictures are views of artwork, and a quarter drawn scenes.
"""

import argparse
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from PIL import Image

from tools.demo_model.artwork.icons import load_icons
from tools.demo_model.artwork.views import SIDE, random_view, recoloured, show
from tools.demo_model.drawing import Pixels, draw
from tools.demo_model.parallel import Team, join_team, leave_team
from tools.demo_model.pictures import TRAINING_SEED
from tools.demo_model.scenes import random_scenes
from tools.demo_model.train_vae import (
    CROPS_UNTIL,
    SCALING_FACTOR,
    VaeShape,
    as_tensor,
    encoded_mean,
    new_vae,
    reconstruction_loss,
    whiten,
)
from tools.demo_model.training import Recipe, train

SHAPE = VaeShape(widths=(16, 32, 64, 128), side=SIDE)
RECIPE = Recipe(samples=10_000_000, batch=16, learning_rate=2e-3, minutes=60, averaging=0.995, seed=10)
DECODER_RATE = 1e-3
SQUARE_WEIGHT = 3.0
WHITENED_ON = 2000
"""How many pictures the latents are whitened on."""
ARTWORK_SHARE = 0.75
"""Of the pictures that the autoencoder is trained on; the rest is drawn."""


def mixed(folder: Path, count: int, processes: int | None = None) -> Pixels:
    """Views of artwork and drawn scenes as a memory-mapped uint8 array [count, 128, 128, 3]; made on the first call.

    Needs the sprites that `tools.demo_model.artwork.icons` writes to the folder.
    """
    path = folder / f"mixed-{count}.npy"
    if not path.exists():
        pictures = np.lib.format.open_memmap(path.with_suffix(".tmp.npy"), "w+", np.uint8, (count, SIDE, SIDE, 3))
        artwork = round(count * ARTWORK_SHARE)
        with ProcessPoolExecutor(processes) as pool:
            tasks = [(folder, range(first, min(first + 250, artwork))) for first in range(0, artwork, 250)]
            for (_, places), pixels in zip(tasks, pool.map(_views, tasks), strict=True):
                pictures[places.start : places.stop] = pixels
            scenes = random_scenes(count - artwork, TRAINING_SEED)
            for place, pixels in enumerate(pool.map(partial(draw, side=SIDE), scenes, chunksize=100)):
                pictures[artwork + place] = pixels
        os.replace(path.with_suffix(".tmp.npy"), path)
    return np.load(path, mmap_mode="r")


def _views(task: tuple[Path, range]) -> Pixels:
    """One view for each of the numbers, of icons at random, every third in other colours."""
    folder, places = task
    icons, sprites = load_icons(folder)
    shown = []
    for place in places:
        rng = np.random.default_rng([TRAINING_SEED, place])
        thing = int(rng.integers(len(icons)))
        sprite = np.array(sprites[thing])
        sprite = recoloured(sprite, place) if place % 3 == 0 else sprite
        shown.append(show(sprite, random_view(thing, rng)).pixels)
    return np.stack(shown)


@torch.no_grad()
def latents_of(vae: AutoencoderKL, pictures: Pixels) -> np.ndarray:
    """Scaled latents float16 [n, 4, h/8, w/8] of uint8 pictures."""
    parts = [as_tensor(pictures[start : start + 64]).to(vae.device) for start in range(0, len(pictures), 64)]
    with torch.autocast(vae.device.type, torch.bfloat16):
        return np.concatenate([(encoded_mean(vae, p) * SCALING_FACTOR).half().cpu().numpy() for p in parts])


@torch.no_grad()
def fold(vae: AutoencoderKL) -> None:
    """Puts the 1 x 1 convolutions into their neighbours and leaves identities in their place.

    Whitening takes differences of channels that are nearly alike, which half precision would round away; in one product
    with the encoder's last convolution it does not. On the decoder's side the border changes a little (0.01 dB where it
    was measured), because its first convolution pads with zeros.
    """
    inward, last = vae.quant_conv, vae.encoder.conv_out
    matrix = inward.weight[:, :, 0, 0].double()
    last.weight.copy_(torch.einsum("oc,cikl->oikl", matrix, last.weight.double()))
    last.bias.copy_(matrix @ last.bias.double() + inward.bias.double())
    outward, first = vae.post_quant_conv, vae.decoder.conv_in
    weight = first.weight.double()
    first.bias.add_((weight.sum(dim=(2, 3)) @ outward.bias.double()).float())
    first.weight.copy_(torch.einsum("ockl,ci->oikl", weight, outward.weight[:, :, 0, 0].double()))
    for convolution in (inward, outward):
        convolution.weight.copy_(torch.eye(len(convolution.weight))[:, :, None, None])
        convolution.bias.zero_()


@torch.no_grad()
def turn_towards(vae: AutoencoderKL, earlier: AutoencoderKL, pictures: Pixels) -> float:
    """Turns whitened latents so that they are most like an earlier autoencoder's, whose UNet is trained further.

    Whitening leaves a rotation open; this takes the one of orthogonal Procrustes. The earlier one sees the pictures at
    the size that gives it as many latents. Returns the correlation of both, 0 to 1.
    """
    ours = torch.cat([encoded_mean(vae, part) for part in as_tensor(pictures).split(64)]).double()
    side = ours.shape[-1] * 2 ** (len(earlier.config.block_out_channels) - 1)
    small = np.stack([np.asarray(Image.fromarray(p).resize((side, side), Image.Resampling.BOX)) for p in pictures])
    theirs = torch.from_numpy(latents_of(earlier, small)).double()
    ours, theirs = (latents.permute(1, 0, 2, 3).flatten(1) for latents in (ours, theirs))
    left, values, right = torch.linalg.svd(theirs @ ours.T)
    turn = left @ right
    inward, outward = vae.quant_conv, vae.post_quant_conv
    inward.weight[:4, :, 0, 0] = (turn @ inward.weight[:4, :, 0, 0].double()).float()
    inward.bias[:4] = (turn @ inward.bias[:4].double()).float()
    outward.weight[:, :, 0, 0] = (outward.weight[:, :, 0, 0].double() @ turn.T).float()
    return float(values.sum() / (theirs.norm() * ours.norm()))


def train_autoencoder(folder: Path, pictures: Pixels, recipe: Recipe, earlier: Path | None, team: Team) -> None:
    """Trains encoder and decoder together and writes the result to `folder/vae`."""
    torch.manual_seed(recipe.seed)
    vae = new_vae(SHAPE).to("cuda" if torch.cuda.is_available() else "cpu")
    state = folder / "vae.state.pt"
    result = train(
        vae, lambda m, s: reconstruction_loss(m, pictures, s, CROPS_UNTIL, SQUARE_WEIGHT), recipe, state, team
    ).cpu()
    if team.leads:
        some = pictures[:: -(-len(pictures) // WHITENED_ON)]
        whiten(result.eval(), as_tensor(some))
        if earlier is not None:
            model = AutoencoderKL.from_pretrained(earlier / "vae", local_files_only=True).float()
            print(f"latents turned towards {earlier}: correlation {turn_towards(result, model, some):.2f}", flush=True)
        fold(result)
        result.save_pretrained(folder / "vae")


def refine_decoder(folder: Path, pictures: Pixels, recipe: Recipe, team: Team) -> None:
    """Trains the decoder of `folder/vae` alone and writes the result to `folder/vae_refined`.

    The UNet, which depends on the encoder alone, may be trained before or meanwhile.
    """
    vae = AutoencoderKL.from_pretrained(folder / "vae", local_files_only=True)
    vae.to("cuda" if torch.cuda.is_available() else "cpu")
    vae.encoder.requires_grad_(False)
    vae.quant_conv.requires_grad_(False)
    state = folder / "vae_refined.state.pt"
    result = train(vae, lambda m, s: reconstruction_loss(m, pictures, s, 0.0, SQUARE_WEIGHT), recipe, state, team)
    if team.leads:
        result.cpu().save_pretrained(folder / "vae_refined")


def main() -> None:
    """Reads the command line and trains."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=16_000, help="training pictures")
    parser.add_argument("--minutes", type=float, default=RECIPE.minutes)
    parser.add_argument("--batch", type=int, default=RECIPE.batch)
    parser.add_argument("--decoder-only", action="store_true", help="go on with the decoder of a finished one")
    parser.add_argument("--like", type=Path, help="an earlier checkpoint, towards whose latents to turn the new ones")
    options = parser.parse_args()
    team = join_team()
    recipe = replace(RECIPE, minutes=options.minutes, batch=options.batch)
    pictures = mixed(options.folder, options.count)
    if options.decoder_only:
        refine_decoder(options.folder, pictures, replace(recipe, learning_rate=DECODER_RATE), team)
    else:
        train_autoencoder(options.folder, pictures, recipe, options.like, team)
    leave_team(team)


if __name__ == "__main__":
    main()
