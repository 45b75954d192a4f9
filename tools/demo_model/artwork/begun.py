"""A training that goes on another day: the weights in half precision, small enough for the repository.

    python -m tools.demo_model.artwork.begun save WORKFOLDER FOLDER
    python -m tools.demo_model.artwork.begun restore FOLDER WORKFOLDER

`save` takes the averaged weights of `unet.state.pt`; `restore` writes `vae/`, `text_side.pt` and `unet_begin/` to a
work folder. Go on with `train_unet WORKFOLDER --begin-from WORKFOLDER/unet_begin`. Optimizer states are not kept.
"""

import argparse
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from tools.demo_model.artwork.text_lessons import WIDTH
from tools.demo_model.train_unet import UnetShape, new_unet

WEIGHTS = "weights.safetensors"
VAE = ("config.json", "diffusion_pytorch_model.safetensors")
"""The files of the autoencoder's folder."""


def save(work: Path, folder: Path) -> None:
    """Writes the weights of UNet, text model and row encoder, and the autoencoder, to the folder in half precision."""
    average = torch.load(work / "unet.state.pt", weights_only=True)["average"]
    (folder / "vae").mkdir(parents=True, exist_ok=True)
    save_file(_halved(average), folder / WEIGHTS)
    config, weights = VAE
    shutil.copyfile(work / "vae" / config, folder / "vae" / config)
    save_file(_halved(load_file(work / "vae" / weights)), folder / "vae" / weights)


def _halved(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.half().contiguous() if value.is_floating_point() else value for name, value in weights.items()}


def restore(folder: Path, work: Path, shape: UnetShape | None = None) -> None:
    """Writes `vae`, `text_side.pt` and `unet_begin` to a work folder, and keeps those that are there already."""
    work.mkdir(parents=True, exist_ok=True)
    weights = {name: value.float() for name, value in load_file(folder / WEIGHTS).items()}
    config, vae_weights = VAE
    if not (work / "vae").exists():
        (work / "vae").mkdir()
        shutil.copyfile(folder / "vae" / config, work / "vae" / config)
        vae = {name: value.float() for name, value in load_file(folder / "vae" / vae_weights).items()}
        save_file(vae, work / "vae" / vae_weights, {"format": "pt"})
    if not (work / "text_side.pt").exists():
        torch.save(_part(weights, "words."), work / "text_side.tmp")
        os.replace(work / "text_side.tmp", work / "text_side.pt")
    if not (work / "unet_begin").exists():
        unet = new_unet(shape or UnetShape(text_width=WIDTH))
        unet.load_state_dict(_part(weights, "unet."))
        unet.save_pretrained(work / "unet_begin")


def _part(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}


def main() -> None:
    """Reads the command line and saves or restores."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("save", "restore"))
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    options = parser.parse_args()
    {"save": save, "restore": restore}[options.step](options.source, options.target)


if __name__ == "__main__":
    main()
