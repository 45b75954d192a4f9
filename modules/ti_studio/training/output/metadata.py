"""What a trained file says about how it was made."""

import importlib.metadata
import platform
from collections.abc import Mapping
from datetime import datetime

from ti_studio import __version__
from ti_studio.embeddings.metadata import Provenance
from ti_studio.models.checkpoint.checkpoints import CheckpointInfo
from ti_studio.prompts.layers import Layer
from ti_studio.training.config.request import SAID, TrainRequest
from ti_studio.training.data.buckets import Size

OF_ONE_WORD = ("title", "trigger_phrase", "thumbnail")
"""What its maker says of the training's first word, and of no other that is taught with it."""
_LIBRARIES = ("torch", "diffusers", "transformers")


def provenance_of(
    request: TrainRequest, checkpoint: CheckpointInfo, dataset: Mapping[str, object], created: float, size: Size
) -> Provenance:
    """Returns everything that is known of a word before its first step.

    Args:
        request: what was asked for.
        checkpoint: what the word is taught.
        dataset: what is to be said of the pictures.
        created: the date that the files carry, Unix seconds.
        size: width and height of the training, pixels.
    """
    return Provenance(
        trigger=request.name,
        family=checkpoint.family.name,
        vectors_per_token=request.vectors_per_token,
        step=0,
        checkpoint=checkpoint.title,
        resolution=size,
        date=datetime.fromtimestamp(created).astimezone(),
        checkpoint_sha256=checkpoint.sha256,
        initialization_text=request.initialization_text,
        prediction_type="v" if checkpoint.prediction_type == "v_prediction" else "epsilon",
        clip_skip=request.clip_skip if checkpoint.family.layer is Layer.BY_CLIP_SKIP else None,
        request=request.model_dump_json(exclude={"metadata_thumbnail"}),
        dataset=dict(dataset),
        versions=_versions(),
        said=_said(request),
    )


def _said(request: TrainRequest) -> dict[str, str]:
    said = {name: getattr(request, f"metadata_{name}") for name in SAID}
    return said | ({"is_negative_embedding": "true"} if request.metadata_is_negative_embedding else {})


def _versions() -> dict[str, str]:
    libraries = {name: importlib.metadata.version(name) for name in _LIBRARIES}
    return {"ti_studio": __version__, "python": platform.python_version(), **libraries}
