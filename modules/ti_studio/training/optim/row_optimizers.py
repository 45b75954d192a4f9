"""Optimizers for rows that torch lacks."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

_REMEMBERED = 32
"""Rows of past gradients that a natural gradient is taken with: a hundred kilobytes of state for rows of 768."""


class Lion(torch.optim.Optimizer):
    """Evolved sign momentum (arXiv 2302.06675): every coordinate moves by the rate, so it takes a rate 3 to 10 times
    lower than Adam's."""

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Moves every parameter that has a gradient."""
        for group in self.param_groups:
            step_beta, keep_beta = group["betas"]
            for parameter in (parameter for parameter in group["params"] if parameter.grad is not None):
                state = self.state[parameter]
                momentum = state.setdefault("exp_avg", torch.zeros_like(parameter))
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.add_(momentum.lerp(parameter.grad, 1 - step_beta).sign_(), alpha=-group["lr"])
                momentum.lerp_(parameter.grad, 1 - keep_beta)


class RowSGD(torch.optim.Optimizer):
    """Moves each row by exactly the rate against its gradient, however long that is.

    On directions, whose gradient is tangent to the sphere, it is the Riemannian descent of Directional Textual
    Inversion (arXiv 2512.13672).
    """

    def __init__(self, params: Iterable[Tensor], lr: float = 1e-2, weight_decay: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Moves every parameter that has a gradient; a row without one stays."""
        for group in self.param_groups:
            for parameter in (parameter for parameter in group["params"] if parameter.grad is not None):
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.sub_(group["lr"] * _unit(parameter.grad))


class NaturalRowSGD(torch.optim.Optimizer):
    """Moves each row by exactly the rate, as RowSGD does, but against the natural gradient: directions in which the
    last gradients were long, whether the loss is steep there or they came by chance, count less.

    The metric is the empirical Fisher matrix of the last gradients' rows, Σ decayᵃ gᵀg for rows that are a steps old,
    with `damping` (above 0) times its trace added to the diagonal. Woodbury's identity solves it among those few rows,
    so no matrix is as wide as a row, and nothing waits for the device.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-2,
        decay: float = 0.9,
        damping: float = 0.1,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "decay": decay, "damping": damping, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Moves every parameter that has a gradient; a row without one stays."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if (gradient := parameter.grad) is None:
                    continue
                known = self._remembered(parameter, gradient, group["decay"])
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.sub_(group["lr"] * _unit(_natural(gradient, known, group["damping"])))

    def _remembered(self, parameter: Tensor, gradient: Tensor, decay: float) -> Tensor:
        """Puts a gradient before the older ones, which fade; returns the rows of all, [steps · n, width]."""
        steps = max(1, _REMEMBERED // len(parameter))
        history = self.state[parameter].setdefault("history", gradient.new_zeros(steps, *gradient.shape))
        history.copy_(torch.cat([gradient[None], history[:-1] * decay**0.5]))
        known: Tensor = history.flatten(0, 1)
        return known


def _natural(gradient: Tensor, known: Tensor, damping: float) -> Tensor:
    """Returns (FᵀF + damping)⁻¹ times the rows of a gradient, up to a factor, where F are the known rows, [m, width],
    divided by their common length."""
    scaled = known / known.norm().clamp(min=torch.finfo(known.dtype).tiny)
    among = scaled @ scaled.T
    among.diagonal().add_(damping)
    shares: Tensor = torch.linalg.solve_ex(among, scaled @ gradient.T).result
    natural: Tensor = gradient - shares.T @ scaled
    return natural


def _unit(rows: Tensor) -> Tensor:
    """Returns rows of length 1; those of length 0 as they are."""
    length: Tensor = rows.norm(dim=-1, keepdim=True)
    return rows / length.clamp(min=torch.finfo(length.dtype).tiny)
