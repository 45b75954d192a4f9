"""diffusers' ancestral schedulers with A1111's eta: how much of what a step denoises is new noise. 1 is theirs."""

from typing import Any

import torch
from diffusers.schedulers.scheduling_euler_ancestral_discrete import EulerAncestralDiscreteScheduler
from diffusers.schedulers.scheduling_k_dpm_2_ancestral_discrete import KDPM2AncestralDiscreteScheduler
from diffusers.utils.torch_utils import randn_tensor
from torch import Tensor


def get_ancestral_step(sigma: Tensor, sigma_next: Tensor, eta: float) -> tuple[Tensor, Tensor]:
    """Returns what a step goes down to and what noise it adds then, so that the noise level is the following one's;
    k-diffusion's `get_ancestral_step`."""
    up = torch.minimum(sigma_next, eta * (sigma_next**2 * (sigma**2 - sigma_next**2) / sigma**2) ** 0.5)
    return (sigma_next**2 - up**2) ** 0.5, up


class EulerAncestral(EulerAncestralDiscreteScheduler):
    """Euler's method that adds noise after each step."""

    eta = 1.0
    _step_index: Any

    def step(
        self,
        model_output: Tensor,
        timestep: float | Tensor,
        sample: Tensor,
        generator: torch.Generator | None = None,
        return_dict: bool = False,
    ) -> tuple[Tensor]:
        """Returns the sample at the next noise level; the arguments are diffusers', and `return_dict` is not heeded."""
        if self._step_index is None:
            self._init_step_index(timestep)
        sigma, sigma_next = self.sigmas[self._step_index], self.sigmas[self._step_index + 1]
        if self.config["prediction_type"] == "v_prediction":
            derivative = model_output / (sigma**2 + 1) ** 0.5 + sample * sigma / (sigma**2 + 1)
        else:
            derivative = model_output
        down, up = get_ancestral_step(sigma, sigma_next, self.eta)
        noise = randn_tensor(
            model_output.shape, generator=generator, device=model_output.device, dtype=model_output.dtype
        )
        self._step_index += 1
        made = sample.float() + derivative.float() * (down - sigma) + noise * up
        return (made.to(model_output.dtype),)


class KDPM2Ancestral(KDPM2AncestralDiscreteScheduler):
    """DPM-Solver-2 that adds noise after each step."""

    eta = 1.0

    def set_timesteps(
        self,
        num_inference_steps: int,
        device: str | torch.device | None = None,
        num_train_timesteps: int | None = None,
    ) -> None:
        """Sets the noise levels for so many steps, and those in between that each step looks at."""
        super().set_timesteps(num_inference_steps, device, num_train_timesteps)
        sigmas = torch.cat([self.sigmas[:1], self.sigmas[1:-1:2]])
        down, up = get_ancestral_step(sigmas[:-1], sigmas[1:], self.eta)
        between = sigmas[:-1].log().lerp(down.log(), 0.5).exp()
        between[-1] = 0.0
        self.sigmas_up, self.sigmas_down, self.sigmas_interpol = (_twice(each, device) for each in (up, down, between))
        log_sigmas = self.log_sigmas.cpu().numpy()
        times = [float(self._sigma_to_t(sigma, log_sigmas)) for sigma in between[:-1].numpy()]
        self.timesteps[1::2] = torch.tensor(times, dtype=self.timesteps.dtype, device=self.timesteps.device)


def _twice(levels: Tensor, device: torch.device | str | None) -> Tensor:
    """Returns levels as the scheduler wants them: each but the first for both looks of a step, and 0 at the end."""
    return torch.cat([levels[:1], levels[1:].repeat_interleave(2), torch.zeros(3, dtype=levels.dtype)]).to(device)
