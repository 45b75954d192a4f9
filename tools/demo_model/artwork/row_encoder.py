"""Turns a picture's latents into rows for the text model: the words of things that have none.

The encoder is used while the checkpoint is trained, and then thrown away. It makes the space of rows continuous: every
thing that it has seen, and what lies between them, has rows there. Textual Inversion then finds by gradient what the
encoder would have given. The idea is the semantic code of diffusion autoencoders (arXiv 2111.15640), put where a
prompt's words are.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tools.demo_model.vocabulary import MOST_ROWS

ROW_NORM = 0.4
"""The rows' usual norm: that of the vocabulary's own."""
NOISE = 0.25
"""Noise on the rows while training, as a part of their norm: near rows must mean nearly the same."""
SCALE = (0.7, 1.6)
"""The norms of rows vary between these times ROW_NORM: what a row says must not depend on its length."""


class RowEncoder(nn.Module):
    """Latents [n, 4, 16, 16] to rows [n, 4, width] of norm ROW_NORM; the first rows say the most."""

    def __init__(self, width: int) -> None:
        """Makes an untrained encoder for a text model of that width."""
        super().__init__()
        self.width = width
        self.stem = nn.Conv2d(4, 64, 3, padding=1)
        self.down1 = nn.Conv2d(64, 128, 3, stride=2, padding=1)
        self.block1 = nn.Conv2d(128, 128, 3, padding=1)
        self.down2 = nn.Conv2d(128, 192, 3, stride=2, padding=1)
        self.block2 = nn.Conv2d(192, 192, 3, padding=1)
        self.norms = nn.ModuleList([nn.GroupNorm(16, c) for c in (64, 128, 128, 192, 192)])
        self.hidden = nn.Linear(192 * 16 + 192, 512)
        self.out = nn.Linear(512, MOST_ROWS * width)

    def forward(self, latents: Tensor) -> Tensor:
        """Returns float32 rows [n, 4, width]."""
        x = F.silu(self.norms[0](self.stem(latents)))
        x = F.silu(self.norms[1](self.down1(x)))
        x = x + F.silu(self.norms[2](self.block1(x)))
        x = F.silu(self.norms[3](self.down2(x)))
        x = x + F.silu(self.norms[4](self.block2(x)))
        x = torch.cat([x.flatten(1), x.mean(dim=(2, 3))], dim=1)
        rows = self.out(F.silu(self.hidden(x))).float().unflatten(1, (MOST_ROWS, self.width))
        return ROW_NORM * F.normalize(rows, dim=-1)


def disturbed(rows: Tensor, generator: torch.Generator) -> Tensor:
    """The rows with noise, and of another length each."""
    noise = torch.randn(rows.shape, generator=generator) * (NOISE * ROW_NORM / rows.shape[-1] ** 0.5)
    low, high = SCALE
    scale = low * (high / low) ** torch.rand(len(rows), 1, 1, generator=generator)
    return (rows + noise) * scale
