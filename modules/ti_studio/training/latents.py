"""The pictures as the UNet sees them: the VAE's mean and standard deviation, computed once."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ti_studio.models.loading import Model


@dataclass(frozen=True)
class LatentCache:
    """The VAE's moments of every picture, on the training device.

    Keeping the distribution and drawing from it anew each time keeps the VAE's own noise, which one frozen sample
    loses.
    """

    mean: Tensor
    """[pictures · orientations, 4, h, w]; the mirrored ones follow the upright ones."""
    std: Tensor
    scaling_factor: float

    def __len__(self) -> int:
        return len(self.mean)

    def sample(self, indices: Tensor, noise: Tensor) -> Tensor:
        """Returns scaled latents [n, 4, h, w], drawn with this standard normal noise of the same shape."""
        return (self.mean[indices] + self.std[indices] * noise) * self.scaling_factor


@torch.no_grad()
def cache_latents(model: Model, pictures: Tensor, *, flip: bool) -> LatentCache:
    """Encodes pictures [n, 3, H, W] in -1…1, and their mirror images too if `flip`, one at a time."""
    orientations = [pictures, pictures.flip(-1)] if flip else [pictures]
    distributions = [
        model.vae.encode(picture.unsqueeze(0).to(model.hardware.device, model.vae.dtype)).latent_dist
        for oriented in orientations
        for picture in oriented
    ]
    return LatentCache(
        mean=torch.cat([distribution.mean for distribution in distributions]).float(),
        std=torch.cat([distribution.std for distribution in distributions]).float(),
        scaling_factor=model.vae.config.scaling_factor,
    )
