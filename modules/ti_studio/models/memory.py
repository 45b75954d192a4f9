"""How much memory the GPU has, and what of the other memory is given back."""

import ctypes
import sys
from dataclasses import dataclass

_MMAP_THRESHOLD = -3
"""`M_MMAP_THRESHOLD` of glibc's malloc.h."""
_LARGE_BLOCK = 2**22


@dataclass(frozen=True)
class GpuMemory:
    """Bytes of the GPU's memory."""

    free: int
    total: int


def gpu_memory() -> GpuMemory | None:
    """Returns the memory of the GPU that models are loaded to, or None where there is no CUDA."""
    # A server that has painted nothing yet has not imported torch, which takes seconds.
    import torch  # noqa: PLC0415

    if not torch.cuda.is_available():
        return None
    return GpuMemory(*torch.cuda.mem_get_info())


def give_large_blocks_back() -> None:
    """Lets glibc give blocks of 4 MiB and more back to the system as soon as they are freed.

    Left alone it raises that size to 32 MiB once such blocks have been freed, keeps what is smaller in pieces, and a
    training of SD 1 at 512×512 takes 0.35 GiB that nobody uses. Other C libraries are left alone.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(_MMAP_THRESHOLD, _LARGE_BLOCK)
