"""What A1111's train/embedding can be asked, and the training that it becomes here."""

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ti_studio.embeddings.library.library import Entry
from ti_studio.field_types import Side
from ti_studio.path_fields import CheckpointPath, MainDatasetPath, NewName, TemplatePath
from ti_studio.web.sdapi.errors import NotPossibleHere
from ti_studio.web.sdapi.nulls import without_nulls

_EXAMPLE: dict[str, Any] = {
    "embedding_name": "trizebra",
    "data_root": "examples/trizebra",
    "init_text": "triangle",
    "steps": 300,
}
_UNHEEDED = {
    "log_directory": "snapshots and previews are kept in the training's folder",
    "preview_steps": "previews have steps of their own",
    "preview_sampler_name": "previews have a sampler of their own",
    "preview_cfg_scale": "previews have a scale of their own",
    "preview_width": "previews have the training's size",
    "preview_height": "previews have the training's size",
}
_PREVIEWS = {
    "preview_prompt": "preview_prompts",
    "preview_negative_prompt": "preview_negative_prompt",
    "preview_seed": "preview_seed",
}
_SAME = {
    "learn_rate": "learning_rate",
    "batch_size": "batch_size",
    "gradient_step": "gradient_accumulation_steps",
    "data_root": "dataset_directory",
    "training_width": "width",
    "training_height": "height",
    "steps": "max_steps",
    "latent_sampling_method": "latent_sampling",
    "shuffle_tags": "shuffle_caption",
    "tag_drop_out": "caption_tag_dropout_rate",
    "use_weight": "alpha_mask",
    "create_image_every": "preview_every",
    "save_embedding_every": "save_every",
    "template_filename": "template",
    "checkpoint": "checkpoint",
}
"""A1111's names of a `TrainRequest`'s fields."""


class TrainBody(BaseModel):
    """A1111's body of train/embedding. A1111 wants every field; here what is left out is as in a training of the
    studio, and null is as good as left out."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True, json_schema_extra={"examples": [_EXAMPLE]})

    embedding_name: NewName
    """The word. An embedding of this name is trained on; if there is none, a new one begins."""
    data_root: MainDatasetPath
    """The folder of pictures."""
    init_text: str = "*"
    """What a new embedding begins as. (Not in A1111, which wants the embedding made before.)"""
    num_vectors_per_token: int = Field(default=1, ge=1, le=75)
    """Vectors of a new embedding. (Not in A1111.)"""
    checkpoint: CheckpointPath | None = None
    """The checkpoint to train on; the chosen one where it is left out. (Not in A1111.)"""
    learn_rate: str | float | None = None
    """A rate, or A1111's `rate:step` pairs."""
    batch_size: int | None = None
    gradient_step: int | None = None
    steps: int | None = None
    """Steps to make, whatever the embedding has behind it."""
    training_width: Side | None = None
    training_height: Side | None = None
    varsize: bool = False
    """Pictures keep their shape and near their size: buckets without enlarging."""
    clip_grad_mode: Literal["disabled", "norm", "value"] = "disabled"
    clip_grad_value: str | float = "0.1"
    """One number: the norm, or the largest value."""
    shuffle_tags: bool | None = None
    tag_drop_out: float | None = None
    latent_sampling_method: Literal["once", "deterministic", "random"] | None = None
    use_weight: bool | None = None
    """Learn only from where pictures are opaque."""
    create_image_every: int | None = None
    save_embedding_every: int | None = None
    template_filename: TemplatePath | None = None
    save_image_with_stored_embedding: bool = False
    """Snapshots are files of their own whatever is said here."""
    preview_from_txt2img: bool = False
    """Whether the `preview_` fields hold."""
    preview_prompt: str | None = None
    preview_negative_prompt: str | None = None
    preview_seed: int | None = Field(default=None, ge=-1, lt=2**32)
    preview_steps: int | None = None
    preview_sampler_name: str | None = None
    preview_cfg_scale: float | None = None
    preview_width: int | None = None
    preview_height: int | None = None
    log_directory: str | None = None
    """Not heeded: each training has a folder of its own."""
    id_task: str | None = None
    """Not heeded."""

    @model_validator(mode="before")
    @classmethod
    def _null_is_left_out(cls, values: Any) -> Any:
        return without_nulls(values)

    def values(self, present: Entry | None) -> dict[str, Any]:
        """Returns a `TrainRequest`'s values.

        Args:
            present: the embedding of this name, if there is one: it is trained on.

        Raises:
            NotPossibleHere: it asks for what would be another training here.
        """
        values: dict[str, Any] = {"name": self.embedding_name, "max_grad_norm": 0.0}
        if self.clip_grad_mode != "disabled":
            values["max_grad_norm" if self.clip_grad_mode == "norm" else "max_grad_value"] = self._most_gradient()
        given = {here: getattr(self, there) for there, here in _SAME.items()}
        values |= {name: value for name, value in given.items() if value is not None}
        values["learning_rate"] = str(values.get("learning_rate", "0.005"))
        if self.varsize:
            values |= {"enable_bucket": True, "bucket_no_upscale": True}
        if self.preview_from_txt2img:
            values |= self._previews()
        if present is None:
            return {
                **values,
                "initialization_text": self.init_text,
                "vectors_per_token": self.num_vectors_per_token,
            }
        return {
            **values,
            "name": present.word,
            "initialization_file": str(present.path),
            "vectors_per_token": present.vectors_per_token,
            "overwrite": True,
        }

    def notices(self) -> Iterator[str]:
        """Yields a sentence for everything that was asked for and makes no difference."""
        for name, why in _UNHEEDED.items():
            if getattr(self, name) is not None:
                yield f"{name} was not heeded: {why}."

    def _previews(self) -> dict[str, Any]:
        given = {here: getattr(self, there) for there, here in _PREVIEWS.items()}
        if given["preview_seed"] == -1:
            del given["preview_seed"]
        return {name: value for name, value in given.items() if value not in (None, "")}

    def _most_gradient(self) -> float:
        try:
            return float(self.clip_grad_value)
        except ValueError as error:
            raise NotPossibleHere(
                f"clip_grad_value {self.clip_grad_value!r} is no number; schedules of it are not here."
            ) from error
