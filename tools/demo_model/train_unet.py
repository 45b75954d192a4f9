"""Trains the UNet and, with it, the text model: noise prediction in the autoencoder's latents.

    torchrun --nproc_per_node 2 -m tools.demo_model.train_unet WORKFOLDER --minutes 80

Needs the autoencoder (`train_vae`) and the tokenizer (`make_tokenizer`) in the work folder. The text model's first
lessons come first, and the latents of all pictures are computed once.
"""

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from tools.demo_model import text_model
from tools.demo_model.captions import caption
from tools.demo_model.drawing import Pixels, Scene
from tools.demo_model.parallel import Team, join_team, leave_team
from tools.demo_model.pictures import TRAINING_SEED, drawn
from tools.demo_model.scenes import random_scenes
from tools.demo_model.train_vae import SCALING_FACTOR, as_tensor, encoded_mean
from tools.demo_model.training import Recipe, Step, train
from tools.demo_model.vocabulary import Vocabulary, load_vocabulary

RECIPE = Recipe(
    samples=450_000, batch=24, learning_rate=1.2e-3, minutes=80, averaging=0.9985, seed=30, slow={"text.": 0.1}
)
OFFSET_NOISE = 0.1
"""Std of a constant added to each channel's noise. On 16 x 16 latents the mean of the starting noise would else leak
into the picture and tint white backgrounds."""
LARGEST_SNR_WEIGHT = 5.0
"""Min-SNR-5: steps with little noise count no more than those at a signal-to-noise ratio of 5. Steps that are mostly
noise count more, by the root of their ratio: there the shape is decided, yet the error that tells shapes apart is
small."""


@dataclass(frozen=True)
class UnetShape:
    """The widths of UNet and text model."""

    widths: tuple[int, ...] = (48, 96, 128)
    text_width: int = 96
    groups: int = 16


@dataclass(frozen=True)
class Lesson:
    """What the UNet is trained on: latents [n, 4, 16, 16] and the scenes that they show."""

    latents: np.ndarray
    scenes: Sequence[Scene]
    vocabulary: Vocabulary


def new_scheduler() -> DDIMScheduler:
    """Stable Diffusion 1's noise schedule."""
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )


def new_unet(shape: UnetShape) -> UNet2DConditionModel:
    """An untrained UNet of Stable Diffusion 1's kind; each residual branch begins at zero, to learn faster."""
    unet = UNet2DConditionModel(
        sample_size=16,
        layers_per_block=1,
        block_out_channels=shape.widths,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=shape.text_width,
        attention_head_dim=4,
        norm_num_groups=shape.groups,
    )
    ends = (".conv2.weight", ".conv2.bias", "proj_out.weight", "proj_out.bias", "conv_out.weight", "conv_out.bias")
    for name, parameter in unet.named_parameters():
        if name.endswith(ends):
            nn.init.zeros_(parameter)
    return unet


@torch.no_grad()
@torch.autocast("cpu", torch.bfloat16)
def latents_of(vae: AutoencoderKL, pictures: Pixels) -> np.ndarray:
    """Scaled latents float16 [n, 4, h/4, w/4] of uint8 pictures."""
    parts = [pictures[start : start + 64] for start in range(0, len(pictures), 64)]
    return np.concatenate([(encoded_mean(vae, as_tensor(p)) * SCALING_FACTOR).half().numpy() for p in parts])


def cached_latents(folder: Path, pictures: Pixels, team: Team) -> np.ndarray:
    """The pictures' latents, computed once, each process its share, and kept in the work folder."""
    path = folder / f"latents-{len(pictures)}.npy"
    shares = [path.with_name(f"{path.stem}.{rank}of{team.size}.npy") for rank in range(team.size)]
    if not team.largest(float(path.exists())):
        vae = AutoencoderKL.from_pretrained(folder / "vae", local_files_only=True)
        mine = np.array_split(np.arange(len(pictures)), team.size)[team.rank]
        np.save(shares[team.rank], latents_of(vae, pictures[mine[0] : mine[-1] + 1]))
        team.largest(0.0)  # waits for the others
        if team.leads:
            np.save(path.with_suffix(".tmp.npy"), np.concatenate([np.load(share) for share in shares]))
            os.replace(path.with_suffix(".tmp.npy"), path)
        team.largest(0.0)
    return np.load(path)


def noise_loss(model: nn.ModuleDict, lesson: Lesson, signal: Tensor, step: Step) -> Tensor:
    """The weighted squared error of the predicted noise. `signal` is the cumulated alpha of each timestep [1000]."""
    chosen = step.rng.integers(len(lesson.latents), size=step.share)
    latents = torch.from_numpy(lesson.latents[chosen]).float()
    captions = [caption(lesson.scenes[k], step.rng).text for k in chosen]
    noise = torch.randn(latents.shape, generator=step.generator)
    noise = noise + OFFSET_NOISE * torch.randn((*latents.shape[:2], 1, 1), generator=step.generator)
    timesteps = stratified(step.share, len(signal), step)
    kept = signal[timesteps][:, None, None, None]
    noisy = kept.sqrt() * latents + (1 - kept).sqrt() * noise
    # For such short sequences torch's fused attention takes ten times as long on the way back as the plain one.
    with torch.autocast("cpu", torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
        words = model["text"](lesson.vocabulary.encode(captions, step.rng)).last_hidden_state
        predicted = model["unet"](noisy, timesteps, words).sample.float()
    return (weights_of(kept.flatten()) * (predicted - noise).square().mean(dim=(1, 2, 3))).mean()


def weights_of(kept: Tensor) -> Tensor:
    """The weight of each sample's error [n], from the cumulated alphas of their timesteps [n]."""
    snr = kept / (1 - kept)
    return snr.clamp(max=LARGEST_SNR_WEIGHT) / snr * snr.clamp(max=1).rsqrt()


def stratified(count: int, timesteps: int, step: Step) -> Tensor:
    """Timesteps spread evenly over the schedule with one random shift each, shuffled: less variance than chance."""
    jitter = torch.rand(count, generator=step.generator, device=step.device)
    order = torch.randperm(count, generator=step.generator, device=step.device)
    return ((order + jitter) / count * timesteps).long().clamp(max=timesteps - 1)


def train_unet(folder: Path, lesson: Lesson, recipes: tuple[Recipe, Recipe], shape: UnetShape, team: Team) -> None:
    """Text lessons by the first recipe, then both models by the second; writes `folder/unet` and `text_encoder`."""
    for_text, for_both = recipes
    torch.manual_seed(for_both.seed)
    text = text_model.new_text_model(lesson.vocabulary, shape.text_width)
    text = text_model.pretrain(text, lesson.vocabulary, lesson.scenes, for_text, folder, team)
    model = nn.ModuleDict({"unet": new_unet(shape), "text": text.requires_grad_(True)})
    signal = new_scheduler().alphas_cumprod
    result = train(model, lambda m, s: noise_loss(m, lesson, signal, s), for_both, folder / "unet.state.pt", team)
    if team.leads:
        result["unet"].save_pretrained(folder / "unet")
        text_model.save_text_model(result["text"], lesson.vocabulary, folder / "text_encoder")


def main() -> None:
    """Reads the command line and trains."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=20_000, help="training pictures")
    parser.add_argument("--minutes", type=float, default=RECIPE.minutes)
    parser.add_argument("--samples", type=int, default=RECIPE.samples)
    options = parser.parse_args()
    team = join_team()
    pictures = drawn(options.folder, options.count)
    lesson = Lesson(
        cached_latents(options.folder, pictures, team),
        random_scenes(options.count, TRAINING_SEED),
        load_vocabulary(options.folder / "tokenizer"),
    )
    recipe = replace(RECIPE, minutes=options.minutes, samples=options.samples)
    train_unet(options.folder, lesson, (text_model.RECIPE, recipe), UnetShape(), team)
    leave_team(team)


if __name__ == "__main__":
    main()
