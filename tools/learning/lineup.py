"""A line-up: which of many things does a picture show?

A picture is compared with held-out pictures of every thing. The figure is cut out by its difference from the colours at
the picture's border; then its colours (a histogram in Lab), its edges (directions on a 4 x 4 grid) and its coarse look
(8 x 8 in Lab) are compared. The nearest thing is the answer. Nothing is learnt, and no model is known to it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tools.demo_model.artwork.views import lab

SIDE = 64
WEIGHTS = {"colours": 1.0, "edges": 0.6, "look": 0.8}
NEAREST = 3
"""A thing's distance is the mean over so many of its nearest pictures."""
BORDER, BORDER_COLOURS, LEAST_SHARE = 3, 4, 0.08
FIGURE_FROM, FIGURE_WITHIN = 10.0, 15.0
"""Distance in Lab from the border's colours at which a pixel begins to be the figure's, and until it is."""
HALF = 0.5
LEAST_FIGURE = 30.0
"""Pixels; with fewer, the whole picture is taken for the figure."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Features:
    """What is compared of a picture."""

    colours: Array
    edges: Array
    look: Array

    def distance(self, other: "Features") -> float:
        """The weighted distance; 0 is the same."""
        parts = {
            "colours": 1 - float(self.colours @ other.colours),
            "edges": 1 - float(self.edges @ other.edges),
            "look": float(np.sqrt(((self.look - other.look) ** 2).mean())),
        }
        return sum(WEIGHTS[name] * value for name, value in parts.items())


class Lineup:
    """Things by name, each with the features of its held-out pictures."""

    def __init__(self, concepts: Path) -> None:
        """Reads `concepts/<name>/held/*.png`."""
        folders = [folder for folder in sorted(concepts.iterdir()) if (folder / "held").is_dir()]
        self.known: Mapping[str, Sequence[Features]] = {
            folder.name: [features(Image.open(path)) for path in sorted((folder / "held").glob("*.png"))]
            for folder in folders
        }

    def ranked(self, picture: Image.Image, leave_out: tuple[str, int] | None = None) -> list[str]:
        """The things' names, nearest first; `leave_out` is a held-out picture (name, number) that is not compared."""
        seen = features(picture)
        distances = {
            name: self._distance(seen, [e for k, e in enumerate(examples) if (name, k) != leave_out])
            for name, examples in self.known.items()
        }
        return sorted(distances, key=distances.__getitem__)

    @staticmethod
    def _distance(seen: Features, examples: Sequence[Features]) -> float:
        return float(np.mean(sorted(seen.distance(example) for example in examples)[:NEAREST]))


def features(picture: Image.Image) -> Features:
    """Cuts the figure out and describes it."""
    pixels, mask = _figure(picture)
    if mask.sum() < LEAST_FIGURE:
        mask = np.ones_like(mask)
    clear = mask > HALF
    rows, columns = np.nonzero(clear) if clear.any() else np.nonzero(mask > 0)
    box = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    cut = _resized(mask[box])
    small = np.stack([_resized(pixels[box][..., k]) * cut for k in range(3)] + [cut * 60], axis=-1)
    look = small.reshape(8, 4, 8, 4, 4).mean((1, 3)).ravel() / 40
    return Features(_colours(pixels, mask), _edges(small[..., 0] + small[..., 3]), look)


def border_colours(pixels: Array) -> Array:
    """The main colours along the border of a picture in Lab [64, 64, 3]: four means, those with a fair share of it."""
    edges = (pixels[:BORDER], pixels[-BORDER:], pixels[:, :BORDER], pixels[:, -BORDER:])
    rim = np.concatenate([edge.reshape(-1, 3) for edge in edges])
    centres = rim[np.linspace(0, len(rim) - 1, BORDER_COLOURS).astype(int)]
    nearest = np.zeros(len(rim), int)
    for _ in range(8):
        nearest = np.linalg.norm(rim[:, None] - centres, axis=-1).argmin(1)
        means = [rim[nearest == k].mean(0) if (nearest == k).any() else centres[k] for k in range(BORDER_COLOURS)]
        centres = np.stack(means)
    share = np.bincount(nearest, minlength=BORDER_COLOURS) / len(rim)
    return centres[share > LEAST_SHARE]


def in_lab(picture: Image.Image) -> Array:
    """The picture at 64 x 64 in Lab."""
    small = picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    return lab(np.asarray(small, np.float64))


def _figure(picture: Image.Image) -> tuple[Array, Array]:
    """The picture in Lab [64, 64, 3], and how much each pixel belongs to the figure, 0 to 1."""
    pixels = in_lab(picture)
    far = np.linalg.norm(pixels[:, :, None] - border_colours(pixels), axis=-1).min(-1)
    return pixels, np.clip((far - FIGURE_FROM) / FIGURE_WITHIN, 0, 1)


def _colours(pixels: Array, mask: Array) -> Array:
    """The root of a histogram over Lab, of three that are shifted, weighted by the mask."""
    weight = mask.ravel() / mask.sum()
    grid = [np.linspace(0, 100, 6), np.linspace(-80, 80, 9), np.linspace(-80, 80, 9)]
    flat = pixels.reshape(-1, 3)
    total = np.zeros((5, 8, 8))
    for offset in (0, 8, -8):
        within = np.clip(flat + offset, [0, -80, -80], [99.9, 79.9, 79.9])
        total += np.histogramdd(within, bins=grid, weights=weight)[0]
    return np.sqrt(total.ravel() / 3)


def _edges(light: Array) -> Array:
    """How strong edges of eight directions are in each cell of a 4 x 4 grid; unit length."""
    down, across = np.gradient(light)
    direction = ((np.arctan2(down, across) % np.pi) / np.pi * 8).astype(int) % 8
    cells = np.zeros((4, 4, 8))
    np.add.at(cells, (np.arange(32)[:, None] // 8, np.arange(32)[None] // 8, direction), np.hypot(across, down))
    root = np.sqrt(cells.ravel())
    return root / (np.linalg.norm(root) + 1e-9)


def _resized(values: Array) -> Array:
    image = Image.fromarray(values.astype(np.float32))
    return np.asarray(image.resize((32, 32), Image.Resampling.BILINEAR), np.float64)
