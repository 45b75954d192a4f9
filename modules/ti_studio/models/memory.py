"""How much memory the GPU has."""

from dataclasses import dataclass


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
