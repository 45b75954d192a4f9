"""The gated units of the UNet's transformer blocks, which compute their gate once more rather than keep it."""

from typing import Any

import torch
import torch.nn.functional as F
from diffusers.models.activations import GEGLU
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from ti_studio.models.cpu.convolution import is_small
from ti_studio.models.cpu.onednn_linear import linear, product
from ti_studio.models.cpu.replace_modules import replace_layers

_LARGE = 2**25
"""Bytes of a projection from which it is computed once more as well: SD 1's at 64×64 have 40 MiB in float32."""
_POSITIONS_AT_ONCE = 2048
"""SD 1's projections are 20 MiB then: glibc gives blocks of 32 MiB back to the system, and asks for them anew."""


class RecomputingGEGLU(nn.Module):
    """diffusers' `GEGLU`: half of the projected channels times the GELU of the other half."""

    def __init__(self, layer: Any) -> None:
        """Takes over a layer's projection."""
        super().__init__()
        self.proj = layer.proj

    def forward(self, features: Tensor) -> Tensor:
        """Returns [n, positions, channels / 2] of features [n, positions, width]."""
        projected = linear(features, self.proj.weight, self.proj.bias)
        if is_small(projected):
            values, gate = projected.chunk(2, dim=-1)
            return values * F.gelu(gate)
        gated: Tensor = _Gate.apply(projected)  # type: ignore[no-untyped-call]
        return gated

    def into(self, out: nn.Linear, features: Tensor) -> Tensor:
        """Returns what a linear layer makes of the gated features: a transformer block's whole feed-forward part."""
        size = features.nbytes // features.shape[-1] * self.proj.out_features
        if size < _LARGE or not features.requires_grad:
            return linear(self(features), out.weight, out.bias)
        output: Tensor = _FeedForward.apply(features, self.proj, out)  # type: ignore[no-untyped-call]
        return output


class _Gate(torch.autograd.Function):
    """Keeps its input alone."""

    @staticmethod
    def forward(ctx: Any, projected: Tensor) -> Tensor:
        ctx.save_for_backward(projected)
        return _gated(projected)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (projected,) = ctx.saved_tensors  # under gradient checkpointing they can be had only once
        return _back(projected, gradient)


class _FeedForward(torch.autograd.Function):
    """Keeps what is projected, an eighth of the projection, and takes many positions in parts."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, proj: Any, out: Any) -> Tensor:
        ctx.save_for_backward(features)
        ctx.layers = proj, out
        output = torch.empty_like(features)
        for part, room in zip(_parts(features), _parts(output), strict=True):
            room.copy_(product(_gated(_projected(proj, part)), out.weight, out.bias))
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (features,) = ctx.saved_tensors
        proj, out = ctx.layers
        to_features = torch.empty_like(features)
        for part, back, room in zip(_parts(features), _parts(gradient), _parts(to_features), strict=True):
            to_projected = _back(_projected(proj, part), product(back, out.weight.t()))
            room.copy_(product(to_projected, proj.weight.t()))
        return to_features, None, None


def _parts(rows: Tensor) -> tuple[Tensor, ...]:
    """Splits [n, positions, channels] into a few positions each."""
    return torch.split(rows.flatten(0, 1), _POSITIONS_AT_ONCE)


def _projected(proj: Any, rows: Tensor) -> Tensor:
    return product(rows, proj.weight, proj.bias)


def _gated(projected: Tensor) -> Tensor:
    values, gate = projected.chunk(2, dim=-1)
    return F.gelu(gate).mul_(values)


def _back(projected: Tensor, gradient: Tensor) -> Tensor:
    """Returns the gradient of a projection, from that of what is gated."""
    values, gate = projected.chunk(2, dim=-1)
    to_projected = torch.empty_like(projected)
    to_values, to_gate = to_projected.chunk(2, dim=-1)
    torch.mul(gradient, F.gelu(gate), out=to_values)
    torch.mul(gradient, values, out=to_gate)
    torch.ops.aten.gelu_backward.grad_input(to_gate, gate, grad_input=to_gate)
    return to_projected


def recompute_geglus(module: nn.Module) -> None:
    """Replaces the gated units within a module."""
    replace_layers(module, lambda layer: RecomputingGEGLU(layer) if type(layer) is GEGLU else None)
