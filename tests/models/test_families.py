"""SD 1, SD 2 and SDXL from diffusers folders: identified, painted with, and trained on."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.checkpoints import TINY, TINY_WIDTH, TINY_WIDTH_G
from ti_studio.models.checkpoint.checkpoints import CheckpointInfo, UnknownCheckpoint, identify
from ti_studio.models.families import SD1, SD2, SDXL, family_of_pipeline
from ti_studio.models.hardware import Hardware
from ti_studio.models.loading import Model, load
from ti_studio.prompts.conditioning import Conditioning


def change_json(path: Path, **changes: object) -> None:
    content: dict[str, Any] = json.loads(path.read_text())
    path.write_text(json.dumps({**content, **changes}))


@pytest.fixture
def sdxl_copy(tiny_families: dict[str, CheckpointInfo], tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_families["SDXL"].path, tmp_path / "sdxl"))


@pytest.mark.parametrize(
    ("pipeline", "config", "family"),
    [
        ("StableDiffusionPipeline", {"hidden_size": 768, "hidden_act": "quick_gelu"}, SD1),
        ("StableDiffusionPipeline", {"hidden_size": 1024, "hidden_act": "gelu"}, SD2),
        ("StableDiffusionXLPipeline", {"hidden_size": 768}, SDXL),
        ("FluxPipeline", {}, None),
    ],
)
def test_a_family_is_known_by_its_pipeline_and_text_encoder(
    pipeline: str, config: dict[str, object], family: object
) -> None:
    assert family_of_pipeline(pipeline, config) is family


@pytest.mark.parametrize("name", TINY)
def test_a_folder_of_each_family_is_identified(tiny_families: dict[str, CheckpointInfo], name: str) -> None:
    info = tiny_families[name]

    widths = {
        "SD 1": {"clip_l": TINY_WIDTH},
        "SD 2": {"clip_h": TINY_WIDTH},
        "SDXL": {"clip_l": TINY_WIDTH, "clip_g": TINY_WIDTH_G},
    }
    assert info.family.name == name
    assert info.widths == widths[name]


def test_the_size_is_what_the_unet_was_trained_at(sdxl_copy: Path) -> None:
    change_json(sdxl_copy / "unet" / "config.json", sample_size=192)

    assert identify(sdxl_copy).default_size == 768


def test_a_folder_without_the_second_encoder_is_refused(sdxl_copy: Path) -> None:
    shutil.rmtree(sdxl_copy / "text_encoder_2")

    with pytest.raises(UnknownCheckpoint, match=r"text_encoder_2.config\.json is missing"):
        identify(sdxl_copy)


def test_an_inpainting_checkpoint_is_refused_with_its_channels(sdxl_copy: Path) -> None:
    change_json(sdxl_copy / "unet" / "config.json", in_channels=9)

    with pytest.raises(UnknownCheckpoint, match="takes 9 channels, as inpainting"):
        identify(sdxl_copy)


def test_another_prediction_type_is_refused_by_its_name(sdxl_copy: Path) -> None:
    change_json(sdxl_copy / "scheduler" / "scheduler_config.json", prediction_type="flow_prediction")

    with pytest.raises(UnknownCheckpoint, match="predicts 'flow_prediction'; expected epsilon or v_prediction"):
        identify(sdxl_copy)


def test_the_unet_of_sdxl_is_told_the_pooled_prompt_and_the_size(tiny_sdxl: Model) -> None:
    torch.manual_seed(0)
    noisy, timesteps, context = torch.randn(2, 4, 6, 8), torch.tensor([3, 700]), torch.randn(2, 77, 40)
    pooled = torch.randn(2, TINY_WIDTH_G)
    sizes = torch.tensor([[24.0, 32.0, 0.0, 0.0, 24.0, 32.0]]).expand(2, -1)

    with torch.no_grad():
        expected = tiny_sdxl.unet(
            noisy, timesteps, context, added_cond_kwargs={"text_embeds": pooled, "time_ids": sizes}
        ).sample
        predicted = tiny_sdxl.predict(noisy, timesteps, Conditioning(context, pooled))
        otherwise = tiny_sdxl.predict(noisy, timesteps, Conditioning(context, -pooled))

    assert torch.allclose(predicted, expected, atol=1e-6)
    assert not torch.allclose(predicted, otherwise, atol=1e-6)


@pytest.mark.parametrize("name", TINY)
def test_the_vae_of_each_family_has_its_own_scaling(
    tiny_sd2: Model, tiny_sdxl: Model, tiny_model: Model, name: str
) -> None:
    model = {"SD 1": tiny_model, "SD 2": tiny_sd2, "SDXL": tiny_sdxl}[name]

    assert model.vae.config.scaling_factor == (0.13025 if name == "SDXL" else 0.18215)
    assert model.vae.dtype == torch.float32


@pytest.mark.parametrize("name", TINY)
def test_a_folder_of_half_precision_weights_alone_is_loaded(
    tiny_families: dict[str, CheckpointInfo], tmp_path: Path, name: str
) -> None:
    folder = Path(shutil.copytree(tiny_families[name].path, tmp_path / "half"))
    for file in list(folder.glob("*/*.safetensors")):
        tensors = {key: tensor.half() for key, tensor in load_file(file).items()}
        save_file(tensors, file.with_name(f"{file.stem}.fp16.safetensors"), {"format": "pt"})
        file.unlink()

    model = load(identify(folder), Hardware.automatic())

    whole = load_file(tiny_families[name].path / "unet" / "diffusion_pytorch_model.safetensors")
    assert model.unet.dtype == torch.float32
    assert torch.equal(model.unet.conv_in.weight, whole["conv_in.weight"].half().float())


def test_weights_in_half_precision_beside_the_full_ones_are_left(sdxl_copy: Path) -> None:
    before = identify(sdxl_copy).sha256
    (sdxl_copy / "unet" / "diffusion_pytorch_model.fp16.safetensors").write_bytes(b"never read")

    assert identify(sdxl_copy).sha256 == before
