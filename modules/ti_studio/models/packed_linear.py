"""Linear layers of a frozen UNet on the CPU in bfloat16, whose weights lie in memory as oneDNN wants them."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

_WIDEST = 640
"""Channels, in or out, up to which a layer is packed. In SD 1's UNet these ones have most positions to work on, and are
an eighth of the weights; the gain for the others' is no larger."""

_POSITIONS = 1024
"""What oneDNN packs for; any other number of positions computes too."""


class PackedLinear(nn.Module):
    """An `nn.Linear` that keeps its weight once for each way. Its results are the same to the last bit."""

    def __init__(self, layer: nn.Linear) -> None:
        """Takes over a layer's weight."""
        super().__init__()
        weight = layer.weight.detach()
        self.bias = layer.bias
        self._there = _pack(weight)
        self._back = _pack(weight.t().contiguous())

    @staticmethod
    def fits(layer: nn.Module) -> bool:
        """Tells whether a layer gains by it."""
        return (
            type(layer) is nn.Linear
            and layer.weight.dtype == torch.bfloat16
            and min(layer.in_features, layer.out_features) <= _WIDEST
        )

    def forward(self, features: Tensor) -> Tensor:
        """Returns [..., channels out] of features [..., channels in]."""
        if not (torch.is_grad_enabled() and features.requires_grad):
            return self.there(features)
        found: Tensor = _Multiply.apply(features, self)  # type: ignore[no-untyped-call]
        return found

    def there(self, features: Tensor) -> Tensor:
        """Returns the same without a graph."""
        return _multiply(features, self._there, self.bias)

    def back(self, gradient: Tensor) -> Tensor:
        """Returns the gradient of the features."""
        return _multiply(gradient, self._back, None)


class _Multiply(torch.autograd.Function):
    """Runs a layer, and its way back."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, layer: Any) -> Tensor:
        ctx.layer = layer
        found: Tensor = layer.there(features)
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.layer.back(gradient), None


def _pack(weight: Tensor) -> Tensor:
    packed: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight, _POSITIONS)
    return packed


def _multiply(features: Tensor, packed: Tensor, bias: Tensor | None) -> Tensor:
    found: Tensor = torch.ops.mkldnn._linear_pointwise(features, packed, bias, "none", [], "")
    return found


def pack_linears(module: nn.Module) -> None:
    """Replaces the linear layers within a module that gain by it, whose weights must not learn any more."""
    for name, child in module.named_children():
        if PackedLinear.fits(child):
            setattr(module, name, PackedLinear(child))  # type: ignore[arg-type]
        else:
            pack_linears(child)
