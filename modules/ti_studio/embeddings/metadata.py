"""What the header of an embedding says about where it comes from, in our words and in the field's (`modelspec.*`).

Names after sai_model_spec 1.0.1, https://github.com/Stability-AI/ModelSpec. Everything is a string: a second tensor key
would make A1111 and diffusers refuse the file.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

FAMILY = "ti_studio.family"
TRIGGER = "ti_studio.trigger"
VECTORS = "ti_studio.vectors"
STEP = "ti_studio.step"
CHECKPOINT = "ti_studio.checkpoint"
CHECKPOINT_SHA256 = "ti_studio.checkpoint_sha256"
INITIALIZATION_TEXT = "ti_studio.initialization_text"
REQUEST = "ti_studio.request"
DATASET = "ti_studio.dataset"
VERSIONS = "ti_studio.versions"

SPECIFICATION = "modelspec.sai_model_spec"
"""The key by which a header says that it follows ModelSpec, and which version of it."""
HASH = "modelspec.hash_sha256"
"""`0x` and the SHA-256 of what comes after the header. Whoever writes the file knows it."""

SHORT = (
    TRIGGER,
    CHECKPOINT,
    CHECKPOINT_SHA256,
    INITIALIZATION_TEXT,
    "sd_checkpoint",
    "sd_checkpoint_name",
    "modelspec.title",
    "modelspec.author",
    "modelspec.date",
    "modelspec.resolution",
)
"""What is kept of every file's metadata while the studio runs; the rest can be long."""

_ARCHITECTURES = {
    ("SD 1", "epsilon"): "stable-diffusion-v1",
    ("SD 1", "v"): "stable-diffusion-v1",
    ("SD 2", "epsilon"): "stable-diffusion-v2-512",
    ("SD 2", "v"): "stable-diffusion-v2-768-v",
    ("SDXL", "epsilon"): "stable-diffusion-xl-v1-base",
    ("SDXL", "v"): "stable-diffusion-xl-v1-base",
}


@dataclass(frozen=True)
class Provenance:
    """How an embedding came about."""

    trigger: str
    """The word that prompts use."""
    family: str
    """"SD 1", "SD 2" or "SDXL"."""
    vectors_per_token: int
    step: int
    """Optimiser steps done."""
    checkpoint: str
    """Title of the checkpoint that it was trained on."""
    resolution: tuple[int, int]
    """Width and height that it was trained at, in pixels."""
    date: datetime
    checkpoint_sha256: str | None = None
    initialization_text: str = ""
    prediction_type: str = "epsilon"
    """What the checkpoint predicts: "epsilon" or "v"."""
    clip_skip: int | None = None
    """Which of the text encoder's layers was taken, 1 for the last; None where the family leaves no choice."""
    request: str = "{}"
    """The TrainRequest, as JSON; the thumbnail is not in it a second time."""
    dataset: Mapping[str, object] = field(default_factory=dict)
    """A summary of the pictures; what JSON can hold."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Versions of the studio and the libraries that trained it."""
    said: Mapping[str, str] = field(default_factory=dict)
    """What its maker says of it, by `modelspec`'s names: `title`, `author`, `usage_hint`, `thumbnail` …"""


def header_metadata(provenance: Provenance) -> dict[str, str]:
    """Returns the header's strings; what is unknown has no entry."""
    architecture = _ARCHITECTURES.get((provenance.family, provenance.prediction_type))
    width, height = provenance.resolution
    known = {
        FAMILY: provenance.family,
        TRIGGER: provenance.trigger,
        VECTORS: str(provenance.vectors_per_token),
        STEP: str(provenance.step),
        CHECKPOINT: provenance.checkpoint,
        CHECKPOINT_SHA256: provenance.checkpoint_sha256,
        INITIALIZATION_TEXT: provenance.initialization_text,
        REQUEST: provenance.request,
        DATASET: _json(provenance.dataset),
        VERSIONS: _json(provenance.versions),
        SPECIFICATION: "1.0.1",
        "modelspec.architecture": f"{architecture}/textual-inversion" if architecture else None,
        "modelspec.implementation": "https://github.com/Stability-AI/generative-models",
        "modelspec.title": provenance.trigger,
        "modelspec.trigger_phrase": provenance.trigger,
        "modelspec.date": provenance.date.isoformat(timespec="seconds"),
        "modelspec.prediction_type": provenance.prediction_type,
        "modelspec.encoder_layer": None if provenance.clip_skip is None else str(provenance.clip_skip),
        "modelspec.resolution": f"{width}x{height}",
    }
    known |= {f"modelspec.{name}": text for name, text in provenance.said.items() if text}
    return {name: value for name, value in known.items() if value is not None}


def _json(value: Mapping[str, object]) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
