"""Denoises pictures from encoded prompts. Knows no files and no page."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ti_studio.errors import StudioError
from ti_studio.generation.events import DenoisingProgress
from ti_studio.generation.guidance import Guidance
from ti_studio.generation.samplers import Sampler
from ti_studio.models.loading import Model


@dataclass(frozen=True)
class DenoisingSettings:
    """What is to be painted, everything settled."""

    guidance: Guidance
    """The encoded prompts."""
    sampler: Sampler
    steps: int
    cfg_scale: float
    width: int
    """Pixels."""
    height: int
    """Pixels."""
    eta: float | None = None
    """How much new noise the sampler adds, 0 to 1; None: its own."""


class NotFinite(StudioError):
    """What was painted is infinite or no number at all."""


@torch.no_grad()
def paint(
    model: Model, settings: DenoisingSettings, seeds: Sequence[int], should_stop: Callable[[], bool] = lambda: False
) -> Iterator[DenoisingProgress | Image.Image]:
    """Denoises one batch: a `DenoisingProgress` after every step, then the pictures in the order of their seeds.

    Each picture's noise follows from its own seed, drawn on the CPU, so that it is the same in every batch and on every
    device. When `should_stop` says so between two steps, nothing more is yielded.

    Raises:
        NotFinite: a picture came out as infinite or no numbers.
    """
    device = model.hardware.device
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    scheduler = settings.sampler.build(model.scheduler_config, settings.eta)
    scheduler.set_timesteps(settings.steps, device=device)
    latents = _noise(model, settings, generators) * scheduler.init_noise_sigma
    options = _options(scheduler, generators, settings)
    model_evaluations = len(scheduler.timesteps)  # some samplers look twice at a step
    for index, timestep in enumerate(scheduler.timesteps):
        if should_stop():
            return
        scaled = scheduler.scale_model_input(latents, timestep)
        step_and_scale = (1 + index * settings.steps // model_evaluations, settings.cfg_scale)
        predicted = settings.guidance.predict(model, scaled, timestep, step_and_scale)
        latents = scheduler.step(predicted, timestep, latents, **options)[0]
        yield DenoisingProgress(index + 1, model_evaluations)
    if not torch.isfinite(latents).all():
        raise NotFinite(
            f"After {settings.steps} steps the picture is infinite or no numbers (NaN); expected finite ones. Weights "
            "far from 1 do that, a high CFG scale, an embedding gone astray, or a checkpoint that half precision is "
            "too small for."
        )
    yield from _pictures(model, latents)


def steps_of(settings: DenoisingSettings, model: Model) -> int:
    """Returns how many `DenoisingProgress` events a batch gives: some samplers look twice at a step."""
    scheduler = settings.sampler.build(model.scheduler_config)
    scheduler.set_timesteps(settings.steps)
    return len(scheduler.timesteps)


def _options(scheduler: Any, generators: list[torch.Generator], settings: DenoisingSettings) -> dict[str, Any]:
    """Returns what the scheduler's step is told beside the prediction."""
    parameters = signature(scheduler.step).parameters
    options: dict[str, Any] = {"generator": generators} if "generator" in parameters else {}
    eta = settings.sampler.other_eta(settings.eta)
    return options | ({"eta": eta} if eta is not None and "eta" in parameters else {})


def _noise(model: Model, settings: DenoisingSettings, generators: Sequence[torch.Generator]) -> Tensor:
    """Returns [n, 4, h, w]."""
    factor = model.latent_factor
    shape = (model.unet.config.in_channels, settings.height // factor, settings.width // factor)
    noise = [torch.randn(shape, generator=generator) for generator in generators]
    return torch.stack(noise).to(model.hardware.device)


def _pictures(model: Model, latents: Tensor) -> Iterator[Image.Image]:
    for latent in latents:
        pixels = model.decode(latent.unsqueeze(0))[0].permute(1, 2, 0)
        yield Image.fromarray((pixels * 255).round().to(torch.uint8).cpu().numpy())
