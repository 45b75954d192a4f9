"""How far a picture's figure is from a concept: 0 for the true drawings, 1 for nothing in common.

    python -m tools.learning.likeness     # what the score says of true drawings, and of wrong ones

The figure is cut out (`classify.figure_mask`: the largest patch that differs from the background of its row) and
stretched into a square. Against each of the concept's true drawings, cut out alike, three distances are taken, and of
each the smallest over the drawings counts:

- shape: one minus the overlap of the two outlines (intersection over union);
- colour: how far in RGB the figure's pixels would have to be recoloured on average to have the drawing's colours,
  wherever they are (sorted along 32 fixed directions of RGB, averaged), where FAR and more is 1;
- picture: outline, colours and their places together. A pixel of the two outlines' union costs 1 if only one of them
  has it, else the RGB distance over FAR, at most 1; the mean over the union. This is the picture score.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tools.demo_model.classify import SMALLEST_FIGURE, at_judged_size, box_of, figure_mask
from tools.demo_model.drawing import Pixels
from tools.learning.concepts import CONCEPTS, Concept, pictures

SIDE = 48
FAR = 150.0
"""RGB distance of colours that have nothing in common; orange is 110 from red, 90 from yellow."""
HALF = 128
QUANTILES = np.linspace(0, 1, 65)
DIRECTIONS = 32
MEAN_COSINE = 0.5
"""Of the angle between a direction and a fixed one, over the sphere: what a projection shortens a distance by."""


@dataclass(frozen=True)
class Distance:
    """Each 0 (same) to 1."""

    picture: float
    colour: float
    shape: float


NOTHING_ALIKE = Distance(1.0, 1.0, 1.0)


@dataclass(frozen=True)
class CutOut:
    """A figure stretched into a square."""

    mask: NDArray[np.bool_]
    """[SIDE, SIDE]"""
    rgb: NDArray[np.float32]
    """[SIDE, SIDE, 3]"""
    colours: NDArray[np.float32]
    """Quantiles of the figure's colours along each direction, [65, DIRECTIONS]."""


class Likeness:
    """Compares pictures with a concept."""

    def __init__(self, concept: Concept) -> None:
        cuts = [cut_out(drawing) for drawing in pictures(concept.true)]
        self._true = [cut for cut in cuts if cut is not None]

    def distance(self, pixels: Pixels) -> Distance:
        """Returns how far the figure in a picture is from the concept; a picture without a figure is at 1."""
        cut = cut_out(pixels)
        if cut is None:
            return NOTHING_ALIKE
        return Distance(
            picture=min(_picture_distance(cut, true) for true in self._true),
            colour=min(_colour_distance(cut, true) for true in self._true),
            shape=min(1 - _overlap(cut, true) for true in self._true),
        )

    def mean(self, several: Sequence[Pixels]) -> Distance:
        """Returns the mean distance over pictures."""
        return mean_distance([self.distance(pixels) for pixels in several])


def mean_distance(distances: Sequence[Distance]) -> Distance:
    """Returns the mean of each distance."""
    names = [field.name for field in fields(Distance)]
    return Distance(**{name: float(np.mean([getattr(one, name) for one in distances])) for name in names})


def cut_out(pixels: Pixels) -> CutOut | None:
    """Cuts the figure out of a picture; None if there is none."""
    pixels = at_judged_size(pixels)
    mask = figure_mask(pixels)
    if mask.sum() < SMALLEST_FIGURE:
        return None
    box = box_of(mask)
    outline = Image.fromarray((mask * 255).astype(np.uint8)).crop(box).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    crop = Image.fromarray(pixels).crop(box).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    projected = pixels[mask].astype(np.float32) @ _directions()
    return CutOut(
        mask=np.asarray(outline) >= HALF,
        rgb=np.asarray(crop, dtype=np.float32),
        colours=np.quantile(projected, QUANTILES, axis=0).astype(np.float32),
    )


def _directions() -> NDArray[np.float32]:
    """Unit vectors spread over the sphere, [3, DIRECTIONS]."""
    drawn = np.random.default_rng(0).standard_normal((3, DIRECTIONS))
    return np.asarray(drawn / np.linalg.norm(drawn, axis=0), dtype=np.float32)


def _overlap(one: CutOut, other: CutOut) -> float:
    return float((one.mask & other.mask).sum() / max((one.mask | other.mask).sum(), 1))


def _colour_distance(one: CutOut, other: CutOut) -> float:
    recoloured = np.abs(one.colours - other.colours).mean() / MEAN_COSINE
    return float(min(recoloured / FAR, 1.0))


def _picture_distance(one: CutOut, other: CutOut) -> float:
    apart = np.minimum(np.linalg.norm(one.rgb - other.rgb, axis=2) / FAR, 1.0)
    union, both = one.mask | other.mask, one.mask & other.mask
    return float(np.where(both, apart, 1.0)[union].mean())


if __name__ == "__main__":
    for judged in CONCEPTS.values():
        likeness = Likeness(judged)
        for drawn_as, shown in CONCEPTS.items():
            print(f"{drawn_as} judged as {judged.word}: {likeness.mean(pictures(shown.held_out))}")
