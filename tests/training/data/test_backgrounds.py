"""Words for what stands behind a thing."""

from pathlib import Path

import pytest
import torch
from PIL import Image, ImageDraw

from ti_studio.models.loading import Model
from ti_studio.training.config.dataset import DatasetFolder
from ti_studio.training.data.backgrounds import COLOURS, describe, plain_colour
from ti_studio.training.data.captions import PromptTemplate
from ti_studio.training.data.dataset import Dataset, scan_dataset
from ti_studio.training.data.prompts import PromptReader, tokenize_prompts

TEMPLATE = PromptTemplate(Path("template"), ("a photo of a [name], [filewords]",))


def picture(background: tuple[int, int, int]) -> Image.Image:
    image = Image.new("RGB", (96, 64), background)
    ImageDraw.Draw(image).ellipse((30, 10, 70, 60), fill=(10, 200, 10))
    return image


def scanned(folder: Path, **options: object) -> Dataset:
    return scan_dataset(folder, (32, 32), DatasetFolder(directory=str(folder), **options))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", COLOURS)
def test_a_plain_background_has_the_name_of_its_colour(name: str) -> None:
    red, green, blue = COLOURS[name]
    assert plain_colour(picture((max(red - 4, 0), min(green + 4, 255), blue))) == name


def test_a_background_of_two_colours_has_no_name() -> None:
    image = picture((240, 240, 240))
    image.paste((30, 60, 200), (0, 40, 96, 64))
    assert plain_colour(image) is None


def test_a_thing_may_reach_the_edge() -> None:
    image = picture((250, 250, 250))
    ImageDraw.Draw(image).rectangle((40, 40, 56, 64), fill=(200, 30, 30))
    assert plain_colour(image) == "white"


def test_pictures_without_captions_are_described_and_others_are_not(tmp_path: Path) -> None:
    picture(COLOURS["light blue"]).save(tmp_path / "00.png")
    picture(COLOURS["orange"]).save(tmp_path / "01.png")
    picture(COLOURS["white"]).save(tmp_path / "02.png")
    (tmp_path / "02.txt").write_text("in a white room")
    (tmp_path / "03.png").write_bytes((tmp_path / "02.png").read_bytes()[:120])  # cut off behind its header
    assert describe(scanned(tmp_path).samples) == {}
    assert describe(scanned(tmp_path, describe_background=True).samples) == {
        tmp_path / "00.png": "on a light blue background",
        tmp_path / "01.png": "on an orange background",
    }


def test_the_description_ends_every_prompt_of_its_picture(tmp_path: Path, tiny_model: Model) -> None:
    picture(COLOURS["white"]).save(tmp_path / "00.png")
    picture(COLOURS["white"]).save(tmp_path / "01-in the snow.png")
    dataset = scanned(tmp_path, describe_background=True)
    reader = PromptReader.of("zzzz1234", 2, tiny_model.encoders[0].tokenizer)
    first, second = tokenize_prompts(dataset, TEMPLATE, reader, describe(dataset.samples))
    assert first.texts() == ["a photo of a zzzz1234 on a white background"]
    assert second.texts() == ["a photo of a zzzz1234, in the snow on a white background"]
    assert first.draw(torch.Generator().manual_seed(0)) == reader.read(first.texts()[0])
