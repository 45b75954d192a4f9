"""Turns a view into rows for the text model: the words of things that have none.

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
    """Thumbnails [n, 3, 32, 32] from -1 to 1, to rows [n, 4, width] of norm ROW_NORM; the first rows say the most."""

    def __init__(self, width: int) -> None:
        """Makes an untrained encoder for a text model of that width."""
        super().__init__()
        self.width = width
        self.stem = nn.Conv2d(3, 48, 3, stride=2, padding=1)
        self.down1 = nn.Conv2d(48, 96, 3, stride=2, padding=1)
        self.block1 = nn.Conv2d(96, 96, 3, padding=1)
        self.down2 = nn.Conv2d(96, 160, 3, stride=2, padding=1)
        self.block2 = nn.Conv2d(160, 160, 3, padding=1)
        self.norms = nn.ModuleList([nn.GroupNorm(16, c) for c in (48, 96, 96, 160, 160)])
        self.hidden = nn.Linear(160 * 16, 512)
        self.thing = nn.Linear(512, MOST_ROWS * width)
        self.manner = nn.Linear(512, MOST_ROWS * width)

    def forward(self, thumbs: Tensor, is_manner: Tensor) -> Tensor:
        """Returns float32 rows [n, 4, width] for what is seen or, where `is_manner` [n] is true, for how it is."""
        x = F.silu(self.norms[0](self.stem(thumbs)))
        x = F.silu(self.norms[1](self.down1(x)))
        x = x + F.silu(self.norms[2](self.block1(x)))
        x = F.silu(self.norms[3](self.down2(x)))
        x = x + F.silu(self.norms[4](self.block2(x)))
        x = F.silu(self.hidden(x.flatten(1)))
        rows = torch.where(is_manner[:, None], self.manner(x), self.thing(x))
        rows = rows.float().unflatten(1, (MOST_ROWS, self.width))
        return ROW_NORM * F.normalize(rows, dim=-1)


def disturbed(rows: Tensor, generator: torch.Generator) -> Tensor:
    """The rows with noise, and of another length each."""
    noise = torch.randn(rows.shape, generator=generator, device=rows.device) * (
        NOISE * ROW_NORM / rows.shape[-1] ** 0.5
    )
    low, high = SCALE
    scale = low * (high / low) ** torch.rand(len(rows), 1, 1, generator=generator, device=rows.device)
    return (rows + noise) * scale


class RowPlaces:
    """A hook of the token table: puts the rows of a batch in the places that its captions leave for them."""

    def __init__(self, first: int) -> None:
        """`first` is the number that stands for the first row's place."""
        self._first = first
        self.rows: Tensor | None = None
        """[n, 4, width]; None where no caption has a place for rows."""

    def __call__(self, table: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        """Returns the embedded caption [n, 77, width] with the rows in it."""
        if self.rows is None:
            return output
        picture, place = (inputs[0] >= self._first).nonzero(as_tuple=True)
        rows = self.rows[picture, inputs[0][picture, place] - self._first]
        return output.index_put((picture, place), rows.to(output.dtype))
