"""The gated units of the UNet's transformer blocks, which compute their gate once more rather than keep it."""

from typing import Any

import torch
import torch.nn.functional as F
from diffusers.models.activations import GEGLU
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from ti_studio.models.frozen_convolution import is_small


class FrugalGate(nn.Module):
    """diffusers' `GEGLU`: half of the projected channels times the GELU of the other half."""

    def __init__(self, layer: Any) -> None:
        """Takes over a layer's projection."""
        super().__init__()
        self.proj = layer.proj

    def forward(self, features: Tensor) -> Tensor:
        """Returns [n, positions, channels / 2]."""
        projected: Tensor = self.proj(features)
        if is_small(projected):
            values, gate = projected.chunk(2, dim=-1)
            return values * F.gelu(gate)
        gated: Tensor = _Gate.apply(projected)  # type: ignore[no-untyped-call]
        return gated


class _Gate(torch.autograd.Function):
    """Keeps its input alone."""

    @staticmethod
    def forward(ctx: Any, projected: Tensor) -> Tensor:
        ctx.save_for_backward(projected)
        values, gate = projected.chunk(2, dim=-1)
        return F.gelu(gate).mul_(values)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (projected,) = ctx.saved_tensors  # under gradient checkpointing they can be had only once
        values, gate = projected.chunk(2, dim=-1)
        found = torch.empty_like(projected)
        to_values, to_gate = found.chunk(2, dim=-1)
        torch.mul(gradient, F.gelu(gate), out=to_values)
        torch.mul(gradient, values, out=to_gate)
        torch.ops.aten.gelu_backward.grad_input(to_gate, gate, grad_input=to_gate)
        return found


def make_gates_frugal(module: nn.Module) -> None:
    """Replaces the gated units within a module."""
    for name, child in module.named_children():
        if type(child) is GEGLU:
            setattr(module, name, FrugalGate(child))
        else:
            make_gates_frugal(child)
