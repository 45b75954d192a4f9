"""Convolutions on a CPU as one matrix product: for few positions and a large weight, which oneDNN would rearrange at
every call for longer than it computes."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ti_studio.models.cpu.onednn_linear import product

_LARGE = 10_000_000
"""Numbers in a weight: SD 1's 1280 → 1280 channels have 14.7 million."""
_MOST_POSITIONS = 256
"""Of the result, for which the product wins: with 1024 of them oneDNN's kernel is a seventh faster."""


@dataclass(frozen=True)
class ColumnConvolution:
    """The geometry of an `nn.Conv2d` whose weight [out, in, kernel, kernel] lies with channels last."""

    kernel: int
    stride: int
    padding: int

    @classmethod
    def of(cls, layer: nn.Conv2d) -> "ColumnConvolution | None":
        """Returns a layer's geometry; None for one that gains nothing or that has different sides."""
        weight, padding = layer.weight, layer.padding
        is_large = weight.numel() >= _LARGE and weight.is_contiguous(memory_format=torch.channels_last)
        if not is_large or isinstance(padding, str) or layer.dilation != (1, 1):
            return None
        if any(len(set(sides)) > 1 for sides in (layer.kernel_size, layer.stride, padding)):
            return None
        return cls(layer.kernel_size[0], layer.stride[0], padding[0])

    def suits(self, features: Tensor) -> bool:
        """Tells whether features [n, in, h, w] have few enough positions."""
        n, _, height, width = features.shape
        return n * self._steps(height) * self._steps(width) <= _MOST_POSITIONS

    def there(self, features: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Returns the convolution [n, out, h', w'] of features [n, in, h, w]."""
        n, channels, height, width = features.shape
        around = F.pad(features, [self.padding] * 4).permute(0, 2, 3, 1).contiguous()
        image, row, column, channel = around.stride()
        rows, columns = self._steps(height), self._steps(width)
        size = (n, rows, columns, self.kernel, self.kernel, channels)
        steps = (image, row * self.stride, column * self.stride, row, column, channel)
        parts = around.as_strided(size, steps).reshape(n * rows * columns, -1)
        output = product(parts, _matrix(weight), bias)
        # Not a view of the product, which autograd would let nobody change in place.
        line = len(weight) * columns
        return output.as_strided_((n, len(weight), rows, columns), (line * rows, 1, line, len(weight)))

    def back(self, gradient: Tensor, weight: Tensor, shape: torch.Size) -> Tensor:
        """Returns the gradient of features of a shape, from that of the convolution."""
        n, channels, height, width = shape
        rows, columns = gradient.shape[2:]
        # With channels first PyTorch would make a product of each row of them, and copy the weight for each.
        positions = gradient.permute(0, 2, 3, 1).reshape(n * rows * columns, -1)
        parts = product(positions, _matrix(weight).t()).view(n, rows, columns, self.kernel, self.kernel, channels)
        # In float32: in bfloat16 each of up to eight additions would round anew, which is two thirds of all rounding.
        size = (n, height + 2 * self.padding, width + 2 * self.padding, channels)
        around = gradient.new_zeros(size, dtype=torch.float32)
        for down in range(self.kernel):
            for right in range(self.kernel):
                ends = down + self.stride * rows, right + self.stride * columns
                around[:, down : ends[0] : self.stride, right : ends[1] : self.stride] += parts[:, :, :, down, right]
        within = around[:, self.padding : self.padding + height, self.padding : self.padding + width]
        return within.permute(0, 3, 1, 2).to(gradient.dtype).contiguous(memory_format=torch.channels_last)

    def _steps(self, length: int) -> int:
        """Returns how many positions a result has of so many."""
        return (length + 2 * self.padding - self.kernel) // self.stride + 1


def _matrix(weight: Tensor) -> Tensor:
    """Returns a weight as it lies in memory: [out, kernel · kernel · in]."""
    return weight.permute(0, 2, 3, 1).flatten(1)
