"""Where models live, and in which precision they compute."""

import os
from dataclasses import dataclass

import torch
from accelerate import PartialState

from ti_studio.field_types import Precision
from ti_studio.models.checkpoint.checkpoints import CheckpointInfo

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}

SMALL = 200 * 2**20
"""Bytes of a checkpoint below which a CPU computes in float32: between its small matrices, converting numbers takes
longer than bfloat16 saves (docs/speed.md)."""


@dataclass(frozen=True)
class Hardware:
    """Where models live and in which precision their frozen weights are kept."""

    device: torch.device
    dtype: torch.dtype

    @classmethod
    def automatic(cls, precision: Precision = "auto", size: int = 0) -> "Hardware":
        """Returns accelerate's device (CUDA, MPS, … or CPU) with the precision that is asked for.

        `auto` is bfloat16 where the device computes in it, which a CPU is only worth asking for checkpoints that are
        not small; else float32. float16 overflows and is never chosen.

        Args:
            precision: what is asked for.
            size: bytes of the checkpoint.
        """
        device = PartialState().device
        if device.type == "cpu":  # among several processes, accelerate gives it a number
            device = torch.device("cpu")
        if precision != "auto":
            return cls(device, _DTYPES[precision])
        fast = computes_in_bfloat16(device) and (device.type != "cpu" or size >= SMALL)
        return cls(device, torch.bfloat16 if fast else torch.float32)

    @property
    def precision(self) -> str:
        """The short name: `fp32`, `bf16` or `fp16`."""
        return _NAMES[self.dtype]


def hardware_for(info: CheckpointInfo, precision: Precision = "auto") -> Hardware:
    """Returns the automatic hardware for a checkpoint."""
    return Hardware.automatic(precision, size_of(info))


def use_threads_for(info: CheckpointInfo, hardware: Hardware) -> None:
    """Lets this process compute on one thread if its checkpoint is a small one on a CPU.

    Its layers are too small to be shared: two threads take longer than one (docs/speed.md). The
    number of threads is the whole process's, so this is for one that has no other checkpoint. One that is asked for
    (`OMP_NUM_THREADS`) stays.
    """
    if hardware.device.type == "cpu" and size_of(info) < SMALL and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)


def size_of(info: CheckpointInfo) -> int:
    """Returns the bytes of a checkpoint's UNet in its folder, or of its single file."""
    if info.path.is_file():
        return info.path.stat().st_size
    return sum(file.stat().st_size for file in (info.path / "unet").glob("*.safetensors"))


def computes_in_bfloat16(device: torch.device) -> bool:
    """Tells whether a device has instructions for bfloat16, rather than imitating them by float32's."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu" or not hasattr(torch.cpu, "get_capabilities"):  # an older torch can't tell
        return False
    abilities = torch.cpu.get_capabilities()
    return any(abilities[name] for name in ("avx512_bf16", "amx_bf16") if name in abilities)
