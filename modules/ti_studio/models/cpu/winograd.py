"""Convolutions of 3×3 on a CPU with 16 products for each four results in place of 36.

Winograd's F(2×2, 3×3), as Lavin and Gray wrote it down (Fast Algorithms for Convolutional Neural Networks, 2015,
arXiv 1509.09308): each tile of 4×4 positions gives 2×2 results. Its sums are as exact as the plain ones in float32; in
bfloat16 they would be four times less so.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ti_studio.models.cpu.convolution import Convolve
from ti_studio.models.cpu.onednn_linear import product
from ti_studio.models.cpu.replace_modules import replace_layers

_FEWEST_CHANNELS = 128
"""Below which the tiles take longer than the products that they save."""
_LARGEST = 12_000_000
"""Numbers in a weight. Larger ones belong to few positions, where 16 matrices to be read cost what the products save;
and they would take the most memory, which grows by 7/9 of a weight."""
_TILES_AT_ONCE = 1024
"""A quarter of that is no slower on one thread, and slower on two."""
_NUMBERS_AT_ONCE = 7_500_000
"""In all tiles that are computed at once. glibc gives blocks of 32 MiB back to the system, and asks for them anew."""

_KERNEL = ((1.0, 0.0, 0.0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0.0, 0.0, 1.0))
"""G of the paper."""
_FORTH = (0, 1, 2, 3)
_MIRRORED = (3, 1, 2, 0)
"""The rows of G for the kernel read backwards, which is what a convolution's way back asks for."""


class WinogradConvolution(nn.Module):
    """An `nn.Conv2d` of 3×3 whose weight does not learn."""

    def __init__(self, layer: nn.Conv2d) -> None:
        """Takes over a layer's weight [out, in, 3, 3], as [16, out, in]."""
        super().__init__()
        kernel = torch.tensor(_KERNEL)
        matrices = torch.einsum("at,oitu,bu->aboi", kernel, layer.weight.detach(), kernel).flatten(0, 1)
        self.weight = nn.Parameter(matrices.contiguous(), requires_grad=False)
        self.bias = layer.bias

    @staticmethod
    def fits(layer: nn.Conv2d) -> bool:
        """Tells whether a layer is of 3×3, and gains by it."""
        if type(layer) is not nn.Conv2d or layer.groups != 1 or layer.padding_mode != "zeros":
            return False
        geometry = (layer.kernel_size, layer.stride, layer.padding, layer.dilation)
        weight = layer.weight
        return (
            geometry == ((3, 3), (1, 1), (1, 1), (1, 1))
            and weight.dtype == torch.float32
            and weight.is_contiguous(memory_format=torch.channels_last)
            and min(weight.shape[:2]) >= _FEWEST_CHANNELS
            and weight.numel() <= _LARGEST
        )

    def forward(self, features: Tensor) -> Tensor:
        """Returns the convolution of features [n, channels, h, w]."""
        if torch.is_grad_enabled() and features.requires_grad:
            output: Tensor = Convolve.apply(features, self)  # type: ignore[no-untyped-call]
            return output
        output = _convolved(features, self.weight, _FORTH)
        return output if self.bias is None else output.add_(self.bias[:, None, None])

    def back(self, gradient: Tensor, shape: torch.Size) -> Tensor:
        """Returns the gradient of features of a shape, from that of the convolution."""
        return _convolved(gradient, self.weight.transpose(1, 2), _MIRRORED)


def _convolved(features: Tensor, matrices: Tensor, order: Sequence[int]) -> Tensor:
    """Returns the convolution [n, out, h, w] of features [n, in, h, w] with matrices [16, out, in], whose rows and
    columns stand in an order."""
    n, _, height, width = features.shape
    down, right = (height + 1) // 2, (width + 1) // 2
    around = F.pad(features.permute(0, 2, 3, 1), (0, 0, 1, 1 + width % 2, 1, 1 + height % 2))
    whole = torch.empty(n, matrices.shape[1], 2 * down, 2 * right, memory_format=torch.channels_last)
    results = whole.permute(0, 2, 3, 1).view(n, down, 2, right, 2, -1)
    most = min(_TILES_AT_ONCE, _NUMBERS_AT_ONCE // (len(matrices) * max(matrices.shape[1:])))
    parts = min(down, -(-n * down * right // most))
    at_once = -(-down // parts)
    for start in range(0, down, at_once):
        end = min(start + at_once, down)
        tiles = _tiles(around[:, 2 * start : 2 * end + 2], order)
        products = [product(tile, matrix) for tile, matrix in zip(tiles.flatten(0, 1), matrices, strict=True)]
        _join(products, order, results[:, start:end])
    if whole.shape[2:] == features.shape[2:]:
        return whole  # not a view, which autograd would let nobody change in place
    return whole[:, :, :height, :width].contiguous(memory_format=torch.channels_last)


def _tiles(around: Tensor, order: Sequence[int]) -> Tensor:
    """Returns Bᵀ d B of each tile d of images [n, h + 2, w + 2, channels]: [4, 4, n, h/2, w/2, channels]."""
    n, height, width, channels = around.shape
    down, right = height // 2 - 1, width // 2 - 1
    rows = around.new_empty(4, n, down, width, channels)
    _spread(_windows(around, 1), rows.unbind(0), order)
    tiles = around.new_empty(4, 4, n, down, right, channels)
    _spread(_windows(rows, 3), tiles.unbind(1), order)
    return tiles


def _windows(places: Tensor, along: int) -> tuple[Tensor, ...]:
    """Returns the first, second, third and fourth place of each tile along a dimension; two of them are the next's."""
    first, second = places.view(*places.shape[:along], -1, 2, *places.shape[along + 1 :]).unbind(along + 1)
    tiles = first.shape[along] - 1
    return tuple(pair.narrow(along, start, tiles) for start in (0, 1) for pair in (first, second))


def _spread(places: Sequence[Tensor], to: Sequence[Tensor], order: Sequence[int]) -> None:
    """Computes Bᵀ d along one dimension."""
    torch.sub(places[0], places[2], out=to[order[0]])
    torch.add(places[1], places[2], out=to[order[1]])
    torch.sub(places[2], places[1], out=to[order[2]])
    torch.sub(places[1], places[3], out=to[order[3]])


def _join(products: Sequence[Tensor], order: Sequence[int], results: Tensor) -> None:
    """Computes Aᵀ m A of 4 · 4 products m [n, h/2, w/2, out] as results [n, h/2, 2, w/2, 2, out]."""
    n, down, _, right, _, channels = results.shape
    columns = results.new_empty(4, n, down, right, 2, channels)
    for row, column in enumerate(columns):
        _gather(products[4 * row : 4 * row + 4], column.unbind(3), order)
    _gather(columns.unbind(0), results.unbind(2), order)


def _gather(products: Sequence[Tensor], to: Sequence[Tensor], order: Sequence[int]) -> None:
    """Computes Aᵀ m along one dimension."""
    first, second, third, fourth = (products[place] for place in order)
    shared = second + third
    torch.add(first, shared, out=to[0])
    torch.sub(second, third, out=shared)
    torch.sub(shared, fourth, out=to[1])


def use_winograd(module: nn.Module) -> None:
    """Replaces the convolutions within a module that gain by it, whose weights must not learn any more."""
    replace_layers(
        module,
        lambda layer: (
            WinogradConvolution(layer) if isinstance(layer, nn.Conv2d) and WinogradConvolution.fits(layer) else None
        ),
    )
