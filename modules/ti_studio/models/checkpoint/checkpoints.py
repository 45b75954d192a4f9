"""Which checkpoints there are, and what each is, found out from configurations and headers alone. Imports no torch."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from ti_studio.errors import NotFound
from ti_studio.folders import OutsideFolder, expanded, inside, repository_root, resolved
from ti_studio.models.checkpoint.diffusers_folders import INDEX, summarize_folder
from ti_studio.models.checkpoint.header_summary import CheckpointSummary, UnknownCheckpoint
from ti_studio.models.checkpoint.headers import BrokenFile
from ti_studio.models.checkpoint.single_files import summarize_file
from ti_studio.models.families import Family

__all__ = [
    "BrokenFile",
    "CheckpointInfo",
    "NoCheckpoint",
    "UnknownCheckpoint",
    "find_candidates",
    "find_candidates_or_demo",
    "find_checkpoint",
    "identify",
    "list_checkpoints",
    "shipped_checkpoints",
]

SINGLE_FILE_ENDINGS = (".safetensors", ".ckpt")
_READ_BYTES = 1 << 20


class NoCheckpoint(NotFound):
    """No checkpoint of this name, or none at all."""


@dataclass(frozen=True)
class CheckpointInfo:
    """A checkpoint that can be loaded."""

    title: str
    """Its path inside the checkpoint folder, which is how the page and requests name it."""
    path: Path
    summary: CheckpointSummary

    @property
    def family(self) -> Family:
        """Which checkpoints' embeddings it takes."""
        return self.summary.family

    @property
    def widths(self) -> Mapping[str, int]:
        """Columns of each text encoder's token embeddings: `{"clip_l": 768}`."""
        return self.summary.widths

    @property
    def default_size(self) -> int:
        """Width and height in pixels of the pictures it was trained on."""
        return self.summary.default_size

    @property
    def prediction_type(self) -> str:
        """`epsilon` or `v_prediction`."""
        return self.summary.prediction_type

    def predicting(self, prediction_type: str) -> "CheckpointInfo":
        """Returns the checkpoint taken for one that predicts this; `auto` leaves it as it was found out to be."""
        if prediction_type == "auto":
            return self
        return replace(self, summary=replace(self.summary, prediction_type=prediction_type, notes=()))

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 of the weights: over all of them, one part after the other."""
        digest = hashlib.sha256()
        for weights in self.summary.weights:
            with weights.open("rb") as file:
                while block := file.read(_READ_BYTES):
                    digest.update(block)
        return digest.hexdigest()


def find_candidates(folder: Path) -> Iterator[Path]:
    """Yields what looks like a checkpoint in a folder, recursively: diffusers folders and single files."""
    if (folder / INDEX).is_file():
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
    return list(find_candidates(folder)) or shipped_checkpoints()


def shipped_checkpoints() -> list[Path]:
    """Returns what comes with the studio: the demo checkpoint."""
    return [path.resolve() for path in find_candidates(repository_root() / "models" / "Stable-diffusion")]


def list_checkpoints(folder: Path) -> tuple[list[CheckpointInfo], list[str]]:
    """Returns the checkpoints in a folder, and for each file or folder that can't be loaded the reason."""
    checkpoints, reasons = [], []
    for path in find_candidates_or_demo(folder):
        try:
            checkpoints.append(identify(path, root=folder))
        except (UnknownCheckpoint, BrokenFile) as error:
            reasons.append(str(error))
    return checkpoints, reasons


def find_checkpoint(folder: Path, requested: str | None, *, anywhere: bool = True) -> CheckpointInfo:
    """Returns the checkpoint of this title, file name or path; None is the first one in the folder, or the demo.

    Args:
        folder: where checkpoints are kept.
        requested: which one.
        anywhere: whether a path may lead out of the folder; if not, nothing is said of what lies there.

    Raises:
        NoCheckpoint: there is none; the message lists those there are.
        UnknownCheckpoint, BrokenFile: it is there, but can't be loaded.
    """
    folder = resolved(folder)
    if requested is None:
        checkpoints, reasons = list_checkpoints(folder)
        if checkpoints:
            return checkpoints[0]
        hint = f"Put a .safetensors file or a diffusers folder into {folder}, or name one with --ckpt."
        raise NoCheckpoint(" ".join([f"There is no checkpoint that can be loaded in {folder}.", *reasons, hint]))
    for path in _meant(requested, folder) if anywhere else _meant_inside(requested, folder):
        if path.exists():
            return identify(path, root=folder)
    titles = {_title(path, folder): path for path in find_candidates_or_demo(folder)}
    by_name = [path for title, path in titles.items() if requested in (title, path.name, path.stem)]
    if len(by_name) == 1:
        return identify(by_name[0], root=folder)
    raise NoCheckpoint(f"There is no checkpoint {requested!r}. In {folder} there are: {', '.join(titles) or 'none'}.")


def _meant(requested: str, folder: Path) -> list[Path]:
    return [resolved(folder / expanded(requested)), resolved(expanded(requested))]


def _meant_inside(requested: str, folder: Path) -> list[Path]:
    try:
        return [inside(folder, requested)]
    except OutsideFolder:
        return []


def identify(path: Path, root: Path | None = None) -> CheckpointInfo:
    """Finds out what a checkpoint is, without loading a tensor.

    Raises:
        UnknownCheckpoint: it is nothing that can be loaded.
        BrokenFile: a weights file is truncated or damaged.
    """
    if not path.exists():
        raise NoCheckpoint(f"There is no checkpoint at {path}.")
    if path.is_dir():
        return CheckpointInfo(_title(path, root), path, summarize_folder(path))
    if path.suffix.lower() not in SINGLE_FILE_ENDINGS:
        raise UnknownCheckpoint(
            f"{path} is no checkpoint; expected a {' or '.join(SINGLE_FILE_ENDINGS)} file, or a diffusers folder with "
            f"{INDEX} in it."
        )
    return CheckpointInfo(_title(path, root), path, summarize_file(path))


def _title(path: Path, root: Path | None) -> str:
    if root is not None and path != root and path.is_relative_to(root):
        return path.relative_to(root).as_posix()
    return path.name
