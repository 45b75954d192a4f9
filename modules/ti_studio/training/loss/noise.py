"""The noise that is added to pictures."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ti_studio.device import to_device
from ti_studio.training.config.regularization import ObjectiveOptions


def is_shaped(options: ObjectiveOptions) -> bool:
    """Tells whether the options change the noise."""
    return bool(options.antithetic_noise or options.noise_offset or options.multires_noise_iterations)


def shaped_noise(noise: Tensor, latents: Tensor, options: ObjectiveOptions, generator: torch.Generator) -> Tensor:
    """Returns noise changed as the options say: paired, offset, and coarser noise added.

    Args:
        noise: standard normal, [n, 4, h, w].
        latents: what it is to be added to, of the same shape on the same device.
        options: what is asked for.
        drawn: used by the options that are on alone.
    """
    if options.antithetic_noise:
        pairs = len(noise) // 2
        noise = noise.clone()
        noise[1 : 2 * pairs : 2] = -noise[0 : 2 * pairs : 2]
    if options.noise_offset:
        noise = noise + _offset(latents, options, generator)
    if options.multires_noise_iterations:
        noise = _pyramid(noise, options, generator)
    return noise


def perturbation(like: Tensor, options: ObjectiveOptions, generator: torch.Generator) -> Tensor | None:
    """Returns what disturbs the noisy pictures beside their noise, of the shape of `like`; None without
    `ip_noise_gamma`."""
    if not options.ip_noise_gamma:
        return None
    more = torch.randn(like.shape, generator=generator) * options.ip_noise_gamma
    if options.ip_noise_gamma_random_strength:
        more = more * torch.rand(1, generator=generator)
    return to_device(more, like.device)


def _offset(latents: Tensor, options: ObjectiveOptions, generator: torch.Generator) -> Tensor:
    """Returns one number for each channel of each picture, [n, 4, 1, 1], as sd-scripts' `apply_noise_offset` does."""
    shifts = torch.randn((*latents.shape[:2], 1, 1), generator=generator)
    strength = torch.full((1,), options.noise_offset)
    if options.noise_offset_random_strength:
        strength = strength * torch.rand(1, generator=generator)
    strength = to_device(strength, latents.device)
    if options.adaptive_noise_scale:
        brightness = latents.mean(dim=(2, 3), keepdim=True).abs()
        strength = (strength + options.adaptive_noise_scale * brightness).clamp(min=0)
    return strength * to_device(shifts, latents.device)


def _pyramid(noise: Tensor, options: ObjectiveOptions, generator: torch.Generator) -> Tensor:
    """Adds noise of coarser and coarser resolution, as sd-scripts' `pyramid_noise_like` does."""
    height, width = noise.shape[2:]
    for level in range(options.multires_noise_iterations):
        factor = (float(torch.rand((), generator=generator)) * 2 + 2) ** level
        size = max(1, int(height / factor)), max(1, int(width / factor))
        coarse = torch.randn((*noise.shape[:2], *size), generator=generator)
        enlarged = F.interpolate(to_device(coarse, noise.device), size=(height, width), mode="bilinear")
        noise = noise + enlarged * options.multires_noise_discount**level
        if 1 in size:
            break
    return noise / noise.std()
