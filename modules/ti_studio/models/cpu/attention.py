"""Attention on the CPU in bfloat16, as training needs it: PyTorch's result in half of its time (docs/speed.md)."""

import itertools
import math
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

_LONG = 2**20
"""Scores of one head from which they are computed in parts: short sequences' are kept for the backward pass."""

_AT_ONCE = 2**21
"""Scores in a part: their powers and gradients stay in the processor's caches."""

_FEWEST = 64
"""Queries in a part, however long the sequence."""

_FARTHEST = 2.0**64
"""Sums of powers up to here are used as they are: bfloat16 holds what is made of them, too. They have no need of a
bound below: the mean of a query's scores is next to zero, so that the sum is about the number of keys at least."""


def attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Returns softmax(query · keyᵀ / √width) · value, [n, heads, positions, width], of three such tensors.

    PyTorch's own kernel is good where no gradients are wanted or numbers are not bfloat16, and slow in going back: for
    short sequences plain matrix products are faster, for long ones matrix products in parts.
    """
    if not torch.is_grad_enabled() or query.dtype != torch.bfloat16:
        return F.scaled_dot_product_attention(query, key, value)
    if query.shape[2] * key.shape[2] >= _LONG:
        result: Tensor = _InParts.apply(query, key, value)  # type: ignore[no-untyped-call]
        return result
    scores: Tensor = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
    shares: Tensor = scores.softmax(dim=-1)
    return shares @ value


class _InParts(torch.autograd.Function):
    """Attention of long sequences, which computes its scores once more for the backward pass.

    A softmax takes longer than the product before it, so there is none. Scores are made powers of two as they are; a
    row of ones below the values gives the sums of these, by which what is found is divided afterwards. On the way back
    the same row takes each query's mean gradient off its scores' (FlashAttention's D, arXiv 2205.14135, B.2). Only
    where scores are so far from zero that their powers would not fit, the greatest of a query is taken off first.

    Keys and values (`kt`, `vt`) are [n, heads, width, positions], so that the products' long side comes out last, which
    makes them up to twice as fast. Taking the keys' mean off changes no probability and keeps scores small, so that
    bfloat16 has digits left for their differences; no gradient goes through it, as those of a query's scores add up to
    zero. The values' mean is taken off for the same digits, in the scores' gradients, and put back at the end.
    """

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        q = query * (query.shape[-1] ** -0.5 / math.log(2))
        (k, _), (v, mean) = _centred(key), _centred(value)
        kt, vt = k.transpose(2, 3).contiguous(), F.pad(v.transpose(2, 3), (0, 0, 0, 1), value=1)
        outputs = vt.new_empty(*vt.shape[:3], q.shape[2])
        ctx.far = set()
        for head, rows, powers, _ in _parts(q, kt):
            part = outputs[head][:, rows]
            torch.mm(vt[head], _powers(q[head][rows], kt[head], powers).t(), out=part)
            if not part[-1].max() <= _FARTHEST:  # infinite ones among them
                ctx.far.add((*head, rows.start))
                torch.mm(vt[head], _powers(q[head][rows], kt[head], powers, is_far=True).t(), out=part)
        sums = outputs[:, :, -1:].transpose(2, 3).clone()  # or all that was found would be kept
        out = torch.empty_like(query).copy_(outputs[:, :, :-1].transpose(2, 3)).div_(sums)
        ctx.save_for_backward(q, kt, vt, out, sums)
        return out + mean

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        q, kt, vt, out, sums = ctx.saved_tensors
        g = _less_mean(gradient / sums.float(), out)
        dq = kt.new_empty(*kt.shape[:3], q.shape[2])
        dk, dv = (torch.zeros(kt.shape, device=kt.device) for _ in "kv")
        for head, rows, powers, back in _parts(q, kt):
            _powers(q[head][rows], kt[head], powers, is_far=(*head, rows.start) in ctx.far)
            dv[head] += torch.mm(g[head][rows, :-1].t(), powers)
            torch.mm(g[head][rows], vt[head], out=back).mul_(powers)
            torch.mm(kt[head], back.t(), out=dq[head][:, rows])
            dk[head] += torch.mm(q[head][rows].t(), back)
        dq *= q.shape[-1] ** -0.5
        dk *= math.log(2)
        return dq.transpose(2, 3), dk.to(q.dtype).transpose(2, 3), dv.to(q.dtype).transpose(2, 3)


def _centred(tensor: Tensor) -> tuple[Tensor, Tensor]:
    """Returns a tensor less its mean over positions, and this mean: with no more digits than the greatest number has,
    or taking it off would round most numbers to the same side."""
    greatest = tensor.abs().amax(dim=2, keepdim=True)
    mean = (tensor.mean(dim=2, keepdim=True) + greatest) - greatest
    return tensor - mean, mean


def _powers(q: Tensor, kt: Tensor, room: Tensor, is_far: bool = False) -> Tensor:
    """Fills the room with two to the power of each score, or of its distance from the query's greatest."""
    torch.mm(q, kt, out=room)
    if is_far:
        room -= room.amax(dim=-1, keepdim=True)
    return room.exp2_()


def _less_mean(gradient: Tensor, out: Tensor) -> Tensor:
    """Returns float32 gradients [n, heads, positions, width] as bfloat16, with a column for the row of ones: minus each
    query's product with what it found."""
    mean = (gradient * out).sum(dim=-1, keepdim=True)
    return torch.cat([gradient, -mean], dim=-1).to(out.dtype)


def _parts(q: Tensor, kt: Tensor) -> Iterator[tuple[tuple[int, int], slice, Tensor, Tensor]]:
    """Yields each prompt's each head, each part of its queries, and room for the part's powers and their gradients."""
    (n, heads, positions, _), keys = q.shape, kt.shape[-1]
    at_once = min(positions, max(_FEWEST, _AT_ONCE // keys))
    room = q.new_empty(2, at_once, keys)
    for head in itertools.product(range(n), range(heads)):
        for start in range(0, positions, at_once):
            rows = slice(start, min(start + at_once, positions))
            powers, back = room[:, : rows.stop - rows.start]
            yield head, rows, powers, back
