"""The upsamplers of a frozen UNet on the CPU: nine products for each four results in place of 36.

A convolution of 3 after nearest-neighbour doubling sees each feature x[i] twice. Its results are
w0·(x[i-1] - x[i]) + s·x[i] and s·x[i] + w2·(x[i+1] - x[i]) with s = w0 + w1 + w2: three products for two results, in
both directions, and the doubled features are never made. (It is Winograd's F(2, 3), one of whose four products is then
always of nothing.)
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from diffusers.models.upsampling import Upsample2D
from torch import Tensor, nn

from ti_studio.models.cpu.convolution import Convolve, is_small
from ti_studio.models.cpu.onednn_linear import stacked_products
from ti_studio.models.cpu.replace_modules import replace_layers

_KERNEL = ((1.0, 0.0, 0.0), (1.0, 1.0, 1.0), (0.0, 0.0, 1.0))
"""Makes w0, s and w2 of w0, w1 and w2."""


class _Matrices(nn.Module):
    """The convolution's weight and bias, by the names that they have in diffusers."""

    def __init__(self, weight: Tensor, bias: nn.Parameter | None) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.bias = bias


class FrozenUpsampling(nn.Module):
    """diffusers' `Upsample2D` with a frozen convolution."""

    def __init__(self, layer: Any) -> None:
        """Takes over the weight [out, in, 3, 3], as [9, out, in]."""
        super().__init__()
        weight, kernel = layer.conv.weight.detach(), torch.tensor(_KERNEL)
        matrices = torch.einsum("at,oitu,bu->aboi", kernel, weight.float(), kernel).flatten(0, 1)
        self.conv = _Matrices(matrices.to(weight.dtype).contiguous(), layer.conv.bias)
        # A small weight is kept as it was as well, so that small checkpoints paint to the last bit as diffusers does.
        self._without_gradients = layer.forward if is_small(weight) else None

    @staticmethod
    def fits(layer: Any) -> bool:
        """Tells whether a module is such an upsampler, of the kind that Stable Diffusion's UNets have."""
        if type(layer) is not Upsample2D or layer.norm is not None or not layer.interpolate:
            return False
        conv = getattr(layer, "conv", None)
        geometry = ((3, 3), (1, 1), (1, 1), (1, 1))
        return type(conv) is nn.Conv2d and (conv.kernel_size, conv.stride, conv.padding, conv.dilation) == geometry

    def forward(self, features: Tensor, output_size: torch.Size | None = None) -> Tensor:
        """Returns features [n, out, 2h, 2w] of features [n, in, h, w]; of another size where one is asked for."""
        if self._without_gradients is not None and not torch.is_grad_enabled():
            plain: Tensor = self._without_gradients(features, output_size)
            return plain
        height, width = features.shape[2:]
        if output_size is not None and tuple(output_size) != (2 * height, 2 * width):
            near = F.interpolate(features, size=output_size, mode="nearest")
            return torch.conv2d(near, self._plain(), self.conv.bias, padding=1)
        if torch.is_grad_enabled() and features.requires_grad:
            output: Tensor = Convolve.apply(features, self)  # type: ignore[no-untyped-call]
            return output
        return self._there(features)

    def _plain(self) -> Tensor:
        """Returns the weight [out, in, 3, 3], but for rounding."""
        weight = self.conv.weight
        inverse = torch.linalg.inv(torch.tensor(_KERNEL))
        matrices = weight.float().view(3, 3, *weight.shape[1:])
        return torch.einsum("ta,aboi,ub->oitu", inverse, matrices, inverse).to(weight.dtype)

    def _there(self, features: Tensor) -> Tensor:
        n, channels, height, width = features.shape
        around = F.pad(features.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))
        rows = around.new_empty(3, n, height, width + 2, channels)
        _differ(around, 1, rows.unbind(0))
        places = around.new_empty(3, 3, n, height, width, channels)
        _differ(rows, 3, places.unbind(1))
        stacked = stacked_products(places.view(9, -1, channels), self.conv.weight)
        columns = around.new_empty(3, n, height, width, 2, stacked.shape[2])
        _join(stacked.view(3, 3, n, height, width, -1).unbind(1), columns.unbind(4))
        if self.conv.bias is not None:
            columns[1] += self.conv.bias
        size = (n, stacked.shape[2], 2 * height, 2 * width)
        image = torch.empty(size, dtype=features.dtype, memory_format=torch.channels_last)
        _join(columns.unbind(0), _pairs(image).unbind(2))
        return _as(features, image)

    def back(self, gradient: Tensor, shape: torch.Size) -> Tensor:
        """Returns the gradient of features of a shape, from that of what `forward` returns."""
        n, channels, height, width = shape
        pairs = _pairs(gradient.contiguous(memory_format=torch.channels_last))
        rows = pairs.new_empty(3, n, height, width, 2, pairs.shape[-1])
        _part(pairs.unbind(2), rows.unbind(0))
        places = pairs.new_empty(3, 3, n, height, width, pairs.shape[-1])
        _part(rows.unbind(4), places.unbind(1))
        stacked = stacked_products(places.view(9, -1, pairs.shape[-1]), self.conv.weight.transpose(1, 2))
        columns = _collect(stacked.view(3, 3, n, height, width, channels).unbind(1), 3)
        return _as(gradient, _collect(columns.unbind(0), 1).permute(0, 3, 1, 2))


def _pairs(image: Tensor) -> Tensor:
    """Returns the rows and columns of an image [n, channels, 2h, 2w] two by two: [n, h, 2, w, 2, channels]."""
    n, channels, height, width = image.shape
    return image.permute(0, 2, 3, 1).view(n, height // 2, 2, width // 2, 2, channels)


def _as(other: Tensor, features: Tensor) -> Tensor:
    """Returns features with channels first where others' are, and last where they are or where there are gaps."""
    return features.contiguous() if other.is_contiguous() else features


def _differ(around: Tensor, along: int, to: Sequence[Tensor]) -> None:
    """Computes x[i-1] - x[i], x[i] and x[i+1] - x[i] along a dimension that has one place more at each end."""
    size = around.shape[along] - 2
    before, here, after = (around.narrow(along, start, size) for start in range(3))
    torch.sub(before, here, out=to[0])
    to[1].copy_(here)
    torch.sub(after, here, out=to[2])


def _collect(products: Sequence[Tensor], along: int) -> Tensor:
    """Computes the gradient of x from those of what `_differ` makes of it."""
    total = products[1] - products[0]
    total -= products[2]
    size = total.shape[along] - 1
    total.narrow(along, 0, size).add_(products[0].narrow(along, 1, size))
    total.narrow(along, 1, size).add_(products[2].narrow(along, 0, size))
    return total


def _join(products: Sequence[Tensor], to: Sequence[Tensor]) -> None:
    """Computes the first and the second result of each pair."""
    torch.add(products[0], products[1], out=to[0])
    torch.add(products[2], products[1], out=to[1])


def _part(results: Sequence[Tensor], to: Sequence[Tensor]) -> None:
    """Computes the gradients of the products from those of what `_join` makes of them."""
    to[0].copy_(results[0])
    torch.add(results[0], results[1], out=to[1])
    to[2].copy_(results[1])


def freeze_upsamplers(module: nn.Module) -> None:
    """Replaces the upsamplers within a module, whose weights must not learn any more."""
    replace_layers(module, lambda layer: FrozenUpsampling(layer) if FrozenUpsampling.fits(layer) else None)
