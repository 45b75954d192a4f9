"""What SDXL is told of a picture's size and crop."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from tests.training.test_run import prepared, request, run
from ti_studio.models.loading import Model
from ti_studio.prompts.conditioning import Conditioning
from ti_studio.training.config.dataset import DatasetFolder
from ti_studio.training.data.augmentation import Variation
from ti_studio.training.data.dataset import load_picture, scan_dataset
from ti_studio.training.data.latents import FreshLatents
from ti_studio.training.data.sdxl_sizes import add_time_ids_of
from ti_studio.training.preparation import RunPaths


@pytest.fixture
def place(place: RunPaths, pictures: Path) -> RunPaths:
    """The folder of pictures, with a wide and a high one in place of two of them."""
    for number, size in enumerate([(120, 40), (48, 96)]):
        Image.new("RGB", size, "green").save(pictures / f"{number}.png")
    return place


@contextmanager
def heard(model: Model) -> Iterator[list[Tensor]]:
    """Collects the sizes that the UNet is told."""
    told: list[Tensor] = []

    def note(_module: object, _inputs: object, named: dict[str, dict[str, Tensor]]) -> None:
        told.extend(named["added_cond_kwargs"]["time_ids"])

    handle = model.unet.register_forward_pre_hook(note, with_kwargs=True)
    try:
        yield told
    finally:
        handle.remove()


def test_sdxl_is_told_each_pictures_own_size_and_crop(tiny_sdxl: Model, place: RunPaths) -> None:
    with heard(tiny_sdxl) as told:
        run(request(max_steps=3, prompt_weight=1.0), tiny_sdxl, place)

    # 120×40 becomes 96×32, of which (96 - 32) / 2 are cut off at the left; and so on.
    expected = {(40, 120, 0, 32, 32, 32), (96, 48, 16, 0, 32, 32), (32, 40, 0, 4, 32, 32)}
    assert {tuple(sizes.tolist()) for sizes in told} == expected


def test_a_buckets_pictures_are_told_their_buckets_size(tiny_sdxl: Model, place: RunPaths) -> None:
    wanted = request(enable_bucket=True, min_bucket_reso=32, max_bucket_reso=64, bucket_reso_steps=8, batch_size=1)
    training_batches = prepared(wanted, tiny_sdxl, place)
    drawn = [training_batches.batch(step, 0).pictures for step in range(1, 10)]

    sizes = {tuple(batch.add_time_ids[0].tolist()) for batch in drawn if batch.add_time_ids is not None}
    assert {size[:2] for size in sizes} == {(40, 120), (96, 48), (32, 40)}
    for batch in drawn:
        assert batch.add_time_ids is not None
        assert [side * tiny_sdxl.latent_factor for side in batch.noisy.shape[-2:]] == batch.add_time_ids[0, 4:].tolist()


def test_a_random_crop_is_told_as_it_was_drawn(tiny_sdxl: Model, place: RunPaths) -> None:
    samples = scan_dataset(place.dataset, (32, 32), DatasetFolder(directory="", random_crop=True)).samples
    fresh = FreshLatents(tiny_sdxl, samples, vae_batch_size=1)
    drawn = [fresh.draw([0, 1, 2], torch.Generator().manual_seed(seed)).add_time_ids for seed in range(6)]

    for wide, high, _ in drawn:
        assert wide[2] == high[3] == 0
        assert 0 <= wide[3] <= 64 and 0 <= high[2] <= 32
    assert len({sizes[0, 3].item() for sizes in drawn}) > 3


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_crop_that_is_told_is_the_crop_that_is_seen(tmp_path: Path, mirrored: bool) -> None:
    image = Image.new("RGB", (96, 32), "black")
    image.paste("white", (70, 0, 71, 32))
    image.save(tmp_path / "line.png")
    sample = scan_dataset(tmp_path, (32, 32), DatasetFolder(directory=str(tmp_path))).samples[0]
    variation = Variation(centering=(0.8, 0.5), mirrored=mirrored)

    height, width, top, left, *target = add_time_ids_of(sample, variation)
    seen = int(load_picture(sample, variation).pixels[0, 16].argmax())

    assert (height, width, top, target) == (32, 96, 0, [32, 32])
    assert left + seen == pytest.approx(25 if mirrored else 70, abs=1)


def test_a_picture_that_is_painted_is_a_whole_one(tiny_sdxl: Model) -> None:
    width = sum(tiny_sdxl.info.widths.values())
    conditioning = Conditioning(torch.zeros(1, 77, width), torch.zeros(1, tiny_sdxl.info.widths["clip_g"]))

    with heard(tiny_sdxl) as told, torch.no_grad():
        tiny_sdxl.predict(torch.zeros(1, 4, 8, 12), torch.tensor([5]), conditioning)

    assert told[0].tolist() == [32, 48, 0, 0, 32, 48]
