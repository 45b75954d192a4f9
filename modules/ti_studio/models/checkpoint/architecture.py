"""The parts' configurations, worked out from the names and shapes of a single file's tensors. Imports no torch.

The names are those of the original code (CompVis' latent-diffusion, Stability's generative-models); the configurations
are diffusers' and transformers'. What shapes can't tell – how many heads share a layer's columns, which activation – is
the same in all checkpoints of a family.
"""

from collections.abc import Mapping
from typing import Any

from ti_studio.models.families import SD1, SDXL, Family

Shapes = Mapping[str, tuple[int, ...]]
"""Of one part: name without the part's prefix → shape."""

Config = dict[str, Any]

_HEAD_COLUMNS = 64
"""Columns of an attention head, in every text encoder and in the UNets of SD 2 and SDXL."""
_SD1_HEADS = 8
"""Heads of an attention layer in SD 1's UNet, whatever its width."""
_SIZES_TOLD = 6
"""SDXL's UNet is told height and width before and after the crop, and where the crop was."""
_GROUPS = 32


def unet_config(shapes: Shapes, family: Family, pooled_width: int | None) -> Config:
    """Returns the `UNet2DConditionModel` of `model.diffusion_model.*`.

    Args:
        shapes: the UNet's.
        family: which heads it has.
        pooled_width: columns of the pooled prompt; None where the UNet takes none.

    Raises:
        KeyError, IndexError: a tensor that every UNet has is not there, or not what it is elsewhere.
    """
    levels = _levels(shapes)
    channels = [width for width, _, _ in levels]
    depths = [depth for _, _, depth in levels]
    middle = _count(shapes, "middle_block.1.transformer_blocks.")
    keys = next(name for name in shapes if name.endswith("attn2.to_k.weight"))
    projections = next(name for name in shapes if name.endswith("1.proj_in.weight"))
    config: Config = {
        "in_channels": shapes["input_blocks.0.0.weight"][1],
        "out_channels": shapes["out.2.weight"][0],
        "block_out_channels": channels,
        "layers_per_block": levels[0][1],
        "down_block_types": ["CrossAttnDownBlock2D" if depth else "DownBlock2D" for depth in depths],
        "up_block_types": ["CrossAttnUpBlock2D" if depth else "UpBlock2D" for depth in reversed(depths)],
        # diffusers takes the middle block's depth from the last level, which need not have any attention of its own.
        "transformer_layers_per_block": [depth or 1 for depth in depths[:-1]] + [depths[-1] or middle],
        "cross_attention_dim": shapes[keys][1],
        "use_linear_projection": len(shapes[projections]) == 2,  # noqa: PLR2004  # a matrix, and no convolution
        "attention_head_dim": _SD1_HEADS if family is SD1 else [max(1, width // _HEAD_COLUMNS) for width in channels],
        "norm_num_groups": _GROUPS,
    }
    if pooled_width is None:
        return config
    added = shapes["label_emb.0.0.weight"][1]
    return {
        **config,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": (added - pooled_width) // _SIZES_TOLD,
        "projection_class_embeddings_input_dim": added,
    }


def vae_config(shapes: Shapes, family: Family) -> Config:
    """Returns the `AutoencoderKL` of `first_stage_model.*`.

    Raises:
        KeyError: a tensor that every VAE has is not there.
    """
    levels = range(_count(shapes, "encoder.down."))
    return {
        "in_channels": shapes["encoder.conv_in.weight"][1],
        "out_channels": shapes["decoder.conv_out.weight"][0],
        "latent_channels": shapes["decoder.conv_in.weight"][1],
        "block_out_channels": [shapes[f"encoder.down.{level}.block.0.conv2.weight"][0] for level in levels],
        "down_block_types": ["DownEncoderBlock2D" for _ in levels],
        "up_block_types": ["UpDecoderBlock2D" for _ in levels],
        "layers_per_block": _count(shapes, "encoder.down.0.block."),
        "scaling_factor": 0.13025 if family is SDXL else 0.18215,
    }


def clip_config(shapes: Shapes) -> Config:
    """Returns the `CLIPTextModel` of OpenAI's CLIP in transformers' names (`embeddings.*`, `encoder.*`).

    Raises:
        KeyError: a tensor that every CLIP has is not there.
    """
    vocabulary, width = shapes["embeddings.token_embedding.weight"]
    return {
        **_text_config(vocabulary, width),
        "hidden_act": "quick_gelu",
        "max_position_embeddings": shapes["embeddings.position_embedding.weight"][0],
        "num_hidden_layers": _count(shapes, "encoder.layers."),
        "intermediate_size": shapes["encoder.layers.0.mlp.fc1.weight"][0],
        "projection_dim": width,
    }


def open_clip_config(shapes: Shapes) -> Config:
    """Returns the text model of OpenCLIP, in its own names (`transformer.resblocks.*`).

    Raises:
        KeyError: a tensor that every OpenCLIP has is not there.
    """
    vocabulary, width = shapes["token_embedding.weight"]
    return {
        **_text_config(vocabulary, width),
        "hidden_act": "gelu",
        "max_position_embeddings": shapes["positional_embedding"][0],
        "num_hidden_layers": _count(shapes, "transformer.resblocks."),
        "intermediate_size": shapes["transformer.resblocks.0.mlp.c_fc.weight"][0],
        "projection_dim": shapes.get("text_projection", (width, width))[1],
    }


def _text_config(vocabulary: int, width: int) -> Config:
    return {
        "vocab_size": vocabulary,
        "hidden_size": width,
        "num_attention_heads": max(1, width // _HEAD_COLUMNS),
        "bos_token_id": vocabulary - 2,
        "eos_token_id": vocabulary - 1,
        "pad_token_id": vocabulary - 1,
    }


def _levels(shapes: Shapes) -> list[tuple[int, int, int]]:
    """Returns channels, residual layers and depth of attention of each resolution, the finest first."""
    levels: list[tuple[int, int, int]] = []
    begins = True
    for block in range(1, _count(shapes, "input_blocks.")):
        if f"input_blocks.{block}.0.op.weight" in shapes:
            begins = True
            continue
        width = shapes[f"input_blocks.{block}.0.out_layers.3.weight"][0]
        depth = _count(shapes, f"input_blocks.{block}.1.transformer_blocks.")
        if begins:
            levels.append((width, 0, depth))
            begins = False
        levels[-1] = (width, levels[-1][1] + 1, depth)
    return levels


def _count(shapes: Shapes, prefix: str) -> int:
    """Returns how many different numbers follow the prefix."""
    return len({name[len(prefix) :].partition(".")[0] for name in shapes if name.startswith(prefix)})
