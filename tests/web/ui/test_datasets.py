"""The Train tab's summary of a dataset folder."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.colour_profiles import ADOBE_GAMMA, ADOBE_RGB, rgb_profile
from ti_studio.folders import Folders
from ti_studio.web.ui.datasets import describe_dataset


def test_thumbnails_have_the_colours_that_the_training_uses(folders: Folders, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    Image.fromarray(np.full((64, 64), 0x8000, np.uint16)).save(pictures / "deep.png")
    Image.fromarray(np.full((64, 64), 0.5, np.float32)).save(pictures / "floats.tiff")
    Image.new("RGB", (64, 64), (60, 130, 90)).save(
        pictures / "wide.png", icc_profile=rgb_profile(ADOBE_RGB, ADOBE_GAMMA)
    )

    summary, thumbnails = describe_dataset(folders, str(pictures), (64, 64))

    assert summary == {"text": "3 pictures", "problems": []}
    colours = [image.convert("RGB").getpixel((9, 9)) for image, _ in thumbnails]
    for colour, expected in zip(colours, [(128, 128, 128), (128, 128, 128), (0, 130, 89)], strict=True):
        assert colour == pytest.approx(expected, abs=2)
