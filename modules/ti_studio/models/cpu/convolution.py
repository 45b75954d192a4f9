"""Convolutions of a frozen UNet on the CPU: nothing is kept for a weight's gradient that nobody wants."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from ti_studio.models.cpu.im2col_convolution import ColumnConvolution
from ti_studio.models.cpu.replace_modules import replace_layers

_SMALL = 2**18
"""Numbers of a tensor below which it is kept for the way back as PyTorch does it: a step of the graph that is written
in Python takes longer than it saves."""


def is_small(features: Tensor) -> bool:
    """Tells whether there is nothing to be gained by keeping less of them."""
    return features.numel() < _SMALL


class FrozenConvolution(nn.Module):
    """An `nn.Conv2d` whose weight does not learn, and whose input is free again once it has passed."""

    def __init__(self, layer: nn.Conv2d) -> None:
        """Takes over a layer's weight."""
        super().__init__()
        self.weight, self.bias = layer.weight, layer.bias
        self.settings: Any = (list(layer.stride), list(layer.padding), list(layer.dilation))
        """Stride, padding, dilation."""
        size, padding = layer.kernel_size, layer.padding
        self._is_product = size == layer.stride == (1, 1) and padding == (0, 0) and layer.bias is not None
        self._columns = ColumnConvolution.of(layer)

    def forward(self, features: Tensor) -> Tensor:
        """Returns the convolution of features [n, channels, h, w]."""
        by_columns = self._columns is not None and self._columns.suits(features)
        if torch.is_grad_enabled() and is_small(features) and not by_columns:
            if self._is_product and features.is_contiguous():
                return self._product(features)
        elif torch.is_grad_enabled() and features.requires_grad:
            output: Tensor = Convolve.apply(features, self)  # type: ignore[no-untyped-call]
            return output
        if self._columns is not None and by_columns:
            return self._columns.there(features, self.weight, self.bias)
        return torch.conv2d(features, self.weight, self.bias, *self.settings)

    def _product(self, features: Tensor) -> Tensor:
        """Computes a kernel of one pixel without taking the features to pieces for it, as PyTorch does."""
        n, _, height, width = features.shape
        weight = self.weight.flatten(1).expand(n, -1, -1)
        assert self.bias is not None
        return torch.baddbmm(self.bias[:, None], weight, features.flatten(2)).view(n, -1, height, width)

    def back(self, gradient: Tensor, shape: torch.Size) -> Tensor:
        """Returns the gradient of features of a shape, from that of the convolution."""
        # Only the shape of the features is looked at where no weight's gradient is wanted.
        like = gradient.new_empty(1).expand(shape)
        if self._columns is not None and self._columns.suits(like):
            return self._columns.back(gradient, self.weight, shape)
        none = [0, 0]
        arguments: Any = (gradient, like, self.weight, None, *self.settings, False, none, 1, [True, False, False])
        to_features: Tensor = torch.ops.aten.convolution_backward(*arguments)[0]
        return to_features


class Convolve(torch.autograd.Function):
    """Runs a layer, which has its own way `back`, and keeps nothing."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, layer: Any) -> Tensor:
        ctx.layer, ctx.shape = layer, features.shape
        with torch.no_grad():
            output: Tensor = layer(features)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.layer.back(gradient, ctx.shape), None


def freeze_convolutions(module: nn.Module) -> None:
    """Replaces the convolutions within a module, whose weights must not learn any more."""
    replace_layers(module, _frozen)


def _frozen(layer: nn.Module) -> FrozenConvolution | None:
    is_plain = type(layer) is nn.Conv2d and layer.groups == 1 and layer.padding_mode == "zeros"
    return FrozenConvolution(layer) if isinstance(layer, nn.Conv2d) and is_plain else None
