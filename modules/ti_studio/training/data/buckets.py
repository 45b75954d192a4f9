"""The sizes that pictures of different shapes are trained at, by sd-scripts' rules. Imports no torch."""

import math

from ti_studio.training.config.dataset import DatasetOptions

Size = tuple[int, int]
"""Width and height, pixels."""


def bucket_of(picture: Size, training: Size, options: DatasetOptions) -> Size:
    """Returns the size that a picture is cropped to; without buckets, the training's."""
    if not options.enable_bucket:
        return training
    if options.bucket_no_upscale:
        return _own_bucket(picture, training[0] * training[1], options.bucket_reso_steps)
    sizes = bucket_sizes(training, options)
    if picture in sizes:
        return picture
    shape = picture[0] / picture[1]
    return min(sizes, key=lambda size: abs(size[0] / size[1] - shape))


def bucket_sizes(training: Size, options: DatasetOptions) -> list[Size]:
    """Returns every bucket of at most the training's area, from narrow to wide."""
    area, steps = training[0] * training[1], options.bucket_reso_steps
    square = int(math.sqrt(area) // steps) * steps
    sizes = {(square, square) if square else training}
    for width in range(options.min_bucket_reso, options.max_bucket_reso + 1, steps):
        height = min(options.max_bucket_reso, area // width // steps * steps)
        if height >= options.min_bucket_reso:
            sizes |= {(width, height), (height, width)}
    return sorted(sizes)


def _own_bucket(picture: Size, area: int, steps: int) -> Size:
    """Returns a bucket near the picture's own size, which is reduced to the area if it is larger."""
    width, height = picture
    shape = width / height
    if width * height > area:
        wide = _rounded(math.sqrt(area * shape), steps)
        high = _rounded(math.sqrt(area / shape), steps)
        by_width = wide / _rounded(wide / shape, steps)
        by_height = _rounded(high * shape, steps) / high
        if abs(by_width - shape) < abs(by_height - shape):
            width, height = wide, int(wide / shape + 0.5)
        else:
            width, height = int(high * shape + 0.5), high
    return max(steps, width - width % steps), max(steps, height - height % steps)


def _rounded(length: float, steps: int) -> int:
    whole = int(length + 0.5)
    return max(steps, whole - whole % steps)
