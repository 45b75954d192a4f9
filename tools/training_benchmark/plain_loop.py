"""The training loops that we compare ours with, written as their projects write them.

`plain` is the diffusers example `textual_inversion.py`: the whole embedding table learns and all rows but the word's
are put back after every step; pictures are opened, resized and put through the VAE at every step. `cached` is the same
with latents that were encoded once, as sd-scripts does with `--cache_latents --sdpa`. In bf16 the UNet's weights are
bf16 and the text encoder runs under autocast, as both projects have it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import DDPMScheduler
from PIL import Image
from torch import Tensor

from ti_studio.models.loading import Model

WORD = "<word>"


@dataclass(frozen=True)
class Material:
    """What is trained on."""

    pictures: list[Path]
    size: int
    prompts: list[str]
    """With `[name]` for the word."""
    vectors: int
    batch_size: int


def add_word(model: Model, initial: str, vectors: int) -> tuple[Any, list[int]]:
    """Gives the tokenizer and the text encoder the word's tokens; returns the tokenizer and their ids."""
    encoder = model.encoders[0]
    tokenizer: Any = encoder.tokenizer.tokenizer
    names = [f"{WORD}{index}" for index in range(vectors)]
    tokenizer.add_tokens(names)
    encoder.model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    table = encoder.model.get_input_embeddings().weight
    ids = tokenizer.convert_tokens_to_ids(names)
    start = tokenizer.encode(initial, add_special_tokens=False)
    with torch.no_grad():
        for index, token in enumerate(ids):
            table[token] = table[start[index % len(start)]].clone()
    table.requires_grad_(True)
    return tokenizer, ids


def input_ids(tokenizer: Any, prompts: list[str], vectors: int) -> Tensor:
    """Tokenizes prompts as the example does."""
    word = " ".join(f"{WORD}{index}" for index in range(vectors))
    texts = [prompt.replace("[name]", word) for prompt in prompts]
    found = tokenizer(texts, padding="max_length", truncation=True, max_length=77, return_tensors="pt")
    ids: Tensor = found.input_ids
    return ids


def steps(model: Model, material: Material, *, caches: bool) -> Iterator[float]:
    """Makes steps, and yields the loss of each."""
    encoder, unet, vae, dtype = model.encoders[0].model, model.unet, model.vae, model.hardware.dtype
    scheduler: Any = DDPMScheduler.from_config(model.scheduler_config)  # type: ignore[no-untyped-call]
    tokenizer, word = add_word(model, "tree", material.vectors)
    table = encoder.get_input_embeddings().weight
    original = table.detach().clone()
    others = torch.ones(len(table), dtype=torch.bool)
    others[word] = False
    optimizer = torch.optim.AdamW([table], lr=5e-3, betas=(0.9, 0.999), weight_decay=1e-2, eps=1e-8)
    vae.to(dtype)
    cached = [_encode(vae, pixels(path, material.size)[None]) for path in material.pictures] if caches else []
    drawn = torch.Generator().manual_seed(0)
    while True:
        chosen = torch.randint(len(material.pictures), (material.batch_size,), generator=drawn).tolist()
        if caches:
            latents = torch.cat([cached[index] for index in chosen])
        else:
            opened = [pixels(material.pictures[index], material.size) for index in chosen]
            latents = _encode(vae, torch.stack(opened))
        noise = torch.randn_like(latents)
        timesteps = torch.randint(0, 1000, (len(latents),)).long()
        noisy = scheduler.add_noise(latents, noise, timesteps)
        ids = input_ids(tokenizer, [material.prompts[index] for index in chosen], material.vectors)
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            context = encoder(ids).last_hidden_state.to(dtype)
            predicted = unet(noisy.to(dtype), timesteps, context).sample
        loss = F.mse_loss(predicted.float(), noise.float(), reduction="mean")
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        with torch.no_grad():
            table[others] = original[others]
        yield loss.detach().item()


def pixels(path: Path, size: int) -> Tensor:
    """Opens a picture as the example's dataset does; [3, size, size] in -1…1."""
    image = Image.open(path).convert("RGB").resize((size, size), resample=Image.Resampling.BICUBIC)
    scaled = (np.array(image).astype(np.uint8) / 127.5 - 1.0).astype(np.float32)
    return torch.from_numpy(scaled).permute(2, 0, 1)


@torch.no_grad()
def _encode(vae: Any, pixels: Tensor) -> Tensor:
    latents: Tensor = vae.encode(pixels.to(vae.dtype)).latent_dist.sample() * vae.config.scaling_factor
    return latents
