"""Latents that are kept, and latents that are made anew."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ti_studio.models.loading import Model
from ti_studio.training.config.dataset import DatasetFolder, DatasetOptions
from ti_studio.training.data import latents as latents_module
from ti_studio.training.data.augmentation import Variation
from ti_studio.training.data.dataset import Dataset, load_picture, scan_dataset
from ti_studio.training.data.latent_cache import LatentFiles
from ti_studio.training.data.latents import FreshLatents, Moments, cache_latents

SIZE = (32, 32)


def scanned(folder: Path, size: tuple[int, int] = SIZE, **options: object) -> Dataset:
    return scan_dataset(folder, size, DatasetFolder(directory=str(folder), **options))  # type: ignore[arg-type]


def seeded(number: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(number)


def without_noise(moments: tuple[Moments | None, ...]) -> tuple[Moments, ...]:
    return tuple(Moments(of.mean, torch.zeros_like(of.std)) for of in moments if of is not None)


def test_the_cache_holds_what_the_vae_says_of_a_picture_and_its_mirror_image(tiny_model: Model, pictures: Path) -> None:
    cache, dataset = cache_latents(tiny_model, scanned(pictures, flip=True))

    pixels = load_picture(dataset.samples[1]).pixels
    with torch.no_grad():
        expected = tiny_model.vae.encode(pixels.flip(-1).unsqueeze(0)).latent_dist
    mirrored = cache.mirrored[1]
    assert mirrored is not None
    assert torch.allclose(mirrored.mean, expected.mean[0], atol=1e-5)
    quiet = replace(cache, upright=without_noise(cache.upright), mirrored=without_noise(cache.mirrored))
    drawn = quiet.draw([1, 1, 1, 1, 1, 1], seeded()).latents
    upright, turned = (of.mean * tiny_model.vae.config.scaling_factor for of in (cache.upright[1], mirrored))
    assert any(torch.allclose(latents, upright) for latents in drawn)
    assert any(torch.allclose(latents, turned) for latents in drawn)
    assert not torch.allclose(upright, turned)


def test_latents_may_be_drawn_once_or_be_the_vaes_means(tiny_model: Model, pictures: Path) -> None:
    cache, dataset = cache_latents(tiny_model, scanned(pictures, flip=True))
    scale = tiny_model.vae.config.scaling_factor

    means, once = cache.settled(None), cache.settled(seeded(3))
    varied = FreshLatents(tiny_model, dataset.samples, 1, deterministic=True)

    upright = [latents.upright[1].mean for latents in (cache, means, once)]
    assert torch.equal(upright[0], upright[1]) and not torch.equal(upright[0], upright[2])
    assert torch.equal(once.upright[1].mean, cache.settled(seeded(3)).upright[1].mean)
    for settled in (means, once):
        assert settled.mirrored[1] is not None
        looks = settled.draw([1] * 8, seeded()).latents / scale
        both = (settled.upright[1].mean, settled.mirrored[1].mean)
        assert all(any(torch.allclose(look, mean, atol=1e-5) for mean in both) for look in looks)
    looks = varied.draw([1] * 8, seeded()).latents / scale
    both = tuple(moments[1].mean for moments in (cache.upright, cache.mirrored) if moments[1] is not None)
    assert all(any(torch.allclose(look, mean, atol=1e-4) for mean in both) for look in looks)


def test_pictures_that_are_not_to_be_mirrored_are_not(tiny_model: Model, pictures: Path) -> None:
    cache, _ = cache_latents(tiny_model, scanned(pictures))

    assert cache.mirrored == (None, None, None)


def test_several_pictures_in_one_batch_give_the_same_latents(tiny_model: Model, pictures: Path) -> None:
    Image.new("RGB", (64, 32), "green").save(pictures / "wide.png")
    dataset = scanned(pictures, enable_bucket=True, bucket_no_upscale=True, bucket_reso_steps=8)

    alone, _ = cache_latents(tiny_model, dataset)
    together, _ = cache_latents(tiny_model, dataset, at_once=4)

    assert len({moments.mean.shape for moments in alone.upright}) > 1
    for one, other in zip(alone.upright, together.upright, strict=True):
        assert torch.allclose(one.mean, other.mean, atol=1e-5)


def test_latents_are_read_from_the_disk_when_the_same_pixels_come_again(
    tiny_model: Model, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = cache_latents(tiny_model, scanned(pictures, flip=True), files=LatentFiles(tmp_path / "kept", tiny_model))
    kept = sorted((tmp_path / "kept").iterdir())
    encoded: list[int] = []
    encode = latents_module.encode_pictures

    def counted(model: Model, found: object, at_once: int = 1):  # type: ignore[no-untyped-def]
        waiting = list(found)  # type: ignore[call-overload]
        encoded.append(len(waiting))
        return encode(model, waiting, at_once)

    monkeypatch.setattr(latents_module, "encode_pictures", counted)
    kept[0].write_bytes(b"damaged")
    again, _ = cache_latents(tiny_model, scanned(pictures, flip=True), files=LatentFiles(tmp_path / "kept", tiny_model))

    assert len(kept) == 6
    assert sum(encoded) == 1
    for one, other in zip(first.upright, again.upright, strict=True):
        assert torch.equal(one.mean, other.mean) and torch.equal(one.std, other.std)


def test_a_picture_whose_pixels_have_changed_is_encoded_again(
    tiny_model: Model, pictures: Path, tmp_path: Path
) -> None:
    files = LatentFiles(tmp_path / "kept", tiny_model)
    before, _ = cache_latents(tiny_model, scanned(pictures), files=files)
    Image.new("RGB", (40, 32), "black").save(pictures / "0.png")

    after, _ = cache_latents(tiny_model, scanned(pictures), files=files)

    assert not torch.equal(before.upright[0].mean, after.upright[0].mean)
    assert torch.equal(before.upright[1].mean, after.upright[1].mean)


def test_fresh_latents_depend_on_the_generator_alone_and_differ_from_look_to_look(
    tiny_model: Model, pictures: Path
) -> None:
    fresh = FreshLatents(tiny_model, scanned(pictures, random_crop=True, color_aug=True).samples, vae_batch_size=2)

    once, again, other = (fresh.draw([0, 1, 2], seeded(number)).latents for number in (0, 0, 1))

    assert once.shape == (3, 4, 8, 8)
    assert torch.equal(once, again)
    assert not torch.equal(once, other)


def test_a_random_crop_moves_over_the_picture(tmp_path: Path) -> None:
    image = Image.new("RGB", (96, 32), "red")
    image.paste("blue", (48, 0, 96, 32))
    image.save(tmp_path / "wide.png")
    sample = scanned(tmp_path, random_crop=True).samples[0]

    drawn = seeded()
    blue = [
        (load_picture(sample, Variation.draw(sample.options, drawn)).pixels[2] > 0).float().mean().item()
        for _ in range(30)
    ]

    assert min(blue) == 0 and max(blue) == 1


def test_colours_are_changed_a_third_of_the_time_and_a_little() -> None:
    options = DatasetOptions(color_aug=True)
    drawn = seeded()
    variations = [Variation.draw(options, drawn) for _ in range(300)]
    image = Image.new("RGB", (8, 8), (200, 80, 40))

    changed = [variation for variation in variations if variation.hue or variation.gamma != 1.0]

    assert 70 < len(changed) < 130
    assert any(variation.hue for variation in changed) and any(variation.gamma != 1.0 for variation in changed)
    for variation in changed:
        pixel = variation.colour(image).getpixel((0, 0))
        assert isinstance(pixel, tuple)
        assert all(abs(value - was) < 50 for value, was in zip(pixel, (200, 80, 40), strict=True))
    assert image.getpixel((0, 0)) == (200, 80, 40)


def test_a_mask_is_mirrored_with_its_picture_and_is_whole_for_pictures_without_one(
    tiny_model: Model, pictures: Path, tmp_path: Path
) -> None:
    image = Image.new("RGBA", (32, 32), (255, 0, 0, 255))
    image.paste((0, 0, 0, 0), (0, 0, 16, 32))
    image.save(pictures / "0.png")

    cache, _ = cache_latents(tiny_model, scanned(pictures, alpha_mask=True, flip=True))
    found = cache.draw([0, 0, 0, 0, 0, 0, 1], seeded()).mask

    assert found is not None and found.shape == (7, 1, 8, 8)
    left = {tuple(mask[0, 0].tolist()) for mask in found}
    assert left == {(0.0,) * 4 + (1.0,) * 4, (1.0,) * 4 + (0.0,) * 4, (1.0,) * 8}


def test_a_mask_of_16_bits_is_scaled_by_its_depth(pictures: Path, tmp_path: Path) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    for name in ("0", "1", "2"):
        Image.fromarray(np.full((32, 40), 0x8000, np.uint16)).save(masks / f"{name}.png")

    dataset = scanned(pictures, mask_directory=str(masks))

    mask = load_picture(dataset.samples[0]).mask
    assert mask is not None
    assert mask.unique().tolist() == pytest.approx([128 / 255])


def test_masks_come_from_a_folder_and_a_missing_one_leaves_the_picture_out(pictures: Path, tmp_path: Path) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    Image.new("L", (40, 32), 255).save(masks / "0.png")
    Image.new("L", (40, 32), 0).save(masks / "1.jpg")

    dataset = scanned(pictures, mask_directory=str(masks))

    found = [load_picture(sample).mask for sample in dataset.samples]
    assert [mask.mean().item() for mask in found if mask is not None] == [1.0, 0.0]
    assert dataset.rejected == (f"2.png: has no mask; expected a picture 2.* in {masks}",)
