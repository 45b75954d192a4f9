"""Checkpoints with random weights, of the real architectures and tiny sizes."""

import json
import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

ROOT = Path(__file__).resolve().parents[1]
DEMO = ROOT / "models" / "Stable-diffusion" / "demo"

TINY_SIZE = 32
"""Pixels of the tiny checkpoint's pictures."""

TINY_WIDTH = 16
"""Columns of its token embeddings."""


def write_tiny_checkpoint(folder: Path, *, width: int = TINY_WIDTH, prediction_type: str = "epsilon") -> Path:
    """Writes a diffusers folder of Stable Diffusion 1's parts with CLIP's real vocabulary, 32×32 pixels, about 1 MB."""
    torch.manual_seed(0)
    text_config = CLIPTextConfig(
        vocab_size=49408,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=2,
        num_attention_heads=2,
        bos_token_id=49406,
        eos_token_id=49407,
        pad_token_id=49407,
    )
    blocks = ("CrossAttnDownBlock2D", "DownBlock2D"), ("UpBlock2D", "CrossAttnUpBlock2D")
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=blocks[0],
        up_block_types=blocks[1],
        cross_attention_dim=width,
        attention_head_dim=2,
        norm_num_groups=4,
    )
    vae = AutoencoderKL(
        block_out_channels=(8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        norm_num_groups=4,
        sample_size=TINY_SIZE,
    )
    for part, name in ((CLIPTextModel(text_config).half(), "text_encoder"), (unet, "unet"), (vae, "vae")):
        part.save_pretrained(folder / name)
    shutil.copytree(DEMO / "tokenizer", folder / "tokenizer")
    DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", prediction_type=prediction_type
    ).save_pretrained(folder / "scheduler")
    names = {"text_encoder": "CLIPTextModel", "unet": "UNet2DConditionModel", "vae": "AutoencoderKL"}
    index = {"_class_name": "StableDiffusionPipeline", **{name: ["", kind] for name, kind in names.items()}}
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder
