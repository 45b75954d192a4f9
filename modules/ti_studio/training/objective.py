"""What a training minimises: how badly the UNet predicts the noise in a picture, given the prompt."""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import DDPMScheduler
from torch import Tensor

from ti_studio.models.loading import Model


@dataclass(frozen=True)
class NoisyBatch:
    """Latents with noise added, and what the UNet is to say about them."""

    noisy: Tensor
    """[n, 4, h, w]"""
    timesteps: Tensor
    """[n], 0 … 999"""
    target: Tensor
    """The noise (ε-prediction) or the velocity (v-prediction, arXiv 2202.00512), [n, 4, h, w]."""
    mask: Tensor | None = None
    """[n, 1, h, w], 0…1: how much an error counts at each place; None where all count alike."""


class NoiseSchedule:
    """A checkpoint's noise schedule, with its tables on the training device."""

    def __init__(self, scheduler_config: dict[str, Any], device: torch.device) -> None:
        self._scheduler: Any = DDPMScheduler.from_config(scheduler_config)  # type: ignore[no-untyped-call]
        self._scheduler.alphas_cumprod = self._scheduler.alphas_cumprod.to(device)
        self.timesteps = int(self._scheduler.config.num_train_timesteps)

    def add_noise(self, latents: Tensor, noise: Tensor, timesteps: Tensor) -> NoisyBatch:
        """Noises latents [n, 4, h, w] to their timesteps [n]."""
        noisy = self._scheduler.add_noise(latents, noise, timesteps)
        if self._scheduler.config.prediction_type == "v_prediction":
            return NoisyBatch(noisy, timesteps, self._scheduler.get_velocity(latents, noise, timesteps))
        return NoisyBatch(noisy, timesteps, noise)


def denoising_losses(model: Model, batch: NoisyBatch, context: Tensor) -> Tensor:
    """Returns the mean squared error of each picture, [n].

    Args:
        model: the frozen checkpoint.
        batch: n noisy pictures.
        context: their encoded prompts, [n, 77 · chunks, width].
    """
    predicted = model.predict(batch.noisy, batch.timesteps, context)
    errors = F.mse_loss(predicted, batch.target.float(), reduction="none")
    if batch.mask is not None:
        errors = errors * batch.mask
    return errors.mean(dim=(1, 2, 3))
