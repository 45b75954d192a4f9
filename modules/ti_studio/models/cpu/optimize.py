"""Makes a loaded UNet compute faster, with the same result but for rounding. README.md describes the kernels."""

import os
from typing import Any

import torch

from ti_studio.models.cpu.convolution import freeze_convolutions
from ti_studio.models.cpu.geglu import recompute_geglus
from ti_studio.models.cpu.resnet import freeze_resnets
from ti_studio.models.cpu.transformer import freeze_transformers
from ti_studio.models.cpu.upsampling import freeze_upsamplers
from ti_studio.models.cpu.winograd import use_winograd
from ti_studio.models.hardware import SMALL, Hardware
from ti_studio.server_options import NO_CPU_KERNELS


def optimize_for_training(unet: Any, hardware: Hardware) -> None:
    """Sets the memory format of a frozen diffusers `UNet2DConditionModel`, and on a CPU replaces its layers by kernels.

    Large convolutions are fastest with channels last: on a CPU their weights are otherwise rearranged at every call.
    Small ones gain nothing there, and norms lose. `TI_STUDIO_NO_CPU_KERNELS` in the environment leaves diffusers' own
    layers in place.
    """
    on_cpu = hardware.device.type == "cpu"
    if not (on_cpu and sum(weight.nbytes for weight in unet.parameters()) < SMALL):
        unet.to(memory_format=torch.channels_last)
    if not on_cpu or os.environ.get(NO_CPU_KERNELS):
        return
    freeze_upsamplers(unet)
    use_winograd(unet)
    freeze_convolutions(unet)
    freeze_resnets(unet)
    recompute_geglus(unet)
    freeze_transformers(unet)
