"""Checkpoints found, identified and refused."""

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from tests.checkpoints import DEMO
from ti_studio.models.checkpoint.checkpoints import (
    CheckpointInfo,
    NoCheckpoint,
    UnknownCheckpoint,
    find_checkpoint,
    identify,
    list_checkpoints,
)
from ti_studio.models.checkpoint.headers import BrokenFile
from ti_studio.models.families import SD1
from ti_studio.models.hardware import Hardware
from ti_studio.models.loading import CheckpointNotLoaded, load


@pytest.fixture
def copy(tiny_checkpoint: CheckpointInfo, tmp_path: Path) -> Path:
    """A copy of the tiny checkpoint that a test may break."""
    return Path(shutil.copytree(tiny_checkpoint.path, tmp_path / "models" / "copy"))


def test_a_diffusers_folder_is_identified_from_its_configuration(tiny_checkpoint: CheckpointInfo) -> None:
    assert tiny_checkpoint.family is SD1
    assert tiny_checkpoint.widths == {"clip_l": 16}
    assert tiny_checkpoint.default_size == 32
    assert tiny_checkpoint.prediction_type == "epsilon"


def test_the_demo_checkpoint_is_found_first_when_nothing_is_named(root: Path) -> None:
    assert find_checkpoint(root / "models" / "Stable-diffusion", None).title == "demo"


def test_a_checkpoint_is_found_by_title_and_by_path(copy: Path) -> None:
    assert find_checkpoint(copy.parent, "copy").path == copy
    assert find_checkpoint(copy.parent, str(copy)).title == "copy"


def test_a_name_that_is_not_there_is_answered_with_those_that_are(copy: Path) -> None:
    with pytest.raises(NoCheckpoint, match=r"no checkpoint 'dream'.*there are: copy"):
        find_checkpoint(copy.parent, "dream")


def test_an_empty_folder_offers_the_shipped_demo_checkpoint(tmp_path: Path) -> None:
    assert find_checkpoint(tmp_path, None).title == "demo"
    assert find_checkpoint(tmp_path, "demo").path == DEMO
    assert [info.title for info in list_checkpoints(tmp_path)[0]] == ["demo"]


def test_a_folder_with_nothing_but_broken_checkpoints_says_why_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "broken.ckpt").write_bytes(b"x")

    with pytest.raises(NoCheckpoint, match=r"broken\.ckpt.*Put a \.safetensors file or a diffusers"):
        find_checkpoint(tmp_path, None)


def test_a_truncated_file_is_refused_with_both_sizes(copy: Path) -> None:
    weights = copy / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])

    with pytest.raises(BrokenFile, match=r"unet.*is cut off or damaged: its header tells of .* bytes"):
        identify(copy)


def test_a_file_of_something_else_is_refused(copy: Path) -> None:
    (copy / "vae" / "diffusion_pytorch_model.safetensors").write_bytes(b"<html>not found</html>")

    with pytest.raises(BrokenFile, match="is cut off or no safetensors file"):
        identify(copy)


def test_another_kind_of_pipeline_is_refused_by_its_name(copy: Path) -> None:
    (copy / "model_index.json").write_text(json.dumps({"_class_name": "FluxPipeline"}))

    with pytest.raises(UnknownCheckpoint, match="holds a FluxPipeline; expected a StableDiffusionPipeline"):
        identify(copy)


def test_missing_weights_are_named(copy: Path) -> None:
    shutil.rmtree(copy / "vae")

    with pytest.raises(UnknownCheckpoint, match="vae"):
        identify(copy)


def test_a_file_of_another_kind_is_refused_with_what_is_expected(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")

    with pytest.raises(
        UnknownCheckpoint, match=r"no checkpoint; expected a \.safetensors or \.ckpt file, or a diffusers"
    ):
        identify(tmp_path / "notes.txt")


def test_a_bad_checkpoint_does_not_hide_the_good_ones(copy: Path) -> None:
    (copy.parent / "broken.ckpt").write_bytes(b"\x80\x02")

    found, reasons = list_checkpoints(copy.parent)

    assert [info.title for info in found] == ["copy"]
    assert "broken.ckpt" in reasons[0]


def test_weights_that_lack_a_tensor_are_refused_and_not_filled_with_noise(copy: Path) -> None:
    weights = copy / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(weights)
    del tensors["conv_in.weight"]
    save_file(tensors, weights)

    with pytest.raises(CheckpointNotLoaded, match=r"conv_in\.weight"):
        load(identify(copy), Hardware.automatic())


def test_nothing_in_a_loaded_checkpoint_is_trainable(tiny_checkpoint: CheckpointInfo) -> None:
    model = load(tiny_checkpoint, Hardware.automatic())

    parts = (model.unet, model.vae, model.encoders[0].model)
    assert not any(parameter.requires_grad for part in parts for parameter in part.parameters())
