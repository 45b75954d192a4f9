"""diffusers' ancestral schedulers with A1111's eta: how much of what a step denoises is new noise. 1 is theirs."""

import torch
from diffusers import EulerAncestralDiscreteScheduler, KDPM2AncestralDiscreteScheduler
from diffusers.utils.torch_utils import randn_tensor
from torch import Tensor


def split_step(sigma: Tensor, following: Tensor, eta: float) -> tuple[Tensor, Tensor]:
    """Returns what a step goes down to and what noise it adds then, so that the noise level is the following one's;
    k-diffusion's `get_ancestral_step`."""
    up = torch.minimum(following, eta * (following**2 * (sigma**2 - following**2) / sigma**2) ** 0.5)
    return (following**2 - up**2) ** 0.5, up


class EulerAncestral(EulerAncestralDiscreteScheduler):  # type: ignore[misc]  # diffusers is untyped
    """Euler's method that adds noise after each step."""

    eta = 1.0

    def step(
        self,
        model_output: Tensor,
        timestep: Tensor,
        sample: Tensor,
        generator: list[torch.Generator] | None = None,
        return_dict: bool = False,
    ) -> tuple[Tensor]:
        """Returns the sample at the next noise level; the arguments are diffusers', and `return_dict` is not heeded."""
        if self.step_index is None:
            self._init_step_index(timestep)
        sigma, following = self.sigmas[self.step_index], self.sigmas[self.step_index + 1]
        if self.config.prediction_type == "v_prediction":
            slope = (model_output / (sigma**2 + 1) ** 0.5) + sample * sigma / (sigma**2 + 1)
        else:
            slope = model_output
        down, up = split_step(sigma, following, self.eta)
        noise = randn_tensor(
            model_output.shape, generator=generator, device=model_output.device, dtype=model_output.dtype
        )
        self._step_index += 1
        made = sample.float() + slope.float() * (down - sigma) + noise * up
        return (made.to(model_output.dtype),)


class KDPM2Ancestral(KDPM2AncestralDiscreteScheduler):  # type: ignore[misc]  # diffusers is untyped
    """DPM-Solver-2 that adds noise after each step."""

    eta = 1.0

    def set_timesteps(
        self,
        num_inference_steps: int,
        device: torch.device | str | None = None,
        num_train_timesteps: int | None = None,
    ) -> None:
        """Sets the noise levels for so many steps, and those in between that each step looks at."""
        super().set_timesteps(num_inference_steps, device, num_train_timesteps)
        sigmas = torch.cat([self.sigmas[:1], self.sigmas[1:-1:2]])
        down, up = split_step(sigmas[:-1], sigmas[1:], self.eta)
        between = sigmas[:-1].log().lerp(down.log(), 0.5).exp()
        between[-1] = 0.0
        self.sigmas_up, self.sigmas_down, self.sigmas_interpol = (_twice(each, device) for each in (up, down, between))
        log_sigmas = self.log_sigmas.cpu()
        times = [self._sigma_to_t(sigma, log_sigmas) for sigma in between[:-1].cpu()]
        self.timesteps[1::2] = torch.tensor(times, dtype=self.timesteps.dtype, device=self.timesteps.device)


def _twice(levels: Tensor, device: torch.device | str | None) -> Tensor:
    """Returns levels as the scheduler wants them: each but the first for both looks of a step, and 0 at the end."""
    end = torch.zeros(2, dtype=levels.dtype)
    return torch.cat([levels[:1], levels[1:].repeat_interleave(2), end, end[:1]]).to(device)
