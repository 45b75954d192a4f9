"""The pictures as the UNet sees them: the VAE's mean and standard deviation, computed once where pictures stay the
same, and anew at every look where they are varied."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice
from typing import ClassVar, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from ti_studio.device import to_device
from ti_studio.models.loading import Model
from ti_studio.training.cancellation import Check, go_on
from ti_studio.training.data.augmentation import Variation
from ti_studio.training.data.dataset import (
    DAMAGE,
    Dataset,
    EmptyDataset,
    Sample,
    SampleView,
    load_picture,
    nothing_usable,
)
from ti_studio.training.data.latent_cache import LatentFiles
from ti_studio.training.data.sdxl_sizes import add_time_ids_of


@dataclass(frozen=True)
class Moments:
    """What the VAE says of one picture."""

    mean: Tensor
    """[4, h, w]"""
    std: Tensor


@dataclass(frozen=True)
class LatentBatch:
    """Latents of one batch."""

    latents: Tensor
    """[n, 4, h, w], scaled."""
    mask: Tensor | None
    """[n, 1, h, w], 0…1, how much is to be learned where; None where no picture has a mask."""
    add_time_ids: Tensor
    """[n, 6], what SDXL is told of each picture's size and crop (`add_time_ids.py`)."""


class Latents(Protocol):
    """Where the steps of a training get latents from."""

    @property
    def encodes(self) -> bool:
        """Whether they need the VAE."""

    def draw(self, pictures: Sequence[int], generator: torch.Generator) -> LatentBatch:
        """Draws latents of pictures of one size, on the training device."""


@dataclass(frozen=True)
class LatentCache:
    """The VAE's moments of every picture, on the training device.

    Keeping the distribution and drawing from it anew each time keeps the VAE's own noise, which one frozen sample
    loses.
    """

    upright: tuple[Moments, ...]
    mirrored: tuple[Moments | None, ...]
    """None for pictures that are not to be mirrored."""
    masks: tuple[Tensor | None, ...]
    """[1, h, w] of the upright pictures."""
    add_time_ids: Tensor
    """[pictures, 6]. A picture that is cropped in its middle has the same mirrored."""
    scaling_factor: float
    encodes: ClassVar[bool] = False

    def draw(self, pictures: Sequence[int], generator: torch.Generator) -> LatentBatch:
        """Draws the mirroring and the VAE's noise of pictures of one size."""
        orientations = 2 if any(self.mirrored) else 1
        turned = torch.randint(orientations, (len(pictures),), generator=generator).tolist()
        mirrored = [bool(turn and self.mirrored[picture]) for picture, turn in zip(pictures, turned, strict=True)]
        chosen = [self._moments(picture, mirror) for picture, mirror in zip(pictures, mirrored, strict=True)]
        masks = [self._mask(picture, mirror) for picture, mirror in zip(pictures, mirrored, strict=True)]
        add_time_ids = self.add_time_ids[to_device(torch.tensor(pictures), self.add_time_ids.device)]
        return LatentBatch(
            _latents(chosen, self.scaling_factor, generator), _stacked(masks, chosen[0].mean), add_time_ids
        )

    def _moments(self, picture: int, mirror: bool) -> Moments:
        return (self.mirrored[picture] if mirror else None) or self.upright[picture]

    def _mask(self, picture: int, mirror: bool) -> Tensor | None:
        mask = self.masks[picture]
        return mask.flip(-1) if mask is not None and mirror else mask

    def settled(self, generator: torch.Generator | None) -> "LatentCache":
        """Returns latents that are the same at every look: drawn once, or without a generator the VAE's means."""

        def of(moments: Moments) -> Moments:
            mean = moments.mean
            if generator is not None:
                mean = mean + moments.std * torch.randn(mean.shape, generator=generator).to(mean.device)
            return Moments(mean, torch.zeros_like(moments.std))

        mirrored = tuple(None if moments is None else of(moments) for moments in self.mirrored)
        return replace(self, upright=tuple(map(of, self.upright)), mirrored=mirrored)


@dataclass(frozen=True)
class FreshLatents:
    """Pictures that are loaded, varied and encoded at every look."""

    model: Model
    samples: tuple[Sample, ...]
    vae_batch_size: int
    deterministic: bool = False
    """Whether the VAE's means are taken, and nothing is drawn of its distribution."""
    encodes: ClassVar[bool] = True

    def draw(self, pictures: Sequence[int], generator: torch.Generator) -> LatentBatch:
        """Draws variations of pictures of one size, and the VAE's noise.

        Raises:
            OSError, ValueError, SyntaxError: a picture can no longer be read.
        """
        samples = [self.samples[picture] for picture in pictures]
        variations = [Variation.draw(sample.options, generator) for sample in samples]
        views = [load_picture(sample, variation) for sample, variation in zip(samples, variations, strict=True)]
        moments = list(encode_pictures(self.model, (look.pixels for look in views), self.vae_batch_size))
        if self.deterministic:
            moments = [Moments(of.mean, torch.zeros_like(of.std)) for of in moments]
        masks = [_small_mask(self.model, look) for look in views]
        latents = _latents(moments, self.model.scaling_factor, generator)
        add_time_ids = [
            add_time_ids_of(sample, variation) for sample, variation in zip(samples, variations, strict=True)
        ]
        return LatentBatch(latents, _stacked(masks, moments[0].mean), torch.tensor(add_time_ids).to(latents.device))


@torch.no_grad()
def encode_pictures(model: Model, pictures: Iterable[Tensor], at_once: int = 1) -> Iterator[Moments]:
    """Encodes pictures [3, H, W] in -1…1, of one size, so many at once."""
    waiting = iter(pictures)
    while batch := list(islice(waiting, at_once)):
        posterior = model.vae.encode(torch.stack(batch).to(model.hardware.device, model.vae.dtype)).latent_dist
        yield from map(Moments, posterior.mean.float(), posterior.std.float())


def cache_latents(
    model: Model, dataset: Dataset, at_once: int = 1, files: LatentFiles | None = None, check: Check = go_on
) -> tuple[LatentCache, Dataset]:
    """Encodes every picture, and its mirror image too where that is wanted.

    Args:
        model: the loaded checkpoint.
        dataset: the pictures.
        at_once: pictures that the VAE takes in one batch.
        files: where latents are kept on the disk; None keeps them in memory only.
        check: called before each batch.

    Returns:
        The latents, and the dataset that they are: pictures that turn out to be damaged move to the rejected ones.

    Raises:
        EmptyDataset: none is left.
    """
    kept: dict[int, tuple[Moments, Moments | None, Tensor | None]] = {}
    rejected = list(dataset.rejected)
    for batch in _batches_of_a_size(dataset.samples, at_once):
        check()
        views: list[tuple[int, SampleView]] = []
        for index in batch:
            try:
                views.append((index, load_picture(dataset.samples[index])))
            except DAMAGE as error:
                rejected.append(_damaged(dataset.samples[index], error))
        upright = _encoded(model, [look.pixels for _, look in views], files)
        turned = [(index, look.pixels.flip(-1)) for index, look in views if dataset.samples[index].options.flip]
        encoded = _encoded(model, [pixels for _, pixels in turned], files)
        mirrored = {index: moments for (index, _), moments in zip(turned, encoded, strict=True)}
        for (index, look), moments in zip(views, upright, strict=True):
            kept[index] = moments, mirrored.get(index), _small_mask(model, look)
    whole = _without_damaged(dataset, sorted(kept), rejected)
    upright_all, mirrored_all, masks = zip(*(kept[index] for index in sorted(kept)), strict=True)
    add_time_ids = torch.tensor([add_time_ids_of(sample) for sample in whole.samples]).to(model.hardware.device)
    return LatentCache(upright_all, mirrored_all, masks, add_time_ids, model.scaling_factor), whole


def check_pictures(dataset: Dataset, check: Check = go_on) -> Dataset:
    """Returns the dataset without its damaged pictures, each of which is read once to find out, after `check` was
    called.

    Raises:
        EmptyDataset: none is left.
    """
    whole: list[int] = []
    rejected = list(dataset.rejected)
    for index, sample in enumerate(dataset.samples):
        check()
        try:
            load_picture(sample)
            whole.append(index)
        except DAMAGE as error:
            rejected.append(_damaged(sample, error))
    return _without_damaged(dataset, whole, rejected)


def _batches_of_a_size(samples: Sequence[Sample], at_once: int) -> Iterator[list[int]]:
    by_size = sorted(range(len(samples)), key=lambda index: samples[index].size)
    for _, group in groupby(by_size, key=lambda index: samples[index].size):
        while batch := list(islice(group, at_once)):
            yield batch


def _encoded(model: Model, pictures: Sequence[Tensor], files: LatentFiles | None) -> list[Moments]:
    """Returns the moments of pictures of one size, from the disk where they are kept there."""
    known = [files.read(pixels) if files is not None else None for pixels in pictures]
    new = encode_pictures(
        model, (pixels for pixels, cached in zip(pictures, known, strict=True) if not cached), max(1, len(pictures))
    )
    device = model.hardware.device
    moments = [Moments(*(part.to(device) for part in cached)) if cached else next(new) for cached in known]
    if files is not None:
        for pixels, cached, of in zip(pictures, known, moments, strict=True):
            if not cached:
                files.write(pixels, of.mean, of.std)
    return moments


def _damaged(sample: Sample, error: Exception) -> str:
    return f"{sample.path.name}: is damaged ({error})"


def _without_damaged(dataset: Dataset, whole: Sequence[int], rejected: Sequence[str]) -> Dataset:
    if not whole:
        raise EmptyDataset(nothing_usable(dataset.folders, rejected))
    return Dataset(dataset.folders, tuple(dataset.samples[index] for index in whole), tuple(rejected))


def _latents(moments: Sequence[Moments], scaling_factor: float, generator: torch.Generator) -> Tensor:
    mean = torch.stack([of.mean for of in moments])
    std = torch.stack([of.std for of in moments])
    noise = to_device(torch.randn(mean.shape, generator=generator), mean.device)
    return noise.mul_(std).add_(mean).mul_(scaling_factor)


def _stacked(masks: Sequence[Tensor | None], like: Tensor) -> Tensor | None:
    if all(mask is None for mask in masks):
        return None
    whole = torch.ones(1, *like.shape[-2:], device=like.device)
    return torch.stack([whole if mask is None else mask for mask in masks])


def _small_mask(model: Model, look: SampleView) -> Tensor | None:
    """Returns a mask in the size of the latents."""
    if look.mask is None:
        return None
    return F.avg_pool2d(look.mask, model.latent_factor).to(model.hardware.device)
