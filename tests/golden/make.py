"""Writes the golden embedding files after the rules of the tools that they stand for: `python tests/golden/make.py`.

Nothing of `ti_studio` is used: what our reader hopes for must not decide what is in these files. README.md says which
code of which tool each file follows.
"""

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import torch
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


def rinongal(path: Path) -> None:
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
    torch.save({"string_to_token": {"*": torch.tensor(CLIP_TOKEN_OF_STAR)}, "string_to_param": parameters}, path)


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
    """The same saver with `is_output_embedding`: what is added to the encoder's output stands beside the rows."""
    save_file({"emp_params": rows(2, 8), "emp_params_out": torch.zeros(2, 8)}, path)


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


FILES: dict[str, Callable[[Path], None]] = {
    "a1111_zip.pt": a1111_zip,
    "a1111_legacy.pt": a1111_legacy,
    "rinongal.pt": rinongal,
    "parameter_dict_today.pt": parameter_dict_today,
    "sd_scripts_sd2.safetensors": sd_scripts,
    "sd_scripts.pt": sd_scripts_pt,
    "sd_scripts_sdxl.safetensors": sd_scripts_sdxl,
    "learned_embeds.bin": diffusers_concept,
    "learned_embeds.safetensors": diffusers,
    "onetrainer.safetensors": onetrainer,
    "onetrainer_output.safetensors": onetrainer_output,
    "diffusers_several.safetensors": diffusers_several,
    "comfyui_list.pt": comfyui_list,
    "sd3.safetensors": sd3,
}

if __name__ == "__main__":
    for name, write in FILES.items():
        write(HERE / name)
