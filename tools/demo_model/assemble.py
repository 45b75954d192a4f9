"""Puts the trained parts together as a diffusers folder in float16, the form in which the checkpoint is shipped.

    python -m tools.demo_model.assemble WORKFOLDER OUTPUTFOLDER

Takes the refined decoder where there is one. While the UNet is still being trained, `--unfinished` takes its averaged
weights from the saved state instead, for a look in between.
"""

import argparse
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel, __version__
from torch import Tensor

from tools.demo_model import text_model
from tools.demo_model.artwork.things import vocabulary_of
from tools.demo_model.train_unet import UnetShape, new_scheduler, new_unet
from tools.demo_model.vocabulary import load_vocabulary

LARGEST_FOLDER = 60_000_000

BY_HAND = ("README.md", "recommended_training.json")
"""The model card, and the values of presets that were found for the checkpoint."""

MODEL_INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "_diffusers_version": __version__,
    "feature_extractor": [None, None],
    "image_encoder": [None, None],
    "requires_safety_checker": False,
    "safety_checker": [None, None],
    "scheduler": ["diffusers", "DDIMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}


def assemble(work: Path, output: Path, unfinished: bool = False) -> int:
    """Writes the checkpoint beside `output`, moves it there whole, and returns its size in bytes."""
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent) as temporary:
        folder = Path(temporary) / output.name
        if unfinished:
            _write_unfinished(work, folder)
        else:
            shutil.copytree(work / "text_encoder", folder / "text_encoder")
            UNet2DConditionModel.from_pretrained(work / "unet").half().save_pretrained(folder / "unet")
        refined = work / "vae_refined"
        vae = AutoencoderKL.from_pretrained(refined if refined.exists() else work / "vae")
        vae.half().save_pretrained(folder / "vae")
        shutil.copytree(work / "tokenizer", folder / "tokenizer")
        new_scheduler().save_pretrained(folder / "scheduler")
        (folder / "model_index.json").write_text(json.dumps(MODEL_INDEX, indent=2) + "\n", encoding="utf-8")
        size = _tidy_configurations(folder)
        _swap(folder, output, Path(temporary) / "previous")
    return size


def _write_unfinished(work: Path, folder: Path) -> None:
    """The averaged weights of a run that still goes on."""
    average = torch.load(work / "unet.state.pt", weights_only=True)["average"]
    vocabulary = vocabulary_of(work) if (work / "icons.json").exists() else load_vocabulary(work / "tokenizer")
    parts = {part: _part(average, part) for part in ("unet.", "text.")}
    table, layers = parts["text."]["embeddings.token_embedding.weight"], _layers(parts["text."])
    text = text_model.new_text_model(vocabulary, table.shape[1], layers)
    text.load_state_dict(parts["text."])
    unet = new_unet(UnetShape(text_width=table.shape[1]))
    unet.load_state_dict(parts["unet."])
    unet.half().save_pretrained(folder / "unet")
    text_model.save_text_model(text, vocabulary, folder / "text_encoder")


def _part(weights: Mapping[str, Tensor], part: str) -> dict[str, Tensor]:
    """The weights whose names have the part's name at their beginning, or behind the text side's."""
    names = {name: name.removeprefix("words.") for name in weights}
    return {short.removeprefix(part): weights[name] for name, short in names.items() if short.startswith(part)}


def _layers(text: Mapping[str, Tensor]) -> int:
    return len({name.split(".")[2] for name in text if name.startswith("encoder.layers.")})


def _tidy_configurations(folder: Path) -> int:
    """Drops the build machine's paths, sets the precision to load in; returns the folder's size in bytes."""
    for path in folder.rglob("config.json"):
        config = json.loads(path.read_text(encoding="utf-8"))
        config.pop("_name_or_path", None)
        if "dtype" in config:  # transformers would load float16 by default, diffusers float32: they must agree
            config["dtype"] = "float32"
        path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    if size > LARGEST_FOLDER:
        raise ValueError(f"the checkpoint has {size:,} bytes; no more than {LARGEST_FOLDER:,} are to be shipped")
    return size


def _swap(folder: Path, output: Path, previous: Path) -> None:
    """Renames the new folder into place; what was written there by hand moves along."""
    if output.exists():
        for name in BY_HAND:
            if (output / name).exists():
                shutil.copy2(output / name, folder / name)
        os.rename(output, previous)
    os.rename(folder, output)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--unfinished", action="store_true")
    options = parser.parse_args()
    print(f"{assemble(options.work, options.output, options.unfinished):,} bytes")
