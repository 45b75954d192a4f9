"""The folder of pictures."""

import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.colour_profiles import ADOBE_GAMMA, ADOBE_RGB, rgb_profile
from ti_studio.errors import NotFound
from ti_studio.models.loading import Model
from ti_studio.training.config.dataset import DatasetFolder
from ti_studio.training.config.request import TrainRequest
from ti_studio.training.data.dataset import (
    EmptyDataset,
    SampleView,
    load_picture,
    repeats_of,
    scan_dataset,
    scan_folders,
)
from ti_studio.training.data.latents import cache_latents, check_pictures

SIZE = (32, 32)


def load(path: Path, size: tuple[int, int] = SIZE, **options: object) -> SampleView:
    """Loads one picture with these options of its folder."""
    folder = DatasetFolder(directory=str(path.parent), **options)  # type: ignore[arg-type]
    (sample,) = (sample for sample in scan_dataset(path.parent, size, folder).samples if sample.path == path)
    return load_picture(sample)


def test_usable_pictures_are_found_in_the_order_of_their_names(pictures: Path) -> None:
    dataset = scan_dataset(pictures, SIZE)

    assert [sample.path.name for sample in dataset.samples] == ["0.png", "1.png", "2.png"]
    assert dataset.samples[0].caption == "red, on a white background"
    assert dataset.rejected == ()


def test_every_other_file_is_reported_with_its_reason_and_the_rest_used(pictures: Path) -> None:
    (pictures / "notes.pdf").write_bytes(b"%PDF-1.4")
    # Pillow goes by the content, and would start Ghostscript for this one.
    (pictures / "program.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%EndComments\n")
    (pictures / "orphan.txt").write_text("no picture of this name")
    (pictures / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 nothing")
    (pictures / ".hidden").write_bytes(b"")
    Image.new("RGB", (5, 90)).save(pictures / "thin.png")
    (pictures / "subfolder").mkdir()

    dataset = scan_dataset(pictures, SIZE)

    assert len(dataset.samples) == 3
    told = "\n".join(dataset.rejected)
    assert "notes.pdf: is not a picture" in told
    assert "orphan.txt: is not a picture" in told
    assert "program.png: is not a picture" in told
    assert "broken.jpg" in told
    assert "thin.png: is too small (5×90 pixels; expected at least 8 for training at 32×32)" in told
    assert len(dataset.rejected) == 5


@pytest.mark.parametrize("cached", [True, False])
def test_a_picture_that_is_cut_off_is_reported_when_it_is_loaded(
    pictures: Path, tiny_model: Model, cached: bool
) -> None:
    whole = BytesIO()
    Image.effect_noise((200, 200), 50).convert("RGB").save(whole, "JPEG")
    (pictures / "0.jpg").write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])

    scanned = scan_dataset(pictures, SIZE)

    dataset = cache_latents(tiny_model, scanned)[1] if cached else check_pictures(scanned)

    assert [sample.path.name for sample in dataset.samples] == ["0.png", "1.png", "2.png"]
    assert dataset.rejected[0].startswith("0.jpg: is damaged (image file is truncated")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"There is no folder .*nowhere"):
        scan_dataset(tmp_path / "nowhere", SIZE)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EmptyDataset, match="is empty; expected pictures"):
        scan_dataset(tmp_path, SIZE)


def test_a_folder_without_a_usable_picture_is_refused_with_the_reasons(tmp_path: Path) -> None:
    (tmp_path / "notes.pdf").write_bytes(b"%PDF-1.4")

    with pytest.raises(EmptyDataset, match=r"No file .* can be used: notes\.pdf: is not a picture"):
        scan_dataset(tmp_path, SIZE)


def test_a_wide_picture_is_cropped_in_the_middle_and_not_squashed(tmp_path: Path) -> None:
    image = Image.new("RGB", (96, 32), "red")
    image.paste("blue", (32, 0, 64, 32))
    image.save(tmp_path / "wide.png")

    loaded = load(tmp_path / "wide.png").pixels

    blue = torch.tensor([-1.0, -1.0, 1.0])
    assert torch.allclose(loaded[:, 16, 16], blue)
    assert torch.allclose(loaded[:, 16, 1], blue, atol=0.1)


def test_pictures_are_resized_as_asked(tmp_path: Path) -> None:
    checks = Image.new("L", (4, 4))
    checks.putdata([255 * ((index + index // 4) % 2) for index in range(16)])
    checks.convert("RGB").save(tmp_path / "checks.png")

    def side(interpolation: str, size: int) -> list[float]:
        options = DatasetFolder(directory=str(tmp_path), resize_interpolation=interpolation)  # type: ignore[arg-type]
        (sample,) = scan_dataset(tmp_path, (size, size), options).samples
        return [round(value, 2) for value in load_picture(sample).pixels[0, 0].tolist()]

    assert side("nearest", 8) == [-1, -1, 1, 1, -1, -1, 1, 1]
    assert side("area", 2) == side("box", 2) == [0, 0]
    assert side("lanczos", 2) != side("area", 2) or side("lanczos", 8) != side("bilinear", 8)
    assert side("linear", 8) == side("bilinear", 8) != side("cubic", 8) == side("bicubic", 8)


def test_a_picture_is_turned_as_its_exif_data_says(tmp_path: Path) -> None:
    image = Image.new("RGB", (32, 64), "white")
    image.paste("black", (0, 0, 32, 32))
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.jpg", exif=exif, quality=100)

    loaded = load(tmp_path / "turned.jpg", (64, 32)).pixels

    assert loaded[:, 16, 60].max() < -0.9
    assert loaded[:, 16, 4].min() > 0.9


def test_transparency_is_laid_over_white(tmp_path: Path) -> None:
    Image.new("RGBA", (32, 32), (255, 0, 0, 0)).save(tmp_path / "clear.png")

    assert load(tmp_path / "clear.png").pixels.min() == 1


def test_a_picture_of_any_depth_and_colour_space_is_learned_as_it_is_seen(tmp_path: Path) -> None:
    """White is 1 and black -1: a grey of 16 bits was once all white, and one of floats all black."""
    half = np.full((32, 32), 0.5)
    Image.fromarray((half * 65535).astype(np.uint16)).save(tmp_path / "16-bits.png")
    Image.fromarray((half * 65535).astype(np.uint16)).save(tmp_path / "16-bits.tiff")
    Image.fromarray(half.astype(np.float32)).save(tmp_path / "floats.tiff")
    Image.new("L", (32, 32), 128).save(tmp_path / "8-bits.png")

    for path in tmp_path.iterdir():
        assert load(path).pixels.mean() == pytest.approx(0, abs=0.01), path.name

    wide = rgb_profile(ADOBE_RGB, ADOBE_GAMMA)
    Image.new("RGB", (32, 32), (60, 130, 90)).save(tmp_path / "wide.png", icc_profile=wide)
    assert load(tmp_path / "wide.png").pixels[0].mean() < load(tmp_path / "8-bits.png").pixels[0].mean() - 1


def test_floats_of_another_scale_are_reported_with_the_scale(pictures: Path) -> None:
    Image.fromarray(np.full((32, 32), 200, np.float32)).save(pictures / "floats.tiff")

    dataset = check_pictures(scan_dataset(pictures, SIZE))

    assert dataset.rejected == (
        "floats.tiff: is damaged (it holds floats up to 200; expected 0 for black to 1 for white)",
    )


def test_several_folders_are_one_dataset_with_the_options_of_each(
    pictures: Path, tmp_path: Path, draw: Callable[[Path, list[str]], Path]
) -> None:
    more = draw(tmp_path / "more", ["black"])
    (more / "notes.pdf").write_bytes(b"%PDF-1.4")
    folders = (
        DatasetFolder(directory=str(pictures), num_repeats=2),
        DatasetFolder(directory=str(more), flip=True, width=64, height=48),
    )

    dataset = scan_folders(folders, SIZE)

    assert [sample.path.name for sample in dataset.samples] == ["0.png", "1.png", "2.png", "0.png"]
    assert [sample.size for sample in dataset.samples] == [SIZE, SIZE, SIZE, (64, 48)]
    assert repeats_of(dataset.samples) == [2, 2, 2, 1]
    assert dataset.rejected == ("more/notes.pdf: is not a picture",)
    assert dataset.name == "pictures, more"


def test_regularisation_pictures_are_seen_as_often_as_all_others_together(
    pictures: Path, tmp_path: Path, draw: Callable[[Path, list[str]], Path]
) -> None:
    regular = draw(tmp_path / "regular", ["black", "white"])
    folders = (
        DatasetFolder(directory=str(pictures), num_repeats=3),
        DatasetFolder(directory=str(regular), is_reg=True, num_repeats=2),
    )

    assert repeats_of(scan_folders(folders, SIZE).samples) == [3, 3, 3, 5, 4]


def test_a_folder_takes_from_the_training_what_it_does_not_say_itself() -> None:
    request = TrainRequest(
        name="word",
        shuffle_caption=True,
        keep_tokens=2,
        folders=({"directory": "a"}, {"directory": "b", "keep_tokens": 0}),  # type: ignore[arg-type]
    )

    assert [(folder.shuffle_caption, folder.keep_tokens) for folder in request.folders] == [(True, 2), (True, 0)]
    assert TrainRequest(**json.loads(request.model_dump_json())) == request
    assert request.dataset_folders("x") == request.folders
