"""The noise that is added to pictures."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ti_studio.training.options import ObjectiveOptions


def shaped_noise(noise: Tensor, options: ObjectiveOptions, drawn: torch.Generator) -> Tensor:
    """Returns standard normal noise [n, 4, h, w] changed as the options say: paired, offset, and coarser noise added.

    `drawn` is used by the options that are on alone.
    """
    if options.antithetic_noise:
        pairs = len(noise) // 2
        noise = noise.clone()
        noise[1 : 2 * pairs : 2] = -noise[0 : 2 * pairs : 2]
    if options.noise_offset:
        noise = noise + options.noise_offset * torch.randn((*noise.shape[:2], 1, 1), generator=drawn)
    if options.multires_noise_iterations:
        noise = _pyramid(noise, options, drawn)
    return noise


def _pyramid(noise: Tensor, options: ObjectiveOptions, drawn: torch.Generator) -> Tensor:
    """Adds noise of coarser and coarser resolution, as sd-scripts' `pyramid_noise_like` does."""
    height, width = noise.shape[2:]
    for level in range(options.multires_noise_iterations):
        factor = (float(torch.rand((), generator=drawn)) * 2 + 2) ** level
        size = max(1, int(height / factor)), max(1, int(width / factor))
        coarse = torch.randn((*noise.shape[:2], *size), generator=drawn)
        enlarged = F.interpolate(coarse, size=(height, width), mode="bilinear")
        noise = noise + enlarged * options.multires_noise_discount**level
        if size == (1, 1):
            break
    return noise / noise.std()
