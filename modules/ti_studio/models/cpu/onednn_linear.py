"""Matrix products with frozen weights on the CPU, in float32 as oneDNN computes them.

PyTorch hands such products to MKL, which on two cores of an AMD processor reaches 50 to 90 GFLOPS with the shapes of a
UNet; oneDNN reaches 75 to 106 of some 115, with the same weights in the same places (docs/speed.md). In bfloat16 they
are oneDNN's anyway.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

_FEWEST = 2**25
"""Multiplications from which a step of the graph that is written in Python takes less than it saves."""


def linear(rows: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Returns rows [..., in] times a weight [out, in], plus a bias: `F.linear` with a weight that does not learn."""
    if rows.dtype != torch.float32 or rows.numel() * len(weight) < _FEWEST:
        return F.linear(rows, weight, bias)
    if torch.is_grad_enabled() and rows.requires_grad:
        output: Tensor = _Linear.apply(rows, weight, bias)  # type: ignore[no-untyped-call]
        return output
    return product(rows, weight, bias)


def product(rows: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Returns the same of rows and a weight of any size, and keeps nothing for a gradient."""
    onednn = _onednn()
    if onednn is None or rows.dtype != torch.float32:
        return F.linear(rows, weight, bias)
    output: Tensor = onednn(rows, weight, bias, "none", [], "")
    return output


def stacked_products(stack: Tensor, weights: Tensor) -> Tensor:
    """Returns each of a stack of rows [k, rows, in] times its weight [k, out, in], and keeps nothing for a gradient."""
    if stack.dtype != torch.float32 or stack[0].numel() * weights.shape[1] < _FEWEST:
        return torch.bmm(stack, weights.transpose(1, 2))
    return torch.stack([product(rows, weight) for rows, weight in zip(stack, weights, strict=True)])


def _onednn() -> Any:
    """Returns PyTorch's operator for oneDNN's product, which `torch.compile` uses and `F.linear` does not; None where
    PyTorch was built without it."""
    return getattr(torch.ops.mkldnn, "_linear_pointwise", None)


class _Linear(torch.autograd.Function):
    """Keeps nothing: the weight is there anyway."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.weight = weight
        return product(rows, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return product(gradient, ctx.weight.t()), None, None
