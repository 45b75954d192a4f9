"""Another VAE than the checkpoint's."""

from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL
from safetensors.torch import save_file

from tests.checkpoints import original_tensors
from ti_studio.errors import NotFound
from ti_studio.models.checkpoint.checkpoints import CheckpointInfo
from ti_studio.models.loading import CheckpointNotLoaded, Model, with_vae

PREFIX = "first_stage_model."


@pytest.mark.parametrize("form", ["alone", "of a checkpoint", "pickle", "folder", "pipeline"])
def test_a_vae_of_any_form_takes_the_place_of_the_checkpoints(
    tiny_model: Model, tiny_checkpoint: CheckpointInfo, tmp_path: Path, form: str
) -> None:
    tensors = {
        name.removeprefix(PREFIX): torch.randn_like(tensor)
        for name, tensor in original_tensors(tiny_checkpoint.path, "SD 1").items()
        if name.startswith(PREFIX)
    }
    path = tmp_path / "vae.safetensors"
    save_file(tensors, path)
    expected = with_vae(tiny_model, path).vae.state_dict()
    if form == "of a checkpoint":
        save_file({PREFIX + name: tensor for name, tensor in tensors.items()}, path)
    elif form == "pickle":
        path = tmp_path / "vae.pt"
        torch.save({"state_dict": {**tensors, "loss.logvar": torch.zeros(1)}}, path)
    elif form in ("folder", "pipeline"):
        path = tmp_path / "folder"
        vae = AutoencoderKL.from_config(tiny_model.vae.config)
        vae.load_state_dict(expected)
        vae.save_pretrained(path / "vae" if form == "pipeline" else path)

    other = with_vae(tiny_model, path)

    assert other.unet is tiny_model.unet and other.vae is not tiny_model.vae
    assert not any(parameter.requires_grad for parameter in other.vae.parameters())
    assert all(torch.equal(tensor, expected[name]) for name, tensor in other.vae.state_dict().items())
    own = tiny_model.vae.state_dict()
    assert not all(torch.equal(tensor, own[name]) for name, tensor in expected.items())
    assert other.vae.config.scaling_factor == tiny_model.vae.config.scaling_factor


def test_what_is_no_vae_is_refused(tiny_model: Model, tmp_path: Path) -> None:
    save_file({"emb_params": torch.zeros(1, 16)}, tmp_path / "word.safetensors")

    with pytest.raises(CheckpointNotLoaded, match=r"word\.safetensors: the VAE lacks tensors that every one has"):
        with_vae(tiny_model, tmp_path / "word.safetensors")
    with pytest.raises(NotFound, match="There is no VAE"):
        with_vae(tiny_model, tmp_path / "nothing.safetensors")
    with pytest.raises(CheckpointNotLoaded, match="could not be loaded"):
        with_vae(tiny_model, tmp_path)


def test_a_vae_for_other_latents_is_refused(tiny_model: Model, tmp_path: Path) -> None:
    config = {**tiny_model.vae.config, "latent_channels": 16}
    AutoencoderKL.from_config(config).save_pretrained(tmp_path)

    with pytest.raises(CheckpointNotLoaded, match="latents of 16 channels; expected 4"):
        with_vae(tiny_model, tmp_path)
