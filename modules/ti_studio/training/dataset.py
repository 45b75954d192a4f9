"""The folder of pictures: what in it can be learned from, what can't and why, and pictures as tensors."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from ti_studio.errors import NotFound, StudioError
from ti_studio.training.captions import BadCaption, read_caption

SMALLEST_SHARE = 4
"""A picture whose shorter side is below this part of the training size is too small: enlarging it teaches blur."""

_SHOWN = 8
"""Files that an error names before it only counts."""

_LYING = (5, 6, 7, 8)
"""EXIF orientations of pictures that lie on their side."""


class EmptyDataset(StudioError):
    """A folder in which there is nothing to learn from."""


@dataclass(frozen=True)
class Sample:
    """A picture and what it is said to show."""

    path: Path
    caption: str


@dataclass(frozen=True)
class Dataset:
    """The usable pictures of a folder in the order of their names, and the reason for each file that is not used."""

    folder: Path
    samples: tuple[Sample, ...]
    rejected: tuple[str, ...]


def scan_dataset(folder: Path, size: tuple[int, int]) -> Dataset:
    """Looks at every file of a folder (not at those of its subfolders).

    Pictures are recognised by their content. Every other file is reported, but for hidden ones and for captions of
    pictures.

    Args:
        folder: the folder.
        size: width and height of the training, pixels.

    Raises:
        NotFound: there is no such folder.
        EmptyDataset: no file in it can be used; the message says why for the first few.
    """
    if not folder.is_dir():
        raise NotFound(f"There is no folder {folder}; the dataset directory is expected to be a folder of pictures.")
    samples: list[Sample] = []
    rejected: list[str] = []
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    pictures = {path.stem for path in files if path.suffix.lower() != ".txt"}
    for path in files:
        if path.suffix.lower() == ".txt" and path.stem in pictures:
            continue
        reason = why_not(path, size)
        if reason is not None:
            rejected.append(f"{path.name}: {reason}")
            continue
        try:
            samples.append(Sample(path, read_caption(path)))
        except BadCaption as error:
            rejected.append(f"{path.name}: {error}")
    if not samples:
        raise EmptyDataset(_nothing_usable(folder, rejected))
    return Dataset(folder, tuple(samples), tuple(rejected))


def why_not(path: Path, size: tuple[int, int]) -> str | None:
    """Returns why a file can't be learned from, or None if it can. Looks at the picture's header only."""
    try:
        with Image.open(path) as image:
            found = _turned_size(image)
    except UnidentifiedImageError:
        return "is not a picture"
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        return f"can't be read ({error})"
    least = max(1, min(size) // SMALLEST_SHARE)
    if min(found) < least:
        is_wide, is_high = found
        return (
            f"is too small ({is_wide}×{is_high} pixels; expected at least {least} for training at {size[0]}×{size[1]})"
        )
    return None


def load_picture(path: Path, size: tuple[int, int]) -> Tensor:
    """Returns a picture as [3, height, width] in -1…1.

    It is turned as its EXIF data says, transparency is laid over white, and it is resized to cover the size and
    cropped in the middle: nothing is squashed.

    Raises:
        OSError, ValueError, SyntaxError: the picture is damaged.
    """
    with Image.open(path) as opened:
        image = ImageOps.exif_transpose(opened)
        image = ImageOps.fit(_over_white(image), size, Image.Resampling.LANCZOS)
    pixels = torch.from_numpy(np.asarray(image, dtype=np.float32).copy())
    return pixels.permute(2, 0, 1) / 127.5 - 1


def load_pictures(dataset: Dataset, size: tuple[int, int]) -> tuple[Tensor, Dataset]:
    """Loads all pictures; those that turn out to be damaged move to the rejected ones.

    Returns:
        [n, 3, height, width] in -1…1, and the dataset that they are.

    Raises:
        EmptyDataset: none is left.
    """
    loaded: list[Tensor] = []
    samples: list[Sample] = []
    rejected = list(dataset.rejected)
    for sample in dataset.samples:
        try:
            loaded.append(load_picture(sample.path, size))
            samples.append(sample)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            rejected.append(f"{sample.path.name}: is damaged ({error})")
    if not loaded:
        raise EmptyDataset(_nothing_usable(dataset.folder, rejected))
    return torch.stack(loaded), Dataset(dataset.folder, tuple(samples), tuple(rejected))


def _nothing_usable(folder: Path, rejected: Sequence[str]) -> str:
    if not rejected:
        return f"The folder {folder} is empty; expected pictures in it."
    more = f"; and {len(rejected) - _SHOWN} more" if len(rejected) > _SHOWN else ""
    return f"No file in {folder} can be used: {'; '.join(rejected[:_SHOWN])}{more}. Expected pictures."


def _turned_size(image: Image.Image) -> tuple[int, int]:
    """Returns width and height after the turn that EXIF asks for."""
    sideways = image.getexif().get(ExifTags.Base.Orientation) in _LYING
    return (image.height, image.width) if sideways else (image.width, image.height)


def _over_white(image: Image.Image) -> Image.Image:
    if image.mode not in ("RGBA", "LA", "PA") and "transparency" not in image.info:
        return image.convert("RGB")
    opaque = Image.new("RGBA", image.size, "white")
    opaque.alpha_composite(image.convert("RGBA"))
    return opaque.convert("RGB")
