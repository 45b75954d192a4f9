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
    lengths = rows.double().norm(dim=-1, keepdim=True)  # squares of what float32 holds may be more than it holds
    directions = (rows.double() / lengths.clamp(min=1e-12)).to(table.device, torch.float32)
    values, tokens = ((directions @ table.T) / norms.clamp(min=1e-12)).topk(count)
    mean = float(norms.mean())
    return [
        RowReport(
            length,
            length / mean,
            tuple(
                Neighbour(encoder.tokenizer.spelling(token), cosine)
                for token, cosine in zip(near.tolist(), value.tolist(), strict=True)
            ),
        )
        for length, value, near in zip(lengths.squeeze(-1).tolist(), values, tokens, strict=True)
    ]
