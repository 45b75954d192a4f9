"""Checkpoints in one file, under the original code's names."""

import os
import pickle
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint, convert_ldm_vae_checkpoint
from safetensors.torch import load_file, save_file
from torch import Tensor

from tests.checkpoints import TINY, original_tensors, write_single_file
from ti_studio.embeddings.library.library import Library
from ti_studio.generation.events import Notice, Picture
from ti_studio.generation.pipeline import Txt2ImgPipeline
from ti_studio.generation.request import GenerateRequest
from ti_studio.models.checkpoint.checkpoints import (
    BrokenFile,
    CheckpointInfo,
    UnknownCheckpoint,
    identify,
    list_checkpoints,
)
from ti_studio.models.checkpoint.pickled import read_pickled
from ti_studio.models.hardware import Hardware
from ti_studio.models.loading import CheckpointNotLoaded, Model, load
from ti_studio.prompts.chunks import WordIndex, chunk_prompt
from ti_studio.prompts.conditioning import encode
from ti_studio.prompts.grammar import parse_attention

CPU = Hardware(torch.device("cpu"), torch.float32)

Writer = Callable[..., Path]


@pytest.fixture
def write(tiny_families: dict[str, CheckpointInfo], tmp_path: Path) -> Writer:
    """Writes a family's tiny checkpoint as one file."""

    def write_file(family: str, name: str = "model.safetensors", **changes: object) -> Path:
        return write_single_file(tiny_families[family].path, tmp_path / name, family=family, **changes)  # type: ignore[arg-type]

    return write_file


def painted(model: Model, library: Library) -> tuple[bytes, list[str]]:
    """Returns a picture's pixels, and the notices."""
    told = list(Txt2ImgPipeline(model).paint(GenerateRequest(prompt="a tree", steps=2), [7], library, lambda: False))
    (image,) = (event.image for event in told if isinstance(event, Picture))
    return np.asarray(image).tobytes(), [event.text for event in told if isinstance(event, Notice)]


@pytest.mark.parametrize("ending", ["safetensors", "ckpt"])
@pytest.mark.parametrize("name", TINY)
def test_a_single_file_is_loaded_to_the_very_weights_of_the_folder(
    tiny_families: dict[str, CheckpointInfo], write: Writer, name: str, ending: str
) -> None:
    folder, file = load(tiny_families[name], CPU), load(identify(write(name, f"{name}-base.{ending}")), CPU)

    assert file.info.family is folder.info.family
    assert file.info.widths == folder.info.widths
    parts = [(folder.unet, file.unet), (folder.vae, file.vae)]
    parts += [(one.model, other.model) for one, other in zip(folder.encoders, file.encoders, strict=True)]
    for expected, found in parts:
        assert found.state_dict().keys() == expected.state_dict().keys()
        assert all(torch.equal(tensor, found.state_dict()[key]) for key, tensor in expected.state_dict().items())
        assert not any(parameter.requires_grad for parameter in found.parameters())


@pytest.mark.parametrize("name", TINY)
def test_a_single_file_paints_the_very_picture_of_the_folder(
    tiny_families: dict[str, CheckpointInfo], write: Writer, library: Library, name: str
) -> None:
    file = identify(write(name, modelspec__prediction_type="epsilon"))

    assert file.default_size == 32
    assert painted(load(file, CPU), library) == painted(load(tiny_families[name], CPU), library)


@pytest.mark.parametrize("name", TINY)
def test_a_single_file_passes_gradients_to_the_rows(write: Writer, name: str) -> None:
    model = load(identify(write(name)), CPU)
    tokenizer = model.encoders[0].tokenizer
    rows = {encoder.key: torch.zeros(2, encoder.width, requires_grad=True) for encoder in model.encoders}
    words = WordIndex.of({"zzzz1234": 2}, tokenizer)
    told = encode(model.encoders, [chunk_prompt(parse_attention("a zzzz1234"), tokenizer, words)], {"zzzz1234": rows})

    model.predict(torch.ones(1, 4, 8, 8), torch.tensor([500]), told).square().mean().backward()

    assert all(row.grad is not None and row.grad.abs().sum() > 0 for row in rows.values())


def test_half_precision_weights_become_the_working_precision(
    tiny_families: dict[str, CheckpointInfo], tmp_path: Path
) -> None:
    tensors = original_tensors(tiny_families["SD 1"].path, "SD 1")
    save_file({name: tensor.half().contiguous() for name, tensor in tensors.items()}, tmp_path / "half.safetensors")

    model = load(identify(tmp_path / "half.safetensors"), CPU)

    assert {parameter.dtype for part in (model.unet, model.vae) for parameter in part.parameters()} == {torch.float32}


@pytest.mark.parametrize("name", TINY)
def test_the_names_are_those_that_diffusers_converters_read(
    tiny_families: dict[str, CheckpointInfo], name: str
) -> None:
    folder = tiny_families[name].path
    tensors = original_tensors(folder, name)
    unet, vae = UNet2DConditionModel.load_config(folder / "unet"), AutoencoderKL.load_config(folder / "vae")

    converted = convert_ldm_unet_checkpoint(dict(tensors), unet), convert_ldm_vae_checkpoint(dict(tensors), vae)

    for part, found in zip(("unet", "vae"), converted, strict=True):
        expected = load_file(folder / part / "diffusion_pytorch_model.safetensors")
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[key], tensor) for key, tensor in expected.items())


@pytest.mark.parametrize(
    ("changes", "metadata", "sidecar", "expected"),
    [
        ({}, {}, None, "epsilon"),
        ({"v_pred": torch.zeros(0)}, {}, None, "v_prediction"),
        ({}, {"modelspec__prediction_type": "v"}, None, "v_prediction"),
        ({}, {}, 'model:\n  params:\n    parameterization: "v"\n', "v_prediction"),
        ({}, {"modelspec__prediction_type": "v"}, 'parameterization: "eps"\n', "epsilon"),
    ],
)
def test_v_prediction_is_known_by_marker_metadata_or_a_yaml_beside_the_file(
    write: Writer, changes: dict[str, Tensor], metadata: dict[str, str], sidecar: str | None, expected: str
) -> None:
    path = write("SDXL", changes=changes, **metadata)
    if sidecar is not None:
        path.with_suffix(".yaml").write_text(sidecar)

    info = identify(path)

    assert info.prediction_type == expected
    assert info.summary.notes == ()


def test_a_schedule_that_ends_in_pure_noise_is_known_by_its_marker(write: Writer) -> None:
    path = write("SDXL", changes={"v_pred": torch.zeros(0), "ztsnr": torch.zeros(0)})

    scheduler = load(identify(path), CPU).scheduler_config

    assert scheduler["rescale_betas_zero_snr"] is True
    assert scheduler["prediction_type"] == "v_prediction"


@pytest.mark.parametrize(
    ("name", "expected", "size"),
    [("v2-1_768.safetensors", "v_prediction", 768), ("512-base-ema.safetensors", "epsilon", 512)],
)
def test_an_sd2_file_that_does_not_say_what_it_predicts_is_guessed_by_name_and_says_so(
    write: Writer, library: Library, name: str, expected: str, size: int
) -> None:
    info = identify(write("SD 2", name, modelspec__resolution="unknown"))

    assert (info.prediction_type, info.default_size) == (expected, size)
    (note,) = info.summary.notes
    assert f"taken for {expected}" in note
    told = Txt2ImgPipeline(load(info, CPU)).paint(
        GenerateRequest(steps=1, width=32, height=32), [1], library, lambda: False
    )
    assert Notice(note) in list(told)


@pytest.mark.parametrize(
    ("family", "removed", "message"),
    [
        ("SD 1", "model.diffusion_model.middle_block.1.norm.weight", r"UNet lacks 1 tensors: mid_block\S*norm\.weight"),
        ("SD 1", "model.diffusion_model.out.2.weight", r"UNet lacks tensors .*out\.2\.weight"),
        ("SD 2", "first_stage_model.decoder.conv_in.bias", r"VAE lacks 1 tensors: decoder\.conv_in\.bias"),
        (
            "SDXL",
            "conditioner.embedders.1.model.text_projection",
            r"clip_g lacks 1 tensors: text_projection\.weight",
        ),
        (
            "SD 1",
            "cond_stage_model.transformer.text_model.final_layer_norm.bias",
            r"clip_l lacks 1 tensors: final_layer_norm\.bias",
        ),
    ],
)
def test_a_missing_tensor_is_named(write: Writer, family: str, removed: str, message: str) -> None:
    path = write(family, changes={removed: None})

    with pytest.raises(CheckpointNotLoaded, match=message):
        load(identify(path), CPU)


@pytest.mark.parametrize(
    ("family", "added"),
    [
        ("SD 1", "model.diffusion_model.input_blocks.1.2.extra.weight"),
        ("SD 1", "cond_stage_model.transformer.text_model.extra.weight"),
        ("SD 2", "first_stage_model.extra.weight"),
        ("SDXL", "conditioner.embedders.1.model.extra.weight"),
    ],
)
def test_a_tensor_that_has_no_place_is_named(write: Writer, family: str, added: str) -> None:
    path = write(family, changes={added: torch.ones(3)})

    with pytest.raises(CheckpointNotLoaded, match=r"has 1 tensors too many: \S*extra\.weight"):
        load(identify(path), CPU)


def test_a_tensor_of_another_shape_is_named_with_both_shapes(write: Writer) -> None:
    path = write("SD 1", changes={"model.diffusion_model.out.0.weight": torch.ones(5)})

    with pytest.raises(CheckpointNotLoaded, match=r"UNet's conv_norm_out\.weight is \[5\]; expected \[32\]"):
        load(identify(path), CPU)


def test_a_truncated_single_file_is_refused_with_both_sizes(write: Writer) -> None:
    path = write("SD 1")
    path.write_bytes(path.read_bytes()[:-1000])

    with pytest.raises(BrokenFile, match="is cut off or damaged: its header tells of"):
        identify(path)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"lora_unet.alpha": (1,)}, r"no checkpoint of SD 1, SD 2 or SDXL: it holds lora_unet\.alpha"),
        ({"model.diffusion_model.double_blocks.0.w": (1,)}, "has a UNet but no text encoder"),
        (
            {"model.diffusion_model.out.0.weight": (1,), "conditioner.embedders.0.model.ln_final.bias": (1,)},
            "is an SDXL refiner",
        ),
    ],
)
def test_another_kind_of_file_is_refused_for_what_it_is(
    tmp_path: Path, tensors: dict[str, tuple[int, ...]], message: str
) -> None:
    path = tmp_path / "other.safetensors"
    save_file({name: torch.zeros(shape) for name, shape in tensors.items()}, path)

    with pytest.raises(UnknownCheckpoint, match=message):
        identify(path)


def test_a_file_without_a_vae_is_refused(write: Writer, tiny_families: dict[str, CheckpointInfo]) -> None:
    names = [name for name in original_tensors(tiny_families["SD 1"].path, "SD 1") if name.startswith("first_stage")]

    with pytest.raises(UnknownCheckpoint, match="has no VAE: no tensor's name begins with first_stage_model"):
        identify(write("SD 1", changes=dict.fromkeys(names)))


def test_an_inpainting_file_is_refused_with_its_channels(write: Writer) -> None:
    path = write("SD 1", changes={"model.diffusion_model.input_blocks.0.0.weight": torch.ones(32, 9, 3, 3)})

    with pytest.raises(UnknownCheckpoint, match="takes 9 channels, as inpainting"):
        identify(path)


class _Trap:
    """Is pickled as a call, which whoever loads it makes."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self._call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self._call


class _Settings:
    """An object with a state, as omegaconf's."""


@pytest.fixture
def lightning(monkeypatch: pytest.MonkeyPatch) -> type:
    """A class that pickles know as PyTorch Lightning's."""
    callback = type("ModelCheckpoint", (), {"__module__": "pytorch_lightning.callbacks.model_checkpoint"})
    monkeypatch.setattr(_Settings, "__module__", "omegaconf.dictconfig")
    for kind in (callback, _Settings):
        parts = kind.__module__.split(".")
        for count in range(1, len(parts) + 1):
            monkeypatch.setitem(sys.modules, ".".join(parts[:count]), ModuleType(parts[count - 1]))
        setattr(sys.modules[kind.__module__], kind.__name__, kind)
    return callback


@pytest.mark.parametrize("as_zip", [True, False])
def test_what_trainers_leave_beside_the_tensors_is_passed_over(
    write: Writer, lightning: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_zip: bool
) -> None:
    path, witness = write("SD 1", "sd-v1-4.ckpt"), tmp_path / "it-ran.npy"
    callback = lightning()
    settings = _Settings()
    callback.best, callback.again, settings.of = np.float64(0.3), callback, {"rate": 1e-4}  # type: ignore[attr-defined]
    content = {
        **torch.load(path, weights_only=True),
        "callbacks": {lightning: {"state": callback}},
        "settings": settings,
        "seen": defaultdict(list, {"a": [1]}),
        "called": _Trap(np.save, str(witness), [1]),
    }
    torch.save(content, path, _use_new_zipfile_serialization=as_zip)
    for name in ("pytorch_lightning", lightning.__module__, "omegaconf", "omegaconf.dictconfig"):
        monkeypatch.setitem(sys.modules, name, None)

    tensors = read_pickled(path)

    assert identify(path).family.name == "SD 1"
    assert tensors.keys() == content["state_dict"].keys()
    assert all(torch.equal(tensor, content["state_dict"][name]) for name, tensor in tensors.items())
    assert not witness.exists()


@pytest.mark.parametrize("as_zip", [True, False])
@pytest.mark.parametrize(("function", "named"), [(exec, "exec"), (os.system, "system")])
def test_a_pickle_that_would_run_something_is_refused_and_not_run(
    tmp_path: Path, lightning: type, as_zip: bool, function: Callable[..., object], named: str
) -> None:
    path, witness = tmp_path / "trap.ckpt", tmp_path / "it-ran"
    code = f"open({str(witness)!r}, 'w')" if function is exec else f"echo > {witness}"
    callback = lightning()
    callback.state = _Trap(function, code)
    content = {"state_dict": {"w": torch.ones(1)}, "callbacks": callback}
    torch.save(content, path, _use_new_zipfile_serialization=as_zip, pickle_module=pickle)

    with pytest.raises(UnknownCheckpoint, match=rf"trap\.ckpt was not opened: .*{named}"):
        identify(path)
    assert not witness.exists()


@pytest.mark.parametrize(
    "content", [b"", b"\x80\x02", b"PK\x03\x04 and no more", b"<html>not found</html>", b"\x80\x02q\x01."]
)
def test_a_damaged_ckpt_is_refused_and_does_not_hide_the_others(write: Writer, content: bytes) -> None:
    path = write("SD 1")
    path.with_name("broken.ckpt").write_bytes(content)

    found, reasons = list_checkpoints(path.parent)

    assert [info.title for info in found] == ["model.safetensors"]
    assert len(reasons) == 1
    assert "broken.ckpt" in reasons[0]


def test_a_ckpt_that_is_cut_off_is_refused(write: Writer) -> None:
    path = write("SD 1", "cut.ckpt")
    path.write_bytes(path.read_bytes()[:-1000])

    with pytest.raises((BrokenFile, UnknownCheckpoint), match=r"cut\.ckpt"):
        identify(path)
