"""Learned rows beside the words that a text encoder knows."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ti_studio.prompts.conditioning import TextEncoder

_SPECIAL = 2
"""The begin and the end token, which are no words, are the vocabulary's last."""


@dataclass(frozen=True)
class Neighbour:
    """A word of the vocabulary, and how much a row points its way."""

    word: str
    cosine: float
    """1 the same direction, 0 none."""


@dataclass(frozen=True)
class RowReport:
    """One learned row."""

    norm: float
    relative_norm: float
    """The norm over the mean norm of the vocabulary's rows."""
    nearest: tuple[Neighbour, ...]


@torch.no_grad()
def compare_with_vocabulary(encoder: TextEncoder, rows: Tensor, count: int) -> list[RowReport]:
    """Returns, for each of the rows [n, width], its norm and the words of the vocabulary that it is nearest to."""
    table = encoder.token_embedding.weight[:-_SPECIAL].float()
    norms = table.norm(dim=-1)
    rows = rows.to(table.device, torch.float32)
    cosines = (rows @ table.T) / (norms * rows.norm(dim=-1, keepdim=True)).clamp(min=1e-12)
    values, tokens = cosines.topk(count)
    mean = float(norms.mean())
    return [
        RowReport(
            float(row.norm()),
            float(row.norm()) / mean,
            tuple(
                Neighbour(encoder.tokenizer.spelling(token), cosine)
                for token, cosine in zip(near.tolist(), value.tolist(), strict=True)
            ),
        )
        for row, value, near in zip(rows, values, tokens, strict=True)
    ]
