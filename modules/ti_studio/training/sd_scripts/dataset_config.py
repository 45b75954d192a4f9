"""sd-scripts' dataset configuration (`[general]`, `[[datasets]]`, `[[datasets.subsets]]`) as folders."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ti_studio.errors import NotFound
from ti_studio.training.config.dataset import DatasetFolder
from ti_studio.training.data.caption_metadata import folders_in
from ti_studio.training.sd_scripts.options import BadConfiguration
from ti_studio.training.sd_scripts.toml_files import read_toml

SUBSET_KEYS: Mapping[str, str] = {
    "num_repeats": "num_repeats",
    "shuffle_caption": "shuffle_caption",
    "caption_separator": "caption_separator",
    "keep_tokens": "keep_tokens",
    "keep_tokens_separator": "keep_tokens_separator",
    "secondary_separator": "secondary_separator",
    "enable_wildcard": "enable_wildcard",
    "caption_prefix": "caption_prefix",
    "caption_suffix": "caption_suffix",
    "caption_dropout_rate": "caption_dropout_rate",
    "caption_tag_dropout_rate": "caption_tag_dropout_rate",
    "caption_extension": "caption_extension",
    "color_aug": "color_aug",
    "flip_aug": "flip",
    "random_crop": "random_crop",
    "class_tokens": "class_tokens",
    "alpha_mask": "alpha_mask",
    "conditioning_data_dir": "mask_directory",
    "token_warmup_min": "token_warmup_min",
    "token_warmup_step": "token_warmup_step",
    "resize_interpolation": "resize_interpolation",
}
"""Keys that every section may have, and the folder's field that each one is."""

OWN_SUBSET_KEYS: Mapping[str, str] = {
    "image_dir": "directory",
    "is_reg": "is_reg",
    "word": "word",
    "metadata_file": "metadata_file",
}
"""Keys of a subset alone."""

DATASET_KEYS: Mapping[str, str] = {
    "enable_bucket": "enable_bucket",
    "min_bucket_reso": "min_bucket_reso",
    "max_bucket_reso": "max_bucket_reso",
    "bucket_reso_steps": "bucket_reso_steps",
    "bucket_no_upscale": "bucket_no_upscale",
    "prior_loss_weight": "prior_loss_weight",
}
"""Keys that [general] and [[datasets]] may have."""

_SPECIAL = ("batch_size", "resolution")

_WITHOUT_EFFECT: Mapping[str, str] = {
    "caption_dropout_every_n_epochs": "use caption_dropout_rate",
    "cache_info": "pictures are looked at before every training",
    "face_crop_aug_range": "use random_crop",
    "custom_attributes": "nothing reads them",
    "network_multiplier": "there is no network",
    "validation_seed": "nothing is held out",
    "validation_split": "nothing is held out",
}

CAPTION_ENDINGS = (".caption", ".txt")
"""Where no ending is said: sd-scripts' default, and the one that everybody uses."""

_REPEATED = re.compile(r"(\d+)(?:_(.*))?", re.DOTALL)


@dataclass(frozen=True)
class DatasetConfig:
    """What a dataset configuration or a folder of `N_name` folders says."""

    folders: tuple[DatasetFolder, ...]
    batch_size: int | None = None
    notices: tuple[str, ...] = ()


def read_dataset_config(path: Path, defaults: Mapping[str, Any]) -> DatasetConfig:
    """Reads a dataset configuration.

    Args:
        path: the TOML file; folders in it are relative to the folder that the command runs in, as in sd-scripts.
        defaults: what the command line says, by sd-scripts' key; the file goes before it.

    Raises:
        NotFound: there is no such file.
        BadConfiguration: it is no TOML, or has a key that is unknown, misplaced or of a wrong value; says where.
    """
    content = read_toml(path)
    general = _section(content.pop("general", {}), f"{path}, [general]", {*SUBSET_KEYS, *DATASET_KEYS, *_SPECIAL})
    datasets = content.pop("datasets", [])
    if content:
        raise BadConfiguration(f"{path}: {_listed(content)} is unknown; expected [general] and [[datasets]].")
    folders: list[DatasetFolder] = []
    batch_sizes: list[int] = []
    said = [general]
    for number, dataset in enumerate(_tables(datasets, f"{path}, [[datasets]]"), 1):
        place = f"{path}, [[datasets]] {number}"
        subsets = _tables(dataset.pop("subsets", []), f"{place}, [[datasets.subsets]]")
        own = _section(dataset, place, {*SUBSET_KEYS, *DATASET_KEYS, *_SPECIAL})
        above = {**defaults, **general, **own}
        if "batch_size" in above:
            batch_sizes.append(above["batch_size"])
        for index, table in enumerate(subsets, 1):
            place_of = f"{place}, [[datasets.subsets]] {index}"
            subset = _section(table, place_of, {*SUBSET_KEYS, *OWN_SUBSET_KEYS})
            said += [own, subset]
            folders += _folders({**above, **subset}, place_of)
    if not folders:
        raise BadConfiguration(f"{path} names no folder; expected image_dir in [[datasets.subsets]].")
    notices = [f"{path}: {key} does nothing here ({why})." for key, why in _unused(said)]
    if len(set(batch_sizes)) > 1:
        notices.append(
            f"{path}: batch_size differs between the datasets; the first, {batch_sizes[0]}, is used for all."
        )
    return DatasetConfig(tuple(folders), batch_sizes[0] if batch_sizes else None, tuple(notices))


def read_train_data_dir(train: Path, regular: Path | None, defaults: Mapping[str, Any]) -> DatasetConfig:
    """Finds the folders `N_name` below a folder: N repeats, and captions `name` for pictures that have none.

    Raises:
        NotFound: there is no such folder.
        BadConfiguration: it holds neither such folders nor pictures.
    """
    notices: list[str] = []
    folders = [*_repeated(train, False, defaults, notices)]
    if regular is not None:
        folders += _repeated(regular, True, defaults, notices)
    if all(folder.is_reg for folder in folders):
        notices.append(f"{train} has no folder named like 10_name in it; the pictures in itself are used, once each.")
        folders.append(_folder({**defaults, "image_dir": str(train)}, str(train)))
    return DatasetConfig(tuple(folders), defaults.get("batch_size"), tuple(notices))


def _repeated(parent: Path, is_reg: bool, defaults: Mapping[str, Any], notices: list[str]) -> list[DatasetFolder]:
    if not parent.is_dir():
        raise NotFound(f"There is no folder {parent}; expected one with folders of pictures named like 10_name in it.")
    folders = []
    for child in sorted(path for path in parent.iterdir() if path.is_dir()):
        match = _REPEATED.fullmatch(child.name)
        if match is None or int(match.group(1)) < 1:
            notices.append(f"{child} is left out: its name does not begin with a number of repeats, as 10_name does.")
            continue
        repeats = int(match.group(1))
        own = {"image_dir": str(child), "num_repeats": repeats, "class_tokens": match.group(2), "is_reg": is_reg}
        folders.append(_folder({**defaults, **own}, str(child)))
    return folders


def _tables(value: object, place: str) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(table, dict) for table in value):
        raise BadConfiguration(f"{place}: found {value!r}; expected tables in double brackets.")
    return [dict(table) for table in value]


def _section(table: object, place: str, allowed: set[str]) -> dict[str, Any]:
    """Returns a section whose keys are all known."""
    if not isinstance(table, dict):
        raise BadConfiguration(f"{place}: found {table!r}; expected a table.")
    unknown = {key: value for key, value in table.items() if key not in allowed and key not in _WITHOUT_EFFECT}
    for key in unknown:
        for keys, home in ((OWN_SUBSET_KEYS, "[[datasets.subsets]]"), ((*DATASET_KEYS, *_SPECIAL), "[[datasets]]")):
            if key in keys:
                raise BadConfiguration(f"{place}: {key} belongs into {home}.")
    if unknown:
        raise BadConfiguration(f"{place}: {_listed(unknown)} is unknown; expected one of {', '.join(sorted(allowed))}.")
    return table


def _unused(sections: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    keys = dict.fromkeys(key for section in sections for key in section if key in _WITHOUT_EFFECT)
    return [(key, _WITHOUT_EFFECT[key]) for key in keys]


def read_in_json(path: str, train: str | None, defaults: Mapping[str, Any]) -> DatasetConfig:
    """Returns the folder, or those that the file itself names, of pictures whose captions are in a JSON file.

    Raises:
        NotFound: there is no such file.
        StudioError: it is no such file, or names no folder.
    """
    own = {"metadata_file": path} if train is None else {"metadata_file": path, "image_dir": train}
    return DatasetConfig(tuple(_folders({**defaults, **own}, path)), defaults.get("batch_size"))


def _folders(said: Mapping[str, Any], place: str) -> list[DatasetFolder]:
    """Returns a subset's folder, or where it names none those of the pictures in its `metadata_file`."""
    if "image_dir" in said or "metadata_file" not in said:
        return [_folder(said, place)]
    folders = folders_in(Path(str(said["metadata_file"])).expanduser())
    if not folders:
        raise BadConfiguration(
            f"{place}: image_dir is missing, and {said['metadata_file']} does not have the pictures' whole paths; "
            "expected one of the two."
        )
    return [_folder({**said, "image_dir": str(folder)}, place) for folder in folders]


def _folder(said: Mapping[str, Any], place: str) -> DatasetFolder:
    names = {**SUBSET_KEYS, **OWN_SUBSET_KEYS, **DATASET_KEYS}
    options = {names[key]: value for key, value in said.items() if key in names and value is not None}
    if "directory" not in options:
        raise BadConfiguration(f"{place}: image_dir is missing; expected the folder of the pictures.")
    for name in ("directory", "mask_directory", "metadata_file"):
        if options.get(name):
            options[name] = str(Path(options[name]).expanduser().resolve())
    options["caption_extension"] = options.get("caption_extension") or _caption_ending(Path(options["directory"]))
    options["width"], options["height"] = read_resolution(said.get("resolution"), place)
    try:
        return DatasetFolder(**options)
    except ValidationError as error:
        keys = {field: key for key, field in names.items()}
        problems = "; ".join(
            f"{keys.get(str(problem['loc'][0]), problem['loc'][0]) if problem['loc'] else 'buckets'}: "
            f"{problem['msg']} (found {problem['input']!r})"
            for problem in error.errors()
        )
        raise BadConfiguration(f"{place}: {problems}.") from error


def read_resolution(value: object, place: str) -> tuple[int | None, int | None]:
    """Returns width and height of `512`, `"512,768"` or `[512, 768]`; None for each where nothing is said.

    Raises:
        BadConfiguration: it is none of these.
    """
    if value is None:
        return None, None
    parts: list[Any] = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else [value]
    try:
        sides = [int(part) for part in parts]
    except (TypeError, ValueError):
        sides = []
    if len(sides) not in (1, 2):
        raise BadConfiguration(f"{place}: resolution is {value!r}; expected 512, or 512,768 for width and height.")
    return sides[0], sides[-1]


def _caption_ending(folder: Path) -> str:
    for ending in CAPTION_ENDINGS:
        if folder.is_dir() and any(folder.glob(f"*{ending}")):
            return ending
    return CAPTION_ENDINGS[-1]


def _listed(keys: Iterable[str]) -> str:
    return ", ".join(keys)
