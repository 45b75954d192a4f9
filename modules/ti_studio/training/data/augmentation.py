"""Variations of a picture that are drawn anew at every look."""

from dataclasses import dataclass

import torch
from PIL import Image

from ti_studio.training.config.dataset import DatasetOptions

COLOUR_RATE = 0.33
"""How often `color_aug` changes a picture, as in sd-scripts."""

HUE_SHIFT = 8 / 180
"""Of the whole colour circle, the most that a hue is shifted."""

GAMMA_SHIFT = 0.05
"""How far from 1 the gamma may be."""


@dataclass(frozen=True)
class Variation:
    """How one look at a picture differs from the picture."""

    centering: tuple[float, float] = (0.5, 0.5)
    """Where the crop lies, 0 (left, top) to 1."""
    mirrored: bool = False
    hue: float = 0.0
    """Part of the colour circle by which hues are turned."""
    gamma: float = 1.0

    @classmethod
    def draw(cls, options: DatasetOptions, generator: torch.Generator) -> "Variation":
        """Draws a variation that the options allow, always with the same number of draws."""
        left, top, mirror, change, kind, amount = torch.rand(6, generator=generator).tolist()
        changes = options.color_aug and change < COLOUR_RATE
        hue = (2 * amount - 1) * HUE_SHIFT if changes and kind < 1 / 2 else 0.0
        gamma = 1 + (2 * amount - 1) * GAMMA_SHIFT if changes and kind >= 1 / 2 else 1.0
        return cls(
            centering=(left, top) if options.random_crop else (0.5, 0.5),
            mirrored=options.flip and mirror < 1 / 2,
            hue=hue,
            gamma=gamma,
        )

    def colour(self, image: Image.Image) -> Image.Image:
        """Returns an RGB picture with the hue turned and the gamma applied."""
        if self.hue:
            hue, saturation, value = image.convert("HSV").split()
            turned = hue.point([(level + round(self.hue * 256)) % 256 for level in range(256)])
            image = Image.merge("HSV", (turned, saturation, value)).convert("RGB")
        if self.gamma != 1.0:
            image = image.point([round(255 * (level / 255) ** self.gamma) for level in range(256)] * 3)
        return image
