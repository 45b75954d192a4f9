"""What the Train tab shows of a folder of pictures."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.colour_profiles import ADOBE_GAMMA, ADOBE_RGB, rgb_profile
from ti_studio.folders import Folders
from ti_studio.web.ui.datasets import describe_dataset


def test_the_thumbnails_of_a_folder_look_as_its_pictures_are_learned(folders: Folders, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    Image.fromarray(np.full((64, 64), 0x8000, np.uint16)).save(pictures / "deep.png")
    Image.fromarray(np.full((64, 64), 0.5, np.float32)).save(pictures / "floats.tiff")
    Image.new("RGB", (64, 64), (60, 130, 90)).save(
        pictures / "wide.png", icc_profile=rgb_profile(ADOBE_RGB, ADOBE_GAMMA)
    )

    told, shown = describe_dataset(folders, str(pictures), (64, 64))

    assert told == {"text": "3 pictures", "problems": []}
    colours = [image.convert("RGB").getpixel((9, 9)) for image, _ in shown]
    for colour, expected in zip(colours, [(128, 128, 128), (128, 128, 128), (0, 130, 89)], strict=True):
        assert colour == pytest.approx(expected, abs=2)
