"""Writes a single-file checkpoint of a real architecture with random weights: real names, real shapes, no meaning.

    python -m tools.random_checkpoint --family sd15 --output random.safetensors [--zeros]

For trying out what checkpoints of the real size need, without downloading one. SD 1.5 takes 2 GB, SDXL 7 GB; with
`--zeros` the file is sparse and takes no space, which is enough for finding out what it is.
"""

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from tools.original_names import Tensors, original_checkpoint

_HALF_BYTES = 2

_CLIP_L = {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12, "num_hidden_layers": 12}
_CLIP_H = {"hidden_size": 1024, "intermediate_size": 4096, "num_attention_heads": 16, "num_hidden_layers": 23}
_CLIP_G = {
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_attention_heads": 20,
    "num_hidden_layers": 32,
    "projection_dim": 1280,
}
VAE_CONFIG = {
    "block_out_channels": (128, 256, 512, 512),
    "layers_per_block": 2,
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
}
_FOUR_LEVELS = {
    "block_out_channels": (320, 640, 1280, 1280),
    "down_block_types": (*("CrossAttnDownBlock2D",) * 3, "DownBlock2D"),
    "up_block_types": ("UpBlock2D", *("CrossAttnUpBlock2D",) * 3),
}


@dataclass(frozen=True)
class RealFamily:
    """The configurations of a published checkpoint's parts, as its diffusers folder states them."""

    family: str
    unet: Mapping[str, Any]
    text: tuple[Mapping[str, Any], ...]


REAL = {
    "sd15": RealFamily("SD 1", {**_FOUR_LEVELS, "cross_attention_dim": 768, "attention_head_dim": 8}, (_CLIP_L,)),
    "sd21": RealFamily(
        "SD 2",
        {
            **_FOUR_LEVELS,
            "cross_attention_dim": 1024,
            "attention_head_dim": (5, 10, 20, 20),
            "use_linear_projection": True,
        },
        (_CLIP_H,),
    ),
    "sdxl": RealFamily(
        "SDXL",
        {
            "block_out_channels": (320, 640, 1280),
            "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            "transformer_layers_per_block": (1, 2, 10),
            "cross_attention_dim": 2048,
            "attention_head_dim": (5, 10, 20),
            "use_linear_projection": True,
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 256,
            "projection_class_embeddings_input_dim": 2816,
        },
        (_CLIP_L, _CLIP_G),
    ),
}


def outlined(real: RealFamily) -> Tensors:
    """Returns a checkpoint's tensors under the original names, most of them without numbers (on the meta device)."""
    with init_empty_weights():
        unet, vae = UNet2DConditionModel(**real.unet), AutoencoderKL(**VAE_CONFIG)
        first = CLIPTextModel(CLIPTextConfig(**real.text[0]))
        parts = {"unet": unet.state_dict(), "vae": vae.state_dict(), "text_encoder": first.state_dict()}
        if len(real.text) > 1:
            second = CLIPTextModelWithProjection(CLIPTextConfig(**real.text[1]))
            parts["text_encoder_2"] = second.state_dict()
    return original_checkpoint(real.family, parts, {"unet": unet.config, "vae": vae.config})


def header(tensors: Mapping[str, Tensor]) -> bytes:
    """Returns the beginning of a `.safetensors` file with these tensors in half precision, one after the other."""
    entries: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, tensor in tensors.items():
        begin, end = end, end + tensor.numel() * _HALF_BYTES
        entries[name] = {"dtype": "F16", "shape": list(tensor.shape), "data_offsets": [begin, end]}
    text = json.dumps(entries).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def write(tensors: Mapping[str, Tensor], path: Path, *, zeros: bool) -> None:
    """Writes the file, one tensor after the other; scales and the like are 1, so that numbers stay finite."""
    start = header(tensors)
    generator = torch.Generator().manual_seed(0)
    with path.open("wb") as file:
        file.write(start)
        if zeros:
            file.truncate(len(start) + sum(tensor.numel() for tensor in tensors.values()) * _HALF_BYTES)
            return
        for name, tensor in tensors.items():
            file.write(_filled(name, tuple(tensor.shape), generator).half().numpy().tobytes())


def _filled(name: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    if name.endswith("bias"):
        return torch.zeros(shape)
    if len(shape) <= 1:
        return torch.ones(shape)
    columns = torch.Size(shape[1:]).numel()
    return torch.randn(shape, generator=generator) * min(0.02, columns**-0.5)


def main() -> None:
    """Runs the program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", choices=REAL, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--zeros", action="store_true", help="a sparse file of zeros")
    arguments = parser.parse_args()
    write(outlined(REAL[arguments.family]), arguments.output, zeros=arguments.zeros)


if __name__ == "__main__":
    main()
