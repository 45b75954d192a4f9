"""Which device and precision a checkpoint gets."""

from pathlib import Path

import pytest
import torch

from tests.checkpoints import DEMO, write_single_file, write_tiny_checkpoint
from ti_studio.models import hardware
from ti_studio.models.checkpoint.checkpoints import CheckpointInfo, identify
from ti_studio.models.hardware import SMALL, Hardware, computes_in_bfloat16, hardware_for, size_of, use_threads_for


@pytest.fixture(params=[True, False], ids=["with bfloat16", "without bfloat16"])
def fast(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the CPU has instructions for bfloat16."""
    abilities = {"avx512_bf16": request.param, "amx_bf16": False}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: abilities, raising=False)
    return bool(request.param)


def test_a_cpu_computes_large_checkpoints_in_bfloat16_if_it_can_and_small_ones_in_float32(fast: bool) -> None:
    assert Hardware.automatic().precision == "fp32"
    assert Hardware.automatic(size=SMALL - 1).precision == "fp32"
    assert Hardware.automatic(size=SMALL).precision == ("bf16" if fast else "fp32")
    assert computes_in_bfloat16(torch.device("cpu")) is fast
    assert not computes_in_bfloat16(torch.device("mps"))


def test_a_torch_that_can_not_tell_what_the_cpu_can_computes_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert Hardware.automatic(size=SMALL).precision == "fp32"


@pytest.mark.parametrize("name", ["fp32", "bf16", "fp16"])
def test_a_precision_that_is_asked_for_is_taken(fast: bool, name: hardware.Precision) -> None:
    assert Hardware.automatic(name, SMALL).precision == name
    assert hardware_for(identify(DEMO), name).precision == name


def test_the_demo_checkpoint_is_small(fast: bool) -> None:
    assert hardware_for(identify(DEMO)).precision == "fp32"


def test_a_checkpoints_size_is_that_of_its_unet_or_of_its_file(tmp_path: Path) -> None:
    folder = write_tiny_checkpoint(tmp_path / "tiny")
    file = write_single_file(folder, tmp_path / "tiny.safetensors", family="SD 1")
    info: CheckpointInfo = identify(folder)

    assert size_of(info) == (folder / "unet" / "diffusion_pytorch_model.safetensors").stat().st_size
    assert size_of(identify(file)) == file.stat().st_size


@pytest.mark.parametrize(("device", "smallest", "threads"), [("cpu", 10**9, 1), ("cpu", 1, 2), ("cuda", 10**9, 2)])
def test_small_checkpoints_on_a_cpu_get_one_thread(
    monkeypatch: pytest.MonkeyPatch, device: str, smallest: int, threads: int
) -> None:
    monkeypatch.setattr(hardware, "SMALL", smallest)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        use_threads_for(identify(DEMO), Hardware(torch.device(device), torch.float32))
        assert torch.get_num_threads() == threads
        torch.set_num_threads(2)
        monkeypatch.setenv("OMP_NUM_THREADS", "2")
        use_threads_for(identify(DEMO), Hardware(torch.device(device), torch.float32))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
