"""sd-scripts' dataset configuration."""

import json
from pathlib import Path
from typing import Any

import pytest

from ti_studio.errors import NotFound
from ti_studio.training.sd_scripts.dataset_config import (
    DatasetConfig,
    read_dataset_config,
    read_in_json,
    read_train_data_dir,
)
from ti_studio.training.sd_scripts.options import BadConfiguration

DOCUMENTED = """
[general]
shuffle_caption = false
caption_extension = ".txt"
keep_tokens = 1

[[datasets]]
resolution = 512 # 1024 for SDXL
batch_size = 4 # Can use larger values than LoRA training
enable_bucket = true

[[datasets.subsets]]
image_dir = "path/to/images"
caption_extension = ".txt"
num_repeats = 10
"""


def read(tmp_path: Path, text: str, **defaults: Any) -> DatasetConfig:
    path = tmp_path / "dataset_config.toml"
    path.write_text(text)
    return read_dataset_config(path, defaults)


def test_the_documented_file_is_read(tmp_path: Path) -> None:
    config = read(tmp_path, DOCUMENTED)

    (folder,) = config.folders
    assert folder.directory == str(Path("path/to/images").resolve())
    assert (folder.num_repeats, folder.keep_tokens, folder.shuffle_caption) == (10, 1, False)
    assert (folder.width, folder.height, folder.enable_bucket, config.batch_size) == (512, 512, True, 4)
    assert config.notices == ()


def test_a_subset_goes_before_its_dataset_that_before_general_and_that_before_the_command_line(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        """
        [general]
        keep_tokens = 1
        flip_aug = true
        [[datasets]]
        resolution = [512, 768]
        keep_tokens = 2
        [[datasets.subsets]]
        image_dir = "a"
        keep_tokens = 3
        conditioning_data_dir = "masks"
        [[datasets.subsets]]
        image_dir = "b"
        [[datasets]]
        [[datasets.subsets]]
        image_dir = "c"
        is_reg = true
        word = "other"
        """,
        keep_tokens=9,
        resolution="256",
        shuffle_caption=True,
    )

    assert [folder.keep_tokens for folder in config.folders] == [3, 2, 1]
    assert [(folder.width, folder.height) for folder in config.folders] == [(512, 768), (512, 768), (256, 256)]
    assert all(folder.flip and folder.shuffle_caption for folder in config.folders)
    assert [folder.is_reg for folder in config.folders] == [False, False, True]
    assert [folder.word for folder in config.folders] == ["", "", "other"]
    assert config.folders[0].mask_directory == str(Path("masks").resolve())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[general]\nkeep_token = 1", r"\[general\]: keep_token is unknown; expected one of"),
        ("[genral]", r"genral is unknown; expected \[general\]"),
        (DOCUMENTED + "colour = 1", r"\[\[datasets\]\] 1, \[\[datasets.subsets\]\] 1: colour is unknown"),
        (DOCUMENTED + "batch_size = 1", r"subsets\]\] 1: batch_size belongs into \[\[datasets\]\]"),
        ("[general]\nimage_dir = 'x'", r"\[general\]: image_dir belongs into \[\[datasets.subsets\]\]"),
        (DOCUMENTED.replace("10", "0"), r"num_repeats: Input should be greater than or equal to 1 \(found 0\)"),
        (DOCUMENTED.replace("= 512", "= 'big'"), "resolution is 'big'; expected 512"),
        ("[[datasets]]\n[[datasets.subsets]]\nnum_repeats = 1", "image_dir is missing"),
        ("[general]\nmetadata_file = 'x'", r"\[general\]: metadata_file belongs into \[\[datasets.subsets\]\]"),
        ("[general]", "names no folder"),
        ("[general]\nx = ", r"dataset_config\.toml is not TOML: Invalid value"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(BadConfiguration, match=message):
        read(tmp_path, text)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"There is no file .*nothing\.toml"):
        read_dataset_config(tmp_path / "nothing.toml", {})


def test_keys_that_do_nothing_and_batch_sizes_that_differ_are_told(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        DOCUMENTED + "cache_info = true\n" + DOCUMENTED[DOCUMENTED.index("[[datasets]]") :].replace("= 4", "= 2"),
    )

    assert config.notices[0].endswith("cache_info does nothing here (pictures are looked at before every training).")
    assert "the first, 4, is used for all" in config.notices[1]


def test_folders_named_with_repeats_are_found(tmp_path: Path) -> None:
    for name in ("train/10_mychar girl", "train/notes", "train/2", "regular/1_girl"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "train" / "2" / "a.caption").write_text("x")

    config = read_train_data_dir(tmp_path / "train", tmp_path / "regular", {"flip_aug": True, "batch_size": 3})

    found = [(folder.num_repeats, folder.class_tokens, folder.is_reg) for folder in config.folders]
    assert found == [(10, "mychar girl", False), (2, None, False), (1, "girl", True)]
    assert [folder.caption_extension for folder in config.folders] == [".txt", ".caption", ".txt"]
    assert all(folder.flip for folder in config.folders)
    assert config.batch_size == 3
    assert len(config.notices) == 1 and "notes is left out" in config.notices[0]


def test_a_folder_without_such_folders_is_itself_the_folder_of_pictures(tmp_path: Path) -> None:
    config = read_train_data_dir(tmp_path, None, {})

    assert [folder.directory for folder in config.folders] == [str(tmp_path)]
    assert "the pictures in itself are used" in config.notices[0]


def test_captions_may_be_in_one_file_which_says_where_the_pictures_are(tmp_path: Path) -> None:
    captions = tmp_path / "meta.json"
    captions.write_text(json.dumps({f"{tmp_path}/{name}": {"caption": "x"} for name in ("b/1.png", "a/2.png", "a/3")}))

    config = read(tmp_path, f"[[datasets]]\n[[datasets.subsets]]\nmetadata_file = '{captions}'\nflip_aug = true")
    beside = read_in_json(str(captions), str(tmp_path / "c"), {"num_repeats": 3, "batch_size": 2})

    assert [folder.directory for folder in config.folders] == [str(tmp_path / "a"), str(tmp_path / "b")]
    assert all(folder.flip and folder.metadata_file == str(captions) for folder in config.folders)
    assert [(folder.directory, folder.num_repeats) for folder in beside.folders] == [(str(tmp_path / "c"), 3)]
    assert beside.batch_size == 2
    captions.write_text('{"a.png": {"caption": "x"}}')
    with pytest.raises(BadConfiguration, match=r"image_dir is missing, and .* does not have the pictures' whole paths"):
        read_in_json(str(captions), None, {})
