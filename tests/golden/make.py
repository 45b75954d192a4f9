"""Writes the golden embedding files after the rules of the tools that they stand for: `python tests/golden/make.py`.

Nothing of `ti_studio` is used: what our reader hopes for must not decide what is in these files. README.md says which
code of which tool each file follows. With names behind it, it writes only these.
"""

import base64
import json
import sys
import zlib
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo
from safetensors.torch import save_file
from torch import Tensor

HERE = Path(__file__).resolve().parent
CLIP_TOKEN_OF_STAR = 265


def rows(count: int, width: int) -> Tensor:
    """Returns [count, width] float32, (row * width + column) / 64: each number once, each exact in float16 too."""
    return torch.arange(count * width, dtype=torch.float32).reshape(count, width) / 64


def a1111(vectors: Tensor) -> dict[str, object]:
    """A1111 `modules/textual_inversion/textual_inversion.py`, `Embedding.save`."""
    return {
        "string_to_token": {"*": CLIP_TOKEN_OF_STAR},
        "string_to_param": {"*": vectors},
        "name": "name-inside-the-file",
        "step": 1500,
        "sd_checkpoint": "6ce0161689",
        "sd_checkpoint_name": "v1-5-pruned-emaonly",
    }


def a1111_zip(path: Path) -> None:
    """As A1111 saves after training: the vectors still ask for gradients."""
    torch.save(a1111(rows(2, 8).requires_grad_()), path)


def a1111_legacy(path: Path) -> None:
    """As written under torch before 1.6."""
    torch.save(a1111(rows(2, 8)), path, _use_new_zipfile_serialization=False)


def rinongals() -> dict[str, object]:
    """rinongal/textual_inversion `ldm/modules/embedding_manager.py`, `EmbeddingManager.save`, under its torch 1.10.

    That torch's ParameterDict was a Module with its tensors in `_parameters`; today's keeps `_keys` beside them.
    """
    parameters = torch.nn.ParameterDict()
    vars(parameters).clear()
    vars(parameters).update(
        training=True,
        _parameters=OrderedDict({"*": torch.nn.Parameter(rows(2, 8))}),
        _buffers=OrderedDict(),
        _non_persistent_buffers_set=set(),
        _backward_hooks=OrderedDict(),
        _is_full_backward_hook=None,
        _forward_hooks=OrderedDict(),
        _forward_pre_hooks=OrderedDict(),
        _state_dict_hooks=OrderedDict(),
        _load_state_dict_pre_hooks=OrderedDict(),
        _modules=OrderedDict(),
    )
    return {"string_to_token": {"*": torch.tensor(CLIP_TOKEN_OF_STAR)}, "string_to_param": parameters}


def rinongal(path: Path) -> None:
    """As that torch saves it."""
    torch.save(rinongals(), path)


def rinongal_legacy(path: Path) -> None:
    """The same in torch's older form, which notes the source of ParameterDict: two lines stand for torch's own here."""
    source = ["class ParameterDict(Module):\n", "    ...\n"], 1, "/torch/nn/modules/container.py"
    with mock.patch("torch.serialization.get_source_lines_and_file", return_value=source):
        torch.save(rinongals(), path, _use_new_zipfile_serialization=False)


def parameter_dict_today(path: Path) -> None:
    """The same call under the torch of today."""
    parameters = torch.nn.ParameterDict({"*": torch.nn.Parameter(rows(2, 8))})
    torch.save({"string_to_token": {"*": torch.tensor(CLIP_TOKEN_OF_STAR)}, "string_to_param": parameters}, path)


def sd_scripts(path: Path) -> None:
    """kohya-ss/sd-scripts `train_textual_inversion.py`, `save_weights`, with its `modelspec` metadata."""
    metadata = {
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": "stable-diffusion-v2-768-v/textual-inversion",
        "modelspec.title": "cat",
        "modelspec.prediction_type": "v",
    }
    save_file({"emb_params": rows(2, 1024)}, path, metadata)


def sd_scripts_pt(path: Path) -> None:
    """The same function with a file name that ends in `.pt`, and `--save_precision fp16`."""
    torch.save({"emb_params": rows(2, 8).half()}, path)


def sd_scripts_ckpt(path: Path) -> None:
    """The same with `--save_model_as ckpt`."""
    torch.save({"emb_params": rows(2, 8)}, path)


def sd_scripts_sdxl(path: Path) -> None:
    """kohya-ss/sd-scripts `sdxl_train_textual_inversion.py`, `save_weights`."""
    save_file({"clip_l": rows(2, 8), "clip_g": rows(2, 10)}, path)


def diffusers_concept(path: Path) -> None:
    """diffusers `examples/textual_inversion/textual_inversion.py`, `save_progress`, 2022: one row of one dimension."""
    torch.save({"<cat-toy>": rows(1, 8)[0]}, path)


def diffusers(path: Path) -> None:
    """diffusers `examples/textual_inversion/textual_inversion.py`, `save_progress`, since `--num_vectors`."""
    save_file({"<cat-toy>": rows(2, 8)}, path, {"format": "pt"})


def onetrainer(path: Path) -> None:
    """OneTrainer `StableDiffusionEmbeddingSaver`; the key is spelt like this there."""
    save_file({"emp_params": rows(2, 8)}, path)


def onetrainer_output(path: Path) -> None:
    """The same saver with `is_output_embedding`: `BaseModelEmbedding` makes the rows zeros, and keeps what is learned
    apart, for the encoder's output."""
    save_file({"emp_params": torch.zeros(2, 8), "emp_params_out": rows(2, 8)}, path)


def onetrainer_output_sdxl(path: Path) -> None:
    """OneTrainer `StableDiffusionXLEmbeddingSaver`, the same."""
    tensors = {"clip_l": torch.zeros(2, 8), "clip_g": torch.zeros(2, 10)}
    save_file({**tensors, "clip_l_out": rows(2, 8), "clip_g_out": rows(2, 10)}, path)


def onetrainer_after_output(path: Path) -> None:
    """Rows that were trained from an output embedding: `_to_state_dict` begins with a copy of what it was loaded from,
    and so keeps its `_out`."""
    save_file({"emp_params": rows(2, 8), "emp_params_out": torch.ones(2, 8)}, path)


def onetrainer_flux(path: Path) -> None:
    """OneTrainer `FluxEmbeddingSaver`: what ComfyUI calls `t5xxl` is `t5` there, as in diffusers."""
    save_file({"clip_l": rows(2, 8), "t5": rows(2, 12)}, path)


def diffusers_several(path: Path) -> None:
    """diffusers `load_textual_inversion`'s names for the vectors of one word, in one file."""
    vectors = rows(3, 8)
    save_file({"<cat-toy>": vectors[0], "<cat-toy>_1": vectors[1].clone(), "<cat-toy>_2": vectors[2].clone()}, path)


def comfyui_list(path: Path) -> None:
    """What ComfyUI `comfy/sd1_clip.py`, `load_embed`, reads as a list: tensor after tensor of its dicts."""
    vectors = rows(3, 8)
    torch.save([{"<a>": vectors[:1].clone()}, {"<b>": vectors[1:].clone()}], path)


def sd3(path: Path) -> None:
    """ComfyUI `comfy/text_encoders/sd3_clip.py`: the keys of SD 3's three text encoders."""
    save_file({"clip_g": rows(2, 10), "clip_l": rows(2, 8), "t5xxl": rows(2, 12)}, path)


def comfyui_flux(path: Path) -> None:
    """ComfyUI `comfy/text_encoders/flux.py`: the keys of Flux's two text encoders."""
    save_file({"clip_l": rows(2, 8), "t5xxl": rows(2, 12)}, path)


def lora_bundle(path: Path) -> None:
    """A LoRA with embeddings as KohakuBlueleaf's packer and OneTrainer's LoRA saver put them in, and as A1111's
    `extensions-builtin/Lora/networks.py`, `load_network`, takes them out: `bundle_emb.<name>.<key>`."""
    lora = {
        "lora_unet_down_blocks_0.lora_down.weight": torch.zeros(4, 16, dtype=torch.float16),
        "lora_unet_down_blocks_0.alpha": torch.tensor(4),
    }
    bundled = {
        "bundle_emb.old cat.string_to_param.*": rows(3, 8),
        "bundle_emb.cat.emb_params": rows(2, 8).half(),
        "bundle_emb.big-cat.clip_l": rows(2, 8),
        "bundle_emb.big-cat.clip_g": rows(2, 10),
    }
    save_file({**lora, **bundled}, path, {"ss_network_module": "networks.lora"})


def a1111_pixels() -> Image.Image:
    """A1111 `modules/textual_inversion/image_embedding.py`, `insert_image_data_embed`: the JSON, compressed, as low
    halves of bytes in a panel at the left and high halves in one at the right, each behind a black column."""
    text = zlib.compress(a1111_json(), level=9)
    height, channels = 64, 3
    count = len(text) + (height - len(text) % height)
    count += height * channels - count % (height * channels)
    state, numbers = 0, []
    for _ in range(count):
        state = (1664525 * state + 1013904223) % 2**32
        numbers.append(state % 255 & 0x0F)
    panels = []
    for half in (np.frombuffer(text, np.uint8) & 0x0F, np.frombuffer(text, np.uint8) >> 4):
        block = np.resize(half, count) ^ np.array(numbers, np.uint8)
        block = block.reshape(height, -1, channels)
        dots = Image.new("RGB", (block.shape[1], height))
        for x in range(-6, dots.width, 8):
            for y in range(-6, height, 8):
                ImageDraw.Draw(dots).ellipse((x, y, x + 6, y + 6), fill=(200, 200, 200))
        panels.append(block ^ (np.asarray(dots) & 0xF0))
    picture = np.full((height, 48, channels), 90, np.uint8)
    black = np.zeros((height, 1, channels), np.uint8)
    return Image.fromarray(np.concatenate([panels[0], black, picture, black, panels[1]], axis=1))


def a1111_json() -> bytes:
    """Its `EmbeddingEncoder`: a tensor is written as lists under TORCHTENSOR."""
    return json.dumps(a1111(rows(2, 8)), default=lambda tensor: {"TORCHTENSOR": tensor.tolist()}).encode()


def a1111_card(path: Path) -> None:
    """As A1111 saves it with "Save images with embedding in PNG chunks": once as text, once in the pixels."""
    information = PngInfo()
    information.add_text("sd-ti-embedding", base64.b64encode(a1111_json()).decode())
    a1111_pixels().save(path, pnginfo=information)


def a1111_card_stripped(path: Path) -> None:
    """The same after something has saved it anew without loss, and without its texts."""
    a1111_pixels().save(path, lossless=True)


def sd_scripts_xti(path: Path) -> None:
    """kohya-ss/sd-scripts `train_textual_inversion_XTI.py`, `save_weights`, with `XTI_layers` of its `library`."""
    layers = ("IN01 IN02 IN04 IN05 IN07 IN08 MID OUT03 OUT04 OUT05 OUT06 OUT07 OUT08 OUT09 OUT10 OUT11").split()
    save_file({layer: rows(1, 8) + number for number, layer in enumerate(layers)}, path)


FILES: dict[str, Callable[[Path], None]] = {
    "a1111_zip.pt": a1111_zip,
    "a1111_legacy.pt": a1111_legacy,
    "rinongal.pt": rinongal,
    "rinongal_legacy.pt": rinongal_legacy,
    "parameter_dict_today.pt": parameter_dict_today,
    "sd_scripts_sd2.safetensors": sd_scripts,
    "sd_scripts.pt": sd_scripts_pt,
    "sd_scripts.ckpt": sd_scripts_ckpt,
    "sd_scripts_sdxl.safetensors": sd_scripts_sdxl,
    "learned_embeds.bin": diffusers_concept,
    "learned_embeds.safetensors": diffusers,
    "onetrainer.safetensors": onetrainer,
    "onetrainer_output.safetensors": onetrainer_output,
    "onetrainer_output_sdxl.safetensors": onetrainer_output_sdxl,
    "onetrainer_after_output.safetensors": onetrainer_after_output,
    "onetrainer_flux.safetensors": onetrainer_flux,
    "diffusers_several.safetensors": diffusers_several,
    "comfyui_list.pt": comfyui_list,
    "sd3.safetensors": sd3,
    "comfyui_flux.safetensors": comfyui_flux,
    "lora_bundle.safetensors": lora_bundle,
    "sd_scripts_xti.safetensors": sd_scripts_xti,
    "a1111_card.png": a1111_card,
    "a1111_card_stripped.webp": a1111_card_stripped,
}

if __name__ == "__main__":
    for name in sys.argv[1:] or FILES:
        FILES[name](HERE / name)
