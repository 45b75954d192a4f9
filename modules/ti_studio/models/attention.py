"""Attention on the CPU in bfloat16, as training needs it: PyTorch's result in half of its time (docs/speed.md)."""

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

_LONG = 2**20
"""Scores of one head from which they are computed in parts: short sequences' are kept for the backward pass."""

_AT_ONCE = 2**21
"""Scores in a part: they, their probabilities and their gradients stay in the processor's caches."""

_FEWEST = 64
"""Queries in a part, however long the sequence."""


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

    The products are written so that the long side comes out last, which makes them up to twice as fast. Taking the
    keys' mean off changes no probability and keeps scores small, so that bfloat16 has digits left for their
    differences; no gradient goes through it, as those of a query's scores add up to zero.
    """

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        ctx.save_for_backward(query, key, value)
        q, kt, vt = _arranged(query, key, value)
        out = q.new_empty(len(q), q.shape[2], q.shape[1])
        for head, rows, scores, shares in _parts(q, kt):
            torch.mm(q[head, rows], kt[head], out=scores)
            torch.softmax(scores, dim=-1, out=shares)
            torch.mm(vt[head], shares.t(), out=out[head, :, rows])
        return out.view(*query.shape[:2], *out.shape[1:]).transpose(2, 3)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        query, key, value = ctx.saved_tensors
        q, kt, vt = _arranged(query, key, value)
        g = gradient.flatten(0, 1).contiguous()
        qt, gt = (tensor.transpose(1, 2).contiguous() for tensor in (q, g))
        dq = torch.empty_like(qt)
        dk, dv = (torch.zeros(of.shape, device=of.device) for of in (kt, vt))
        for head, rows, scores, shares in _parts(q, kt):
            torch.mm(q[head, rows], kt[head], out=scores)
            torch.softmax(scores, dim=-1, out=shares)
            dv[head] += torch.mm(gt[head, :, rows], shares)
            torch.mm(g[head, rows], vt[head], out=scores)
            torch.ops.aten._softmax_backward_data.out(scores, shares, -1, q.dtype, grad_input=scores)
            torch.mm(kt[head], scores.t(), out=dq[head, :, rows])
            dk[head] += torch.mm(qt[head, :, rows], scores)
        dq *= query.shape[-1] ** -0.5
        back = [
            found.to(like.dtype).view(*like.shape[:2], *found.shape[1:]).transpose(2, 3)
            for found, like in ((dq, query), (dk, key), (dv, value))
        ]
        return back[0], back[1], back[2]


def _arranged(query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Returns the scaled queries [n · heads, positions, width], and keys and values [n · heads, width, positions]."""
    q = (query * query.shape[-1] ** -0.5).flatten(0, 1).contiguous()
    kt = (key - key.mean(dim=2, keepdim=True)).flatten(0, 1).transpose(1, 2).contiguous()
    return q, kt, value.flatten(0, 1).transpose(1, 2).contiguous()


def _parts(q: Tensor, kt: Tensor) -> Iterator[tuple[int, slice, Tensor, Tensor]]:
    """Yields each head, each part of its queries, and room for the part's scores and probabilities."""
    positions, keys = q.shape[1], kt.shape[2]
    at_once = min(positions, max(_FEWEST, _AT_ONCE // keys))
    room = q.new_empty(2, at_once, keys)
    for head in range(len(q)):
        for start in range(0, positions, at_once):
            rows = slice(start, min(start + at_once, positions))
            scores, shares = room[:, : rows.stop - rows.start]
            yield head, rows, scores, shares
