"""Which checkpoints there are, and what each is, found out from configurations and headers alone. Imports no torch."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ti_studio.errors import NotFound, StudioError
from ti_studio.folders import repository_root
from ti_studio.models.families import SDXL, Family, family_of_pipeline
from ti_studio.models.headers import BrokenFile, read_header

SINGLE_FILE_ENDINGS = (".safetensors", ".ckpt")
_INDEX = "model_index.json"
_READ_BYTES = 1 << 20


class UnknownCheckpoint(StudioError):
    """A file or folder that is no checkpoint the studio can load; the message says what was found."""


class NoCheckpoint(NotFound):
    """No checkpoint of this name, or none at all."""


@dataclass(frozen=True)
class CheckpointInfo:
    """A checkpoint that can be loaded."""

    title: str
    """Its path inside the checkpoint folder, which is how the page and requests name it."""
    path: Path
    family: Family
    widths: Mapping[str, int]
    """Columns of each text encoder's token embeddings: `{"clip_l": 768}`."""
    default_size: int
    """Width and height in pixels of the pictures it was trained on."""
    prediction_type: str
    """`epsilon` or `v_prediction`."""

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 of the weights: over all of them, in the order of their paths."""
        digest = hashlib.sha256()
        for weights in _weights(self.path):
            with weights.open("rb") as file:
                while block := file.read(_READ_BYTES):
                    digest.update(block)
        return digest.hexdigest()


def find_candidates(folder: Path) -> Iterator[Path]:
    """Yields what looks like a checkpoint in a folder, recursively: diffusers folders and single files."""
    if (folder / _INDEX).is_file():
        yield folder
        return
    if not folder.is_dir():
        return
    for entry in sorted(folder.iterdir(), key=lambda path: path.name.lower()):
        if entry.is_dir():
            yield from find_candidates(entry)
        elif entry.suffix.lower() in SINGLE_FILE_ENDINGS:
            yield entry


def find_candidates_or_demo(folder: Path) -> list[Path]:
    """Returns what looks like a checkpoint in a folder; the shipped demo checkpoint when there is nothing in it."""
    return list(find_candidates(folder)) or list(find_candidates(repository_root() / "models" / "Stable-diffusion"))


def list_checkpoints(folder: Path) -> tuple[list[CheckpointInfo], list[str]]:
    """Returns the checkpoints in a folder, and for each file or folder that can't be loaded the reason."""
    found, reasons = [], []
    for path in find_candidates_or_demo(folder):
        try:
            found.append(identify(path, root=folder))
        except (UnknownCheckpoint, BrokenFile) as error:
            reasons.append(str(error))
    return found, reasons


def find_checkpoint(folder: Path, wanted: str | None) -> CheckpointInfo:
    """Returns the checkpoint of this title, file name or path; None is the first one in the folder, or the demo.

    Raises:
        NoCheckpoint: there is none; the message lists those there are.
        UnknownCheckpoint, BrokenFile: it is there, but can't be loaded.
    """
    folder = folder.resolve()
    if wanted is None:
        found, reasons = list_checkpoints(folder)
        if found:
            return found[0]
        hint = f"Put a diffusers folder into {folder}, or name one with --ckpt."
        raise NoCheckpoint(" ".join([f"There is no checkpoint that can be loaded in {folder}.", *reasons, hint]))
    for path in (folder / wanted, Path(wanted).expanduser()):
        if path.exists():
            return identify(path.resolve(), root=folder)
    titles = {_title(path, folder): path for path in find_candidates_or_demo(folder)}
    by_name = [path for path in titles.values() if wanted in (path.name, path.stem)]
    if len(by_name) == 1:
        return identify(by_name[0], root=folder)
    raise NoCheckpoint(f"There is no checkpoint {wanted!r}. In {folder} there are: {', '.join(titles) or 'none'}.")


def identify(path: Path, root: Path | None = None) -> CheckpointInfo:
    """Finds out what a checkpoint is, without loading a tensor.

    Raises:
        UnknownCheckpoint: it is nothing that can be loaded.
        BrokenFile: a weights file is truncated or damaged.
    """
    if not path.exists():
        raise NoCheckpoint(f"There is no checkpoint at {path}.")
    if path.is_file():
        raise _single_file_error(path)
    index = _read_json(path / _INDEX)
    widths: dict[str, int] = {
        name: int(_read_json(path / name / "config.json").get("hidden_size", 0))
        for name in ("text_encoder", "text_encoder_2")
        if name in index
    }
    pipeline = str(index.get("_class_name", "nothing"))
    family = family_of_pipeline(pipeline, widths)
    if family is None or family is SDXL:
        raise UnknownCheckpoint(f"{path} holds a {pipeline}; expected a StableDiffusionPipeline (SD 1 or SD 2).")
    for weights in _weights(path):
        read_header(weights)
    return CheckpointInfo(
        title=_title(path, root),
        path=path,
        family=family,
        widths=dict(zip(family.encoders, widths.values(), strict=True)),
        default_size=_default_size(path),
        prediction_type=str(_read_json(path / "scheduler" / "scheduler_config.json").get("prediction_type", "epsilon")),
    )


def _single_file_error(path: Path) -> StudioError:
    if path.suffix.lower() == ".safetensors":
        names = list(read_header(path).tensors)
        return UnknownCheckpoint(
            f"{path} is a single file of {len(names)} tensors ({', '.join(names[:2])}, …); "
            "expected a diffusers folder, with model_index.json in it."
        )
    return UnknownCheckpoint(f"{path} is no checkpoint that can be loaded; expected a diffusers folder with {_INDEX}.")


def _title(path: Path, root: Path | None) -> str:
    if root is not None and path != root and path.is_relative_to(root):
        return path.relative_to(root).as_posix()
    return path.name


def _weights(path: Path) -> list[Path]:
    """Returns the weight files of a diffusers folder.

    Raises:
        UnknownCheckpoint: a part has none.
    """
    files = []
    for part in ("text_encoder", "unet", "vae"):
        found = sorted((path / part).glob("*.safetensors"))
        if not found:
            raise UnknownCheckpoint(f"{path / part} has no .safetensors file; expected the {part}'s weights there.")
        files += found
    return files


def _default_size(path: Path) -> int:
    factor = 2 ** (len(_read_json(path / "vae" / "config.json").get("block_out_channels", [0] * 4)) - 1)
    return int(_read_json(path / "unet" / "config.json").get("sample_size", 64) * factor)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UnknownCheckpoint(f"{path} is missing; expected a diffusers folder with {path.name} in it.") from error
    except ValueError as error:
        raise UnknownCheckpoint(f"{path} is damaged: it is not JSON ({error}).") from error
    if not isinstance(content, dict):
        raise UnknownCheckpoint(f"{path} is damaged: it holds a {type(content).__name__}, expected an object.")
    return content
