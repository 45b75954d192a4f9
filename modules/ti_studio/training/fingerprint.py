"""What a training was begun with, kept in its state: at a resume, it tells what has changed since."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ti_studio.errors import Conflict
from ti_studio.models.checkpoint.checkpoints import CheckpointInfo
from ti_studio.training.config.request import TrainRequest
from ti_studio.training.data.dataset import Dataset, Sample

MOST_BYTES = 400_000
"""Digests of single pictures are kept if they take no more than this (some thousand pictures): the state is written
every few seconds."""

_NAMED = 5
"""Files that a warning names."""

_SHOWN_CHARACTERS = 60

_READ_BYTES = 1 << 20

_CHANGES_NO_STEP = frozenset(
    {
        "max_steps",
        "save_every",
        "save_as",
        "metadata",
        "overwrite",
        "dataset_directory",
        "checkpoint",
        "vae_batch_size",
        "cache_latents_to_disk",
        "gradient_checkpointing",
        "validation_every",
        "validation_count",
        "keep_best",
        "patience",
        "early_stopping",
        "variance_share",
    }
)
"""Fields of a request that may be others after a resume without changing what a step does. Pictures and checkpoint are
compared by their content."""


class OtherCheckpoint(Conflict):
    """A training was begun on another checkpoint than it is to go on with."""


@dataclass(frozen=True)
class Fingerprint:
    """The pictures, the checkpoint and the options of a training."""

    fingerprint: str
    """SHA-256 over the pictures' contents and their captions."""
    pictures: Mapping[str, str]
    """For each file's name short digests of the picture and of its caption, `<picture>-<caption>`."""
    title: str
    """The checkpoint's."""
    sha256: str
    """The checkpoint's."""
    request: TrainRequest
    vae: str = ""
    """SHA-256 of the VAE that takes the place of the checkpoint's; empty if none does."""

    @classmethod
    def of(cls, dataset: Dataset, checkpoint: CheckpointInfo, request: TrainRequest) -> "Fingerprint":
        """Reads every picture once."""
        whole = hashlib.sha256()
        pictures: dict[str, str] = {}
        several = len(dataset.folders) > 1
        for sample in dataset.samples:
            content = hashlib.sha256(sample.path.read_bytes()).digest()
            whole.update(content)
            whole.update(sample.caption.encode())
            caption = hashlib.sha256(sample.caption.encode()).hexdigest()
            name = f"{sample.path.parent.name}/{sample.path.name}" if several else sample.path.name
            pictures[_unused(name, pictures)] = f"{_with_mask(content, sample)[:12]}-{caption[:12]}"
        vae = _digest(Path(request.vae)) if request.vae else ""
        return cls(whole.hexdigest(), pictures, checkpoint.title, checkpoint.sha256, request, vae)

    def notes(self) -> dict[str, str]:
        """Returns what of it is kept in a state."""
        pictures = json.dumps(self.pictures, ensure_ascii=False)
        return {
            "dataset": self.fingerprint,
            "pictures": pictures if len(pictures.encode()) <= MOST_BYTES else "",
            "checkpoint": json.dumps({"title": self.title, "sha256": self.sha256}),
            "request": self.request.model_dump_json(exclude={"metadata_thumbnail"}),
            "vae": self.vae,
        }

    def changes_since(self, notes: Mapping[str, str]) -> Iterator[str]:
        """Says in a sentence each what has changed since the notes of a state were made.

        Raises:
            OtherCheckpoint: the checkpoint has.
        """
        self._check_checkpoint(_object(notes.get("checkpoint")))
        before = _object(notes.get("pictures"))
        if notes.get("dataset", self.fingerprint) != self.fingerprint or (before and before != self.pictures):
            changes = "; ".join(self._changed_pictures(before)) if before else f"there are {len(self.pictures)} now"
            yield (
                f"The pictures or captions have changed since the training was stopped: {changes or 'their order'}. "
                "The word will not be that of an uninterrupted training."
            )
        options = _object(notes.get("request"))
        if options.get("vae") == self.request.vae and notes.get("vae", self.vae) != self.vae:
            yield (
                f"The VAE {self.request.vae} is another one than when the training was stopped. The word will not be "
                "that of an uninterrupted training."
            )
        changed = "; ".join(self._changed_options(options))
        if changed:
            yield f"The options have changed since the training was stopped: {changed}."

    def _check_checkpoint(self, before: Mapping[str, object]) -> None:
        if before.get("sha256", self.sha256) == self.sha256:
            return
        raise OtherCheckpoint(
            f"The training was begun on the checkpoint {before.get('title')} with SHA-256 "
            f"{str(before['sha256'])[:12]}…, and {self.title} now has {self.sha256[:12]}…. A word that is taught half "
            "by one and half by another fits neither: put the first one back, or begin a new training with this one's "
            "last snapshot as its initialization file."
        )

    def _changed_pictures(self, before: Mapping[str, object]) -> Iterator[str]:
        now = self.pictures
        both = [name for name in now if name in before]
        parts = {name: (str(before[name]).partition("-"), now[name].partition("-")) for name in both}
        other = [name for name, (old, new) in parts.items() if old[0] != new[0]]
        captions = [name for name, (old, new) in parts.items() if old[2] != new[2]]
        yield from _counted("added", [name for name in now if name not in before])
        yield from _counted("removed", [name for name in before if name not in now])
        yield from _counted("changed", other)
        yield from _counted("with another caption", captions)

    def _changed_options(self, before: Mapping[str, object]) -> Iterator[str]:
        now = json.loads(self.request.model_dump_json())
        for name, value in now.items():
            if (
                name in before
                and before[name] != value
                and not (name in _CHANGES_NO_STEP or name.startswith(("preview_", "metadata_")))
            ):
                yield f"{name} was {_shortened(before[name])} and is {_shortened(value)}"


def _counted(what: str, names: list[str]) -> Iterator[str]:
    if names:
        shown = ", ".join(names[:_NAMED])
        yield f"{len(names)} {what} ({shown}{', …' if len(names) > _NAMED else ''})"


def _with_mask(content: bytes, sample: Sample) -> str:
    mask = b"" if sample.mask is None else hashlib.sha256(sample.mask.read_bytes()).digest()
    return hashlib.sha256(content + mask).hexdigest()


def _digest(place: Path) -> str:
    """Returns the digest of a file, or of all files in a folder."""
    digest = hashlib.sha256()
    for path in [place] if place.is_file() else sorted(path for path in place.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            while read := file.read(_READ_BYTES):
                digest.update(read)
    return digest.hexdigest()


def _unused(name: str, taken: Mapping[str, str]) -> str:
    """Returns the name, or the name with a number where folders of one name have files of one name."""
    number, unused = 1, name
    while unused in taken:
        number += 1
        unused = f"{name} ({number})"
    return unused


def _object(text: str | None) -> dict[str, object]:
    """Returns the JSON object of a note; an empty one where a state of an earlier version has none."""
    parsed = json.loads(text) if text else {}
    return parsed if isinstance(parsed, dict) else {}


def _shortened(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
