"""What a training minimises: how badly the UNet predicts the noise in a picture, given the prompt.

The options' formulas are sd-scripts' (`library/custom_train_functions.py` and `library/train_util.py`).
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import DDPMScheduler
from torch import Tensor

from ti_studio.models.loading import Model
from ti_studio.prompts.conditioning import Conditioning
from ti_studio.training.config.regularization import ObjectiveOptions

_MOST_SNR = 1000.0
"""sd-scripts caps the ratio of the v-prediction weights: at timestep 0 it is infinite."""


@dataclass(frozen=True)
class NoisyBatch:
    """Latents with noise added, and what the UNet is to say about them."""

    noisy: Tensor
    """[n, 4, h, w]"""
    timesteps: Tensor
    """[n], 0 … 999"""
    target: Tensor
    """The noise (ε-prediction) or the velocity (v-prediction, arXiv 2202.00512), [n, 4, h, w]."""
    weights: Tensor | None = None
    """How much each picture's error counts, [n]; None counts them all as 1."""
    huber_c: Tensor | None = None
    """Where each picture's error turns from squared to straight, [n]; for the losses that need it."""
    mask: Tensor | None = None
    """[n, 1, h, w], 0…1: how much an error counts at each place; None where all count alike."""
    add_time_ids: Tensor | None = None
    """[n, 6]: what SDXL is told of each picture's size and crop; None takes them for whole ones."""

    def part(self, which: slice) -> "NoisyBatch":
        """Returns some of its pictures."""

        def of(value: Tensor | None) -> Tensor | None:
            return None if value is None else value[which]

        return NoisyBatch(
            self.noisy[which],
            self.timesteps[which],
            self.target[which],
            of(self.weights),
            of(self.huber_c),
            of(self.mask),
            of(self.add_time_ids),
        )


class NoiseSchedule:
    """A checkpoint's noise schedule, with its tables on the training device."""

    def __init__(
        self, scheduler_config: dict[str, Any], device: torch.device, options: ObjectiveOptions | None = None
    ) -> None:
        self.options = options or ObjectiveOptions()
        changes = {"rescale_betas_zero_snr": True} if self.options.zero_terminal_snr else {}
        self._scheduler: Any = DDPMScheduler.from_config(scheduler_config, **changes)  # type: ignore[no-untyped-call]
        self._scheduler.alphas_cumprod = self._scheduler.alphas_cumprod.to(device)
        self.timesteps = int(self._scheduler.config.num_train_timesteps)

    @property
    def predicts_velocity(self) -> bool:
        """Whether the UNet predicts the velocity (v-prediction) in place of the noise."""
        return bool(self._scheduler.config.prediction_type == "v_prediction")

    def add_noise(
        self, latents: Tensor, noise: Tensor, timesteps: Tensor, perturbation: Tensor | None = None
    ) -> NoisyBatch:
        """Noises latents [n, 4, h, w] to their timesteps [n].

        Args:
            latents: scaled latents.
            noise: what is added, and what is to be found.
            timesteps: how much of it is added.
            perturbation: more noise, of which nothing is to be found.
        """
        added = noise if perturbation is None else noise + perturbation
        kept = self._scheduler.alphas_cumprod[timesteps].reshape(-1, 1, 1, 1)
        noisy = kept**0.5 * latents + (1 - kept) ** 0.5 * added
        target = self._scheduler.get_velocity(latents, noise, timesteps) if self.predicts_velocity else noise
        return NoisyBatch(noisy, timesteps, target, self._weights(timesteps), self._huber_c(timesteps))

    def _snr(self, timesteps: Tensor) -> Tensor:
        """Returns the signal-to-noise ratio, [n]."""
        kept: Tensor = self._scheduler.alphas_cumprod[timesteps]
        return kept / (1 - kept)

    def _weights(self, timesteps: Tensor) -> Tensor | None:
        options = self.options
        weights: Tensor | None = None
        by_snr = options.min_snr_gamma, options.v_pred_like_loss, options.debiased_estimation_loss
        if not any((*by_snr, options.scale_v_pred_loss_like_noise_pred)):
            return weights
        snr = self._snr(timesteps)
        if options.min_snr_gamma:
            capped = snr.clamp(max=options.min_snr_gamma)
            # For noise min(snr, γ) / snr is 1 at pure noise, where snr is 0.
            weights = capped / (snr + 1) if self.predicts_velocity else (options.min_snr_gamma / snr).clamp(max=1.0)
        capped = snr.clamp(max=_MOST_SNR)
        if options.scale_v_pred_loss_like_noise_pred and self.predicts_velocity:
            weights = _product(weights, capped / (capped + 1))
        if options.v_pred_like_loss:
            # At pure noise the ratio is 0, and sd-scripts divides by it.
            like_velocity = (capped + 1) / capped.clamp(min=1 / _MOST_SNR)
            weights = _product(weights, 1 + options.v_pred_like_loss * like_velocity)
        if options.debiased_estimation_loss:
            by_noise = 1 / (capped + 1) if self.predicts_velocity else capped.clamp(min=1 / _MOST_SNR).rsqrt()
            weights = _product(weights, by_noise)
        return weights

    def _huber_c(self, timesteps: Tensor) -> Tensor | None:
        options = self.options
        if options.loss_type not in ("huber", "smooth_l1"):
            return None
        if options.huber_schedule == "snr":
            sigmas = (1 / self._snr(timesteps)).sqrt()
            return (1 - options.huber_c) / (1 + sigmas) ** 2 + options.huber_c
        if options.huber_schedule == "exponential":
            return torch.exp(math.log(options.huber_c) / self.timesteps * timesteps.float()) * options.huber_scale
        return torch.full_like(timesteps, options.huber_c * options.huber_scale, dtype=torch.float32)


def denoising_losses(
    model: Model, batch: NoisyBatch, conditioning: Conditioning, options: ObjectiveOptions | None = None
) -> Tensor:
    """Returns the error of each picture, [n]: the mean squared error if no options say otherwise.

    Args:
        model: the frozen checkpoint.
        batch: n noisy pictures.
        conditioning: their n encoded prompts.
        options: what kind of error; None takes the plain mean squared error, unweighted.
    """
    predicted = model.predict(batch.noisy, batch.timesteps, conditioning, batch.add_time_ids)
    target = batch.target.float()
    if options is None:
        return _mean(F.mse_loss(predicted, target, reduction="none"), batch.mask)
    losses = _mean(_errors(predicted, target, options.loss_type, batch.huber_c), batch.mask)
    return losses if batch.weights is None else losses * batch.weights


def _mean(errors: Tensor, mask: Tensor | None) -> Tensor:
    """Returns each picture's mean error, [n]; where the mask is black there is none."""
    return (errors if mask is None else errors * mask).mean(dim=(1, 2, 3))


def _errors(predicted: Tensor, target: Tensor, loss_type: str, huber_c: Tensor | None) -> Tensor:
    """Returns the error of every number, of the shape of the prediction."""
    if loss_type == "l1":
        return F.l1_loss(predicted, target, reduction="none")
    if loss_type == "log_cosh":
        distance = (predicted - target).abs()
        return distance + F.softplus(-2 * distance) - math.log(2)
    if huber_c is None:
        return F.mse_loss(predicted, target, reduction="none")
    turn = huber_c.reshape(-1, 1, 1, 1)
    straight = 2 * (torch.sqrt((predicted - target) ** 2 + turn**2) - turn)
    return straight * turn if loss_type == "huber" else straight


def _product(weights: Tensor | None, factor: Tensor) -> Tensor:
    return factor if weights is None else weights * factor
