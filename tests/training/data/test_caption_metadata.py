"""Captions in one JSON file."""

import json
from pathlib import Path

import pytest

from ti_studio.errors import NotFound
from ti_studio.training.config.dataset import DatasetFolder
from ti_studio.training.data.caption_metadata import read_caption_metadata
from ti_studio.training.data.captions import BadCaption
from ti_studio.training.data.dataset import scan_dataset


def test_pictures_have_the_captions_of_the_file_and_others_are_left_out(pictures: Path) -> None:
    """sd-scripts, `FineTuningDataset`: keys are paths or names, with or without an ending."""
    entries = {
        "0": {"caption": "a mychar", "train_resolution": [512, 512]},
        str(pictures / "1.png"): {"caption": "a mychar", "tags": "red hat, smiling"},
    }
    captions = pictures / "meta.json"
    captions.write_text(json.dumps(entries))
    options = DatasetFolder(directory=str(pictures), metadata_file=str(captions))

    dataset = scan_dataset(pictures, (32, 32), options)

    found = [(sample.path.name, sample.caption) for sample in dataset.samples]
    assert found == [("0.png", "a mychar"), ("1.png", "a mychar, red hat, smiling")]
    assert dataset.rejected == (f"2.png: is not in {captions}",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "holds a list; expected an object"),
        ('{"0": {"tags": " "}}', r"meta\.json, 0: found .*expected an object with caption or tags"),
        ('{"0": "a mychar"}', "expected an object with caption or tags"),
    ],
)
def test_a_file_of_another_form_is_refused_with_the_place(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "meta.json").write_text(text)

    with pytest.raises(BadCaption, match=message):
        read_caption_metadata(tmp_path / "meta.json", tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"There is no file .*meta\.json"):
        read_caption_metadata(tmp_path / "meta.json", tmp_path)
