"""The folder of pictures: what in it can be learned from, what can't and why, and pictures as tensors."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from ti_studio.embeddings.formats.png_embeddings import known_formats
from ti_studio.embeddings.formats.srgb import as_srgb, in_eight_bits, over_white
from ti_studio.errors import NotFound, StudioError
from ti_studio.training.config.dataset import DatasetFolder
from ti_studio.training.data.augmentation import Variation
from ti_studio.training.data.buckets import Size, bucket_of
from ti_studio.training.data.caption_metadata import caption_for, read_caption_metadata
from ti_studio.training.data.captions import BadCaption, read_caption
from ti_studio.watchdog import sign_of_life

SMALLEST_SHARE = 4
"""A picture whose shorter side is below this part of the training size is too small: enlarging it teaches blur."""

_SHOWN = 8
"""Files that an error names before it only counts."""

_GREY = 2
"""Dimensions of a picture without colours."""

_RESAMPLING = {
    "area": Image.Resampling.BOX,
    "box": Image.Resampling.BOX,
    "bicubic": Image.Resampling.BICUBIC,
    "cubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "linear": Image.Resampling.BILINEAR,
    "nearest": Image.Resampling.NEAREST,
    "lanczos": Image.Resampling.LANCZOS,
}

_LYING = (5, 6, 7, 8)
"""EXIF orientations of pictures that lie on their side."""


DAMAGE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)
"""What Pillow raises on damaged pictures."""


class EmptyDataset(StudioError):
    """A folder in which there is nothing to learn from."""


@dataclass(frozen=True)
class Sample:
    """A picture, what it is said to show, and how it is taken."""

    path: Path
    caption: str
    size: Size
    """Width and height that it is trained at, pixels."""
    options: DatasetFolder
    picture: Size
    """Its own width and height, turned as its EXIF data says, pixels."""
    mask: Path | None = None
    """The grey picture that says where to learn."""


@dataclass(frozen=True)
class Dataset:
    """The usable pictures in the order of their names, and the reason for each file that is not used."""

    folders: tuple[Path, ...]
    samples: tuple[Sample, ...]
    rejected: tuple[str, ...]

    @property
    def name(self) -> str:
        """Returns the names of the folders."""
        return ", ".join(folder.name for folder in self.folders)


def scan_folders(folders: Sequence[DatasetFolder], size: Size) -> Dataset:
    """Looks at several folders, one after the other.

    Raises:
        StudioError: as `scan_dataset`, for any of them.
    """
    scanned = [scan_dataset(Path(options.directory), size, options) for options in folders]
    named = len(scanned) > 1
    return Dataset(
        tuple(folder for dataset in scanned for folder in dataset.folders),
        tuple(sample for dataset in scanned for sample in dataset.samples),
        tuple(f"{dataset.name}/{text}" if named else text for dataset in scanned for text in dataset.rejected),
    )


def scan_dataset(folder: Path, size: Size, options: DatasetFolder | None = None) -> Dataset:
    """Looks at every file of a folder (not at those of its subfolders).

    Pictures are recognised by their content. Every other file is reported, but for hidden ones and for captions of
    pictures.

    Args:
        folder: the folder.
        size: width and height of the training, pixels.
        options: how its pictures are taken; None takes them all as they are.

    Raises:
        NotFound: there is no such folder.
        EmptyDataset: no file in it can be used; the message says why for the first few.
    """
    if not folder.is_dir():
        raise NotFound(f"There is no folder {folder}; the dataset directory is expected to be a folder of pictures.")
    options = options or DatasetFolder(directory=str(folder))
    listed = Path(options.metadata_file) if options.metadata_file else None
    captions = None if listed is None else read_caption_metadata(listed, folder)
    samples: list[Sample] = []
    rejected: list[str] = []
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    beside = {".txt", ".npz", options.caption_extension.lower()}
    pictures = {path.stem for path in files if path.suffix.lower() not in beside}
    for path in files:
        sign_of_life()  # there may be thousands, far away
        if path == listed or (path.suffix.lower() in beside and path.stem in pictures):
            continue
        try:
            caption = read_caption(path, options) if captions is None else caption_for(path, captions)
            if caption is None:
                raise _Unusable(f"is not in {options.metadata_file}")
            samples.append(_sample(path, caption, (options.width or size[0], options.height or size[1]), options))
        except (_Unusable, BadCaption) as error:
            rejected.append(f"{path.name}: {error}")
    if not samples:
        raise EmptyDataset(nothing_usable((folder,), rejected))
    return Dataset((folder,), tuple(samples), tuple(rejected))


def repeats_of(samples: Sequence[Sample]) -> list[int]:
    """Returns how often each picture is seen in a round.

    Regularisation pictures are seen as often as all others together, as in sd-scripts: each in turn gets one look more
    until that many are reached, and those beyond it get none.
    """
    repeats = [0 if sample.options.is_reg else sample.options.num_repeats for sample in samples]
    regular = [index for index, sample in enumerate(samples) if sample.options.is_reg]
    missing = sum(repeats)
    for index in itertools.cycle(regular):
        if missing <= 0:
            break
        added = 1 if repeats[index] else samples[index].options.num_repeats
        repeats[index] += added
        missing -= added
    return repeats


class _Unusable(StudioError):
    """A file that can't be learned from."""


def _sample(path: Path, caption: str, size: Size, options: DatasetFolder) -> Sample:
    """Looks at a picture's header.

    Raises:
        _Unusable: it is no picture, too small, or its mask is missing.
    """
    try:
        with Image.open(path, formats=known_formats()) as image:
            pixels = _turned_size(image)
    except UnidentifiedImageError as error:
        raise _Unusable("is not a picture") from error
    except DAMAGE as error:
        raise _Unusable(f"can't be read ({error})") from error
    bucket = bucket_of(pixels, size, options)
    least = max(1, min(bucket) // SMALLEST_SHARE)
    if min(pixels) < least:
        raise _Unusable(
            f"is too small ({pixels[0]}×{pixels[1]} pixels; expected at least {least} "
            f"for training at {bucket[0]}×{bucket[1]})"
        )
    return Sample(path, caption, bucket, options, pixels, _find_mask(path, options))


def _find_mask(picture: Path, options: DatasetFolder) -> Path | None:
    if not options.mask_directory:
        return None
    folder = Path(options.mask_directory)
    for candidate in sorted(folder.glob("*")):
        if candidate.stem == picture.stem and candidate.suffix.lower() != ".txt":
            return candidate
    raise _Unusable(f"has no mask; expected a picture {picture.stem}.* in {folder}")


@dataclass(frozen=True)
class SampleView:
    """A picture as the VAE gets it."""

    pixels: Tensor
    """[3, height, width], -1…1"""
    mask: Tensor | None
    """[1, height, width], 0 where nothing is to be learned, 1 where everything is; None without a mask."""


def load_picture(sample: Sample, variation: Variation | None = None) -> SampleView:
    """Loads a picture.

    It is turned as its EXIF data says, and brought to 8 bits and sRGB by its depth and colour profile. Transparency is
    laid over white. It is resized to cover its size and cropped, in the middle unless the variation says otherwise:
    nothing is squashed.

    Raises:
        OSError, ValueError, SyntaxError: the picture or its mask is damaged.
    """
    variation = variation or Variation()

    def fitted(image: Image.Image) -> Tensor:
        """Returns [channels, height, width] in 0…255."""
        resampling = _RESAMPLING[sample.options.resize_interpolation]
        fit = ImageOps.fit(image, sample.size, resampling, centering=variation.centering)
        values = torch.from_numpy(np.asarray(fit, dtype=np.float32).copy())
        values = values.unsqueeze(0) if values.ndim == _GREY else values.permute(2, 0, 1)
        return values.flip(-1) if variation.mirrored else values

    with Image.open(sample.path, formats=known_formats()) as opened:
        image = as_srgb(opened)
    pixels = fitted(variation.colour(over_white(image))) / 127.5 - 1
    mask = None
    if sample.mask is not None:
        with Image.open(sample.mask, formats=known_formats()) as opened:
            mask = fitted(in_eight_bits(opened).convert("L")) / 255
    elif sample.options.alpha_mask and image.mode == "RGBA":
        mask = fitted(image.getchannel("A")) / 255
    return SampleView(pixels, mask)


def nothing_usable(folders: Sequence[Path], rejected: Sequence[str]) -> str:
    """Returns what is to be said of folders without a usable picture."""
    folder = ", ".join(map(str, folders))
    if not rejected:
        return f"The folder {folder} is empty; expected pictures in it."
    more = f"; and {len(rejected) - _SHOWN} more" if len(rejected) > _SHOWN else ""
    return f"No file in {folder} can be used: {'; '.join(rejected[:_SHOWN])}{more}. Expected pictures."


def _turned_size(image: Image.Image) -> tuple[int, int]:
    """Returns width and height after the turn that EXIF asks for."""
    sideways = image.getexif().get(ExifTags.Base.Orientation) in _LYING
    return (image.height, image.width) if sideways else (image.width, image.height)
