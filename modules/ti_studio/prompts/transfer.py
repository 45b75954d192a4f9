"""Sending tensors to the device without waiting for it."""

import torch
from torch import Tensor


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Returns a tensor of the CPU on a device.

    A GPU copies from pinned memory in its own time; from ordinary memory, the CPU would wait for all that the GPU has
    still to do.
    """
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
