"""The folder of pictures."""

from io import BytesIO
from pathlib import Path

import pytest
import torch
from PIL import Image

from ti_studio.errors import NotFound
from ti_studio.training.dataset import EmptyDataset, load_picture, load_pictures, scan_dataset

SIZE = (32, 32)


def test_usable_pictures_are_found_in_the_order_of_their_names(pictures: Path) -> None:
    dataset = scan_dataset(pictures, SIZE)

    assert [sample.path.name for sample in dataset.samples] == ["0.png", "1.png", "2.png"]
    assert dataset.samples[0].caption == "red, on a white background"
    assert dataset.rejected == ()


def test_every_other_file_is_reported_with_its_reason_and_the_rest_used(pictures: Path) -> None:
    (pictures / "notes.pdf").write_bytes(b"%PDF-1.4")
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
    assert "broken.jpg" in told
    assert "thin.png: is too small (5×90 pixels; expected at least 8 for training at 32×32)" in told
    assert len(dataset.rejected) == 4


def test_a_picture_that_is_cut_off_is_reported_when_it_is_loaded(pictures: Path) -> None:
    whole = BytesIO()
    Image.effect_noise((200, 200), 50).convert("RGB").save(whole, "JPEG")
    (pictures / "0.jpg").write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])

    loaded, dataset = load_pictures(scan_dataset(pictures, SIZE), SIZE)

    assert loaded.shape == (3, 3, 32, 32)
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

    loaded = load_picture(tmp_path / "wide.png", SIZE)

    blue = torch.tensor([-1.0, -1.0, 1.0])
    assert torch.allclose(loaded[:, 16, 16], blue)
    assert torch.allclose(loaded[:, 16, 1], blue, atol=0.1)


def test_a_picture_is_turned_as_its_exif_data_says(tmp_path: Path) -> None:
    image = Image.new("RGB", (32, 64), "white")
    image.paste("black", (0, 0, 32, 32))
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.jpg", exif=exif, quality=100)

    loaded = load_picture(tmp_path / "turned.jpg", (64, 32))

    assert loaded[:, 16, 60].max() < -0.9
    assert loaded[:, 16, 4].min() > 0.9


def test_transparency_is_laid_over_white(tmp_path: Path) -> None:
    Image.new("RGBA", (32, 32), (255, 0, 0, 0)).save(tmp_path / "clear.png")

    assert load_picture(tmp_path / "clear.png", SIZE).min() == 1
