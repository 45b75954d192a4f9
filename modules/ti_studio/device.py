"""Copies to the device that don't wait for it."""

import torch
from torch import Tensor


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Returns a CPU tensor, of any shape, on a device.

    A GPU copies from pinned memory asynchronously. From ordinary memory, the CPU would wait for all queued GPU work.
    """
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
