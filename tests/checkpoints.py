"""Checkpoints with random weights, of the real architectures and tiny sizes."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from tools.original_names import original_checkpoint

ROOT = Path(__file__).resolve().parents[1]
DEMO = ROOT / "models" / "Stable-diffusion" / "demo"

TINY_SIZE = 32
"""Pixels of the tiny checkpoint's pictures."""

TINY_WIDTH = 16
"""Columns of its token embeddings."""

TINY_WIDTH_G = 24
"""Columns of the token embeddings of tiny SDXL's second encoder."""

_TIME_WIDTH = 8
"""Columns in which tiny SDXL's UNet writes each of the six sizes."""


@dataclass(frozen=True)
class TinyFamily:
    """How the tiny checkpoint of a family differs from SD 1's."""

    pipeline: str = "StableDiffusionPipeline"
    encoders: tuple[dict[str, Any], ...] = ({"hidden_act": "quick_gelu"},)
    """What each text encoder's configuration has of its own."""
    unet: dict[str, Any] = field(default_factory=lambda: {"attention_head_dim": 8})
    scaling_factor: float = 0.18215


TINY = {
    "SD 1": TinyFamily(),
    "SD 2": TinyFamily(
        encoders=({"hidden_act": "gelu", "num_hidden_layers": 23},),
        unet={"attention_head_dim": (1, 1), "use_linear_projection": True},
    ),
    "SDXL": TinyFamily(
        pipeline="StableDiffusionXLPipeline",
        encoders=(
            {"hidden_act": "quick_gelu"},
            {"hidden_act": "gelu", "hidden_size": TINY_WIDTH_G, "projection_dim": TINY_WIDTH_G},
        ),
        unet={
            "attention_head_dim": (1, 1),
            "use_linear_projection": True,
            "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
            "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
            "transformer_layers_per_block": (1, 2),
            "cross_attention_dim": TINY_WIDTH + TINY_WIDTH_G,
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": _TIME_WIDTH,
            "projection_class_embeddings_input_dim": 6 * _TIME_WIDTH + TINY_WIDTH_G,
        },
        scaling_factor=0.13025,
    ),
}


def demo_side() -> int:
    """Returns the pixels on each side of the demo checkpoint's pictures."""
    levels = len(_demo_config("vae")["block_out_channels"])
    return int(_demo_config("unet")["sample_size"]) << (levels - 1)


def demo_width() -> int:
    """Returns the columns of the demo checkpoint's token embeddings."""
    return int(_demo_config("text_encoder")["hidden_size"])


def _demo_config(part: str) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((DEMO / part / "config.json").read_text(encoding="utf-8"))
    return config


def write_tiny_checkpoint(
    folder: Path, *, family: str = "SD 1", width: int = TINY_WIDTH, prediction_type: str = "epsilon"
) -> Path:
    """Writes a diffusers folder of a family's parts with CLIP's real vocabulary, 32×32 pixels, some MB."""
    torch.manual_seed(0)
    tiny = TINY[family]
    for place, (suffix, config) in enumerate(zip(("", "_2"), tiny.encoders, strict=False)):
        kind = CLIPTextModelWithProjection if place else CLIPTextModel
        kind(_text_config(width, config)).half().save_pretrained(folder / f"text_encoder{suffix}")
        shutil.copytree(DEMO / "tokenizer", folder / f"tokenizer{suffix}")
    _unet(width, tiny).save_pretrained(folder / "unet")
    _vae(tiny).save_pretrained(folder / "vae")
    DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", prediction_type=prediction_type
    ).save_pretrained(folder / "scheduler")
    (folder / "model_index.json").write_text(json.dumps({"_class_name": tiny.pipeline}))
    return folder


def original_tensors(folder: Path, family: str) -> dict[str, Tensor]:
    """Returns the tensors of a diffusers folder under the names that a single file of its family has."""
    parts = {file.parent.name: load_file(file) for file in folder.glob("*/*.safetensors")}
    configs = {part: json.loads((folder / part / "config.json").read_text()) for part in ("unet", "vae")}
    return original_checkpoint(family, parts, configs)


def write_single_file(
    folder: Path, path: Path, *, family: str, changes: Mapping[str, Tensor | None] | None = None, **metadata: str
) -> Path:
    """Writes a diffusers folder as one `.safetensors` or `.ckpt` file.

    Args:
        folder: the diffusers folder.
        path: the file.
        family: the folder's.
        changes: tensors to put in, or with None to leave out.
        metadata: of the header, dots in the keys as `__`.
    """
    tensors = {**original_tensors(folder, family), **(changes or {})}
    kept = {name: tensor.contiguous().clone() for name, tensor in tensors.items() if tensor is not None}
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".ckpt":
        torch.save({"state_dict": kept, "global_step": 7}, path)
    else:
        about = {"modelspec.resolution": f"{TINY_SIZE}x{TINY_SIZE}"}
        save_file(kept, path, {**about, **{key.replace("__", "."): value for key, value in metadata.items()}})
    return path


def _text_config(width: int, changes: dict[str, Any]) -> CLIPTextConfig:
    settings = {
        "vocab_size": 49408,
        "hidden_size": width,
        "intermediate_size": 2 * width,
        "num_hidden_layers": 2,
        "num_attention_heads": 1,
        "bos_token_id": 49406,
        "eos_token_id": 49407,
        "pad_token_id": 49407,
    }
    return CLIPTextConfig(**{**settings, **changes})


def _unet(width: int, tiny: TinyFamily) -> UNet2DConditionModel:
    settings = {
        "sample_size": 8,
        "block_out_channels": (32, 64),
        "layers_per_block": 1,
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
        "cross_attention_dim": width,
    }
    return UNet2DConditionModel(**{**settings, **tiny.unet})


def _vae(tiny: TinyFamily) -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(32, 32, 32),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        sample_size=TINY_SIZE,
        scaling_factor=tiny.scaling_factor,
    )
