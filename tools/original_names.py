"""Writes a checkpoint's parts under the names of the original code, as single files have them.

The product only reads such files; here is the way back, for tests and for `tools/random_checkpoint.py`. That it is the
inverse of diffusers' converters is held by tests/models/checkpoint/test_single_files.py.
"""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

Tensors = dict[str, Tensor]

_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}
_UNET_ENDS = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
_MIDDLE = {"resnets.0": "0", "attentions.0": "1", "resnets.1": "2"}
_VAE_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
_OPEN_CLIP = {"layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj"}
_OPEN_CLIP_ENDS = {
    "embeddings.token_embedding.weight": "token_embedding.weight",
    "embeddings.position_embedding.weight": "positional_embedding",
    "final_layer_norm.weight": "ln_final.weight",
    "final_layer_norm.bias": "ln_final.bias",
}


def original_checkpoint(family: str, parts: Mapping[str, Tensors], configs: Mapping[str, Mapping[str, Any]]) -> Tensors:
    """Returns the tensors of a whole single file, with the tables and averages that real ones have beside the parts.

    Args:
        family: `SD 1`, `SD 2` or `SDXL`.
        parts: the tensors of `unet`, `vae`, `text_encoder` and for SDXL `text_encoder_2`, in diffusers' names.
        configs: the configurations of `unet` and `vae`.
    """
    tensors = {
        **_below("model.diffusion_model.", original_unet(parts["unet"], configs["unet"])),
        **_below("first_stage_model.", original_vae(parts["vae"], configs["vae"])),
        "alphas_cumprod": torch.zeros(1000),
        "model_ema.decay": torch.zeros(()),
    }
    text = parts["text_encoder"]
    if family == "SD 1":
        return {**tensors, **_below("cond_stage_model.transformer.", original_clip(text))}
    if family == "SDXL":
        first = _below("conditioner.embedders.0.transformer.", original_clip(text))
        second = {**original_open_clip(parts["text_encoder_2"]), "logit_scale": torch.zeros(())}
        return {**tensors, **first, **_below("conditioner.embedders.1.model.", second)}
    return {**tensors, **_below("cond_stage_model.model.", _with_last_layer(original_open_clip(text)))}


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> Tensors:
    return {prefix + name: tensor for name, tensor in tensors.items()}


def _with_last_layer(tensors: Tensors) -> Tensors:
    """Adds what SD 2 does not listen to: OpenCLIP-H's last layer, which is not in diffusers' folders, and its
    projection."""
    last = {name.replace(".22.", ".23."): -tensor for name, tensor in tensors.items() if ".resblocks.22." in name}
    width = tensors["token_embedding.weight"].shape[1]
    return {**tensors, **last, "text_projection": torch.zeros(width, width), "logit_scale": torch.zeros(())}


def original_unet(tensors: Mapping[str, Tensor], config: Mapping[str, Any]) -> Tensors:
    """Renames a `UNet2DConditionModel`'s tensors; the names are without `model.diffusion_model.`."""
    return {_unet_name(name, config): tensor for name, tensor in tensors.items()}


def _unet_name(name: str, config: Mapping[str, Any]) -> str:
    layers = config["layers_per_block"]
    stem, _, ending = name.rpartition(".")
    if stem in _UNET_ENDS:
        return f"{_UNET_ENDS[stem]}.{ending}"
    if match := re.match(r"mid_block\.(resnets\.\d|attentions\.0)\.(.*)", name):
        return f"middle_block.{_MIDDLE[match[1]]}.{_resnet(match[2])}"
    match = re.match(r"(down|up)_blocks\.(\d+)\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)\.(.*)", name)
    assert match, name
    block, layer, rest = int(match[2]), int(match[4]), match[5]
    place = 0 if match[3] == "resnets" else 1
    if match[1] == "down":
        if match[3] == "downsamplers":
            return f"input_blocks.{(block + 1) * (layers + 1)}.0.op.{ending}"
        return f"input_blocks.{1 + block * (layers + 1) + layer}.{place}.{_resnet(rest)}"
    if match[3] == "upsamplers":
        place = 2 if "CrossAttn" in config["up_block_types"][block] else 1
        return f"output_blocks.{block * (layers + 1) + layers}.{place}.conv.{ending}"
    return f"output_blocks.{block * (layers + 1) + layer}.{place}.{_resnet(rest)}"


def _resnet(rest: str) -> str:
    first, dot, ending = rest.partition(".")
    return _RESNET.get(first, first) + dot + ending


def original_vae(tensors: Mapping[str, Tensor], config: Mapping[str, Any]) -> Tensors:
    """Renames an `AutoencoderKL`'s tensors; the names are without `first_stage_model.`. Its attention was made of 1×1
    convolutions."""
    levels = len(config["block_out_channels"])
    renamed = {}
    for name, tensor in tensors.items():
        new = name.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
        new = re.sub(r"down_blocks\.(\d+)\.resnets\.", r"down.\1.block.", new)
        new = re.sub(r"down_blocks\.(\d+)\.downsamplers\.0\.", r"down.\1.downsample.", new)
        new = re.sub(r"up_blocks\.(\d+)\.resnets\.", lambda m: f"up.{levels - 1 - int(m[1])}.block.", new)
        new = re.sub(r"up_blocks\.(\d+)\.upsamplers\.0\.", lambda m: f"up.{levels - 1 - int(m[1])}.upsample.", new)
        new = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", new)
        if match := re.match(r"(.*)mid_block\.attentions\.0\.(.*)\.(weight|bias)$", new):
            new = f"{match[1]}mid.attn_1.{_VAE_ATTENTION[match[2]]}.{match[3]}"
            is_matrix = match[3] == "weight" and match[2] != "group_norm"
            tensor = tensor[:, :, None, None] if is_matrix else tensor  # noqa: PLW2901
        renamed[new] = tensor
    return renamed


def original_open_clip(tensors: Mapping[str, Tensor]) -> Tensors:
    """Renames an OpenCLIP text model's tensors; the names are without the prefix. Query, key and value are one matrix
    there, and the projection stands the other way round."""
    renamed: Tensors = {}
    flat = {name.removeprefix("text_model."): tensor for name, tensor in tensors.items()}
    for name, tensor in flat.items():
        if name in _OPEN_CLIP_ENDS:
            renamed[_OPEN_CLIP_ENDS[name]] = tensor
        elif name == "text_projection.weight":
            renamed["text_projection"] = tensor.T
        elif ".self_attn.q_proj." in name:
            parts = [flat[name.replace("q_proj", part)] for part in ("q_proj", "k_proj", "v_proj")]
            new = name.replace("encoder.layers.", "transformer.resblocks.")
            renamed[re.sub(r"self_attn\.q_proj\.(\w+)$", r"attn.in_proj_\1", new)] = torch.cat(parts)
        elif "k_proj" not in name and "v_proj" not in name:
            new = name.replace("encoder.layers.", "transformer.resblocks.").replace("self_attn.", "attn.")
            for ours, theirs in _OPEN_CLIP.items():
                new = new.replace(f".{ours}.", f".{theirs}.")
            renamed[new] = tensor
    return renamed


def original_clip(tensors: Mapping[str, Tensor]) -> Tensors:
    """Renames a `CLIPTextModel`'s tensors; the names are without `cond_stage_model.transformer.`."""
    positions = torch.arange(len(tensors["embeddings.position_embedding.weight"])).expand(1, -1)
    named = {f"text_model.{name}": tensor for name, tensor in tensors.items()}
    return {**named, "text_model.embeddings.position_ids": positions}
