"""What SDXL is told of a picture beside its prompt (arXiv 2307.01952, 2.2): its size, and where it was cropped."""

from ti_studio.training.data.augmentation import Variation
from ti_studio.training.data.dataset import Sample

Sizes = tuple[float, float, float, float, float, float]
"""Original height and width, top and left of the crop, target height and width, pixels."""


def add_time_ids_of(sample: Sample, variation: Variation | None = None) -> Sizes:
    """Returns the sizes of one look at a picture.

    The crop is counted in the picture as it was resized to cover the target, after the mirroring, as the paper has it.
    sd-scripts counts it in a picture that was resized to fit *into* the target, and so writes the middle of what is
    missing in place of what was cut off.
    """
    variation = variation or Variation()
    width, height = sample.picture
    target_width, target_height = sample.size
    scale = max(target_width / width, target_height / height)
    left = (width * scale - target_width) * variation.centering[0]
    top = (height * scale - target_height) * variation.centering[1]
    if variation.mirrored:
        left = width * scale - target_width - left
    return (float(height), float(width), float(round(top)), float(round(left)), target_height, target_width)
