"""Trains the autoencoder: 64 x 64 pictures to 4 x 16 x 16 latents and back.

    torchrun --nproc_per_node 2 -m tools.demo_model.train_vae WORKFOLDER --minutes 12
    torchrun --nproc_per_node 2 -m tools.demo_model.train_vae WORKFOLDER --minutes 10 --decoder-only

The first half of the time goes to 32-pixel crops, which cost a quarter. Afterwards the latents are whitened exactly:
the UNet then meets channels without correlation whose standard deviation, times the scaling factor, is 1. With
`--decoder-only` the encoder, on which the UNet depends, stays as it is; only the way back is improved.
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn

from tools.demo_model.drawing import Pixels
from tools.demo_model.parallel import Team, join_team, leave_team
from tools.demo_model.pictures import drawn, held_out
from tools.demo_model.training import Recipe, Step, train

SCALING_FACTOR = 0.18215
LATENT_NOISE = 0.05
"""Noise put on the latents in training, as a part of their standard deviation: the UNet's latents are never exact."""
CROPS_UNTIL = 0.5
"""The part of the training that sees only crops."""
EDGE_WEIGHT = 0.5
RECIPE = Recipe(samples=400_000, batch=16, learning_rate=2.5e-3, minutes=12, averaging=0.995, seed=10)


@dataclass(frozen=True)
class VaeShape:
    """The width of each level; the lowest, at 16 x 16, is the cheapest to widen."""

    widths: tuple[int, ...] = (16, 48, 96)
    groups: int = 8
    side: int = 64
    """Pixels on each side of a picture."""


def new_vae(shape: VaeShape) -> AutoencoderKL:
    """An untrained autoencoder that makes a picture smaller by two for each level but one."""
    levels = len(shape.widths)
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        block_out_channels=shape.widths,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=shape.groups,
        sample_size=shape.side,
        scaling_factor=SCALING_FACTOR,
        force_upcast=False,
    )


def as_tensor(pictures: Pixels) -> Tensor:
    """uint8 [n, h, w, 3] to float32 [n, 3, h, w] from -1 to 1."""
    return torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1


def as_pixels(tensor: Tensor) -> Pixels:
    """The way back from `as_tensor`."""
    pixels = ((tensor.detach().float().clamp(-1, 1) + 1) * 127.5).round().byte()
    return pixels.permute(0, 2, 3, 1).contiguous().numpy()


def encoded_mean(vae: nn.Module, pictures: Tensor) -> Tensor:
    """The latents' mean [n, 4, h/4, w/4], before the scaling factor."""
    return vae.quant_conv(vae.encoder(pictures))[:, :4]


def decoded(vae: nn.Module, latents: Tensor) -> Tensor:
    """Pictures [n, 3, h, w] from latents before the scaling factor."""
    return vae.decoder(vae.post_quant_conv(latents))


def _batch(pictures: Pixels, step: Step, crops_until: float) -> Tensor:
    """Crops at first, three times as many, and whole pictures later. Mirrored at random, for no caption is involved."""
    cropping = step.progress < crops_until
    count = step.share * (3 if cropping else 1)
    chosen = pictures[np.sort(step.rng.integers(len(pictures), size=count))]
    if cropping:
        half = chosen.shape[1] // 2
        corners = step.rng.integers(0, half // 4 + 1, size=(count, 2)) * 4
        chosen = np.stack([p[y : y + half, x : x + half] for p, (y, x) in zip(chosen, corners, strict=True)])
    return as_tensor(chosen[:, :, ::-1] if step.rng.integers(2) else chosen)


def reconstruction_loss(
    vae: nn.Module, pictures: Pixels, step: Step, crops_until: float, squared: float = 1.0
) -> Tensor:
    """Absolute error of the picture and of its differences between neighbours, which keeps edges crisp, and `squared`
    times its squared error."""
    target = _batch(pictures, step, crops_until).to(step.device)
    with torch.autocast(step.device.type, torch.bfloat16):
        with torch.set_grad_enabled(next(vae.encoder.parameters()).requires_grad):
            mean = encoded_mean(vae, target).float()
        spread = mean.detach().std(dim=(0, 2, 3), keepdim=True)
        noise = torch.randn(mean.shape, generator=step.generator, device=step.device)
        picture = decoded(vae, mean + LATENT_NOISE * spread * noise).float()
    error = picture - target
    edges = (error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()) / 2
    return error.abs().mean() + squared * error.square().mean() + EDGE_WEIGHT * edges + 1e-4 * mean.square().mean()


@torch.no_grad()
def whiten(vae: AutoencoderKL, pictures: Tensor) -> None:
    """Folds into the 1 x 1 convolutions what gives latents zero mean, no correlation and std 1 / scaling factor."""
    means = torch.cat([encoded_mean(vae, part) for part in pictures.split(64)])
    flat = means.permute(1, 0, 2, 3).flatten(1).double()
    centre = flat.mean(dim=1)
    values, vectors = torch.linalg.eigh(torch.cov(flat))
    whitening = vectors @ torch.diag(values.rsqrt()) @ vectors.T / SCALING_FACTOR
    inward, outward = vae.quant_conv, vae.post_quant_conv
    inward.weight[:4, :, 0, 0] = (whitening @ inward.weight[:4, :, 0, 0].double()).float()
    inward.bias[:4] = (whitening @ (inward.bias[:4].double() - centre)).float()
    inward.weight[4:] = 0
    inward.bias[4:] = 2 * float(np.log(LATENT_NOISE / SCALING_FACTOR))  # the log-variance that training had
    matrix = outward.weight[:, :, 0, 0].double()
    outward.bias += (matrix @ centre).float()
    outward.weight[:, :, 0, 0] = (matrix @ torch.linalg.inv(whitening)).float()


@torch.no_grad()
def psnr(vae: AutoencoderKL, pictures: Pixels) -> float:
    """Peak signal to noise ratio, in dB, of pictures that went through the autoencoder; from their mean error."""
    errors = []
    for part in as_tensor(pictures).split(32):
        back = as_tensor(as_pixels(decoded(vae, encoded_mean(vae, part))))
        errors.append((back - part).square().mean(dim=(1, 2, 3)))
    return float(10 * torch.log10(4 / torch.cat(errors).mean()))


def train_vae(folder: Path, pictures: Pixels, recipe: Recipe, shape: VaeShape, team: Team) -> None:
    """Trains encoder and decoder together and writes the result to `folder/vae`."""
    torch.manual_seed(recipe.seed)
    vae = new_vae(shape)
    result = train(
        vae, lambda m, s: reconstruction_loss(m, pictures, s, CROPS_UNTIL), recipe, folder / "vae.state.pt", team
    )
    if team.leads:
        whiten(result.eval(), as_tensor(pictures[: min(len(pictures), 2000)]))
        result.save_pretrained(folder / "vae")


def refine_decoder(folder: Path, pictures: Pixels, recipe: Recipe, team: Team) -> None:
    """Trains the decoder of `folder/vae` alone and writes the result to `folder/vae_refined`."""
    vae = AutoencoderKL.from_pretrained(folder / "vae", local_files_only=True)
    vae.encoder.requires_grad_(False)
    vae.quant_conv.requires_grad_(False)
    result = train(
        vae, lambda m, s: reconstruction_loss(m, pictures, s, 0.0), recipe, folder / "vae_refined.state.pt", team
    )
    if team.leads:
        result.save_pretrained(folder / "vae_refined")


def main() -> None:
    """Reads the command line, trains, and says how good the result is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=20_000, help="training pictures")
    parser.add_argument("--minutes", type=float, default=RECIPE.minutes)
    parser.add_argument("--samples", type=int, default=RECIPE.samples)
    parser.add_argument("--decoder-only", action="store_true")
    options = parser.parse_args()
    team = join_team()
    pictures = drawn(options.folder, options.count)
    recipe = replace(RECIPE, minutes=options.minutes, samples=options.samples)
    if options.decoder_only:
        refine_decoder(options.folder, pictures, replace(recipe, learning_rate=1e-3), team)
    else:
        train_vae(options.folder, pictures, recipe, VaeShape(), team)
    if team.leads:
        name = "vae_refined" if options.decoder_only else "vae"
        vae = AutoencoderKL.from_pretrained(options.folder / name, local_files_only=True)
        print(f"{name}: {psnr(vae, held_out(300)):.2f} dB on held-out pictures", flush=True)
    leave_team(team)


if __name__ == "__main__":
    main()
