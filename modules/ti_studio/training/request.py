"""Everything that describes a training. The page, REST, the command line and the job folder all carry this one
model."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from ti_studio.training.learning_rate import LearningRateSchedule
from ti_studio.training.options import LearningOptions

Side = Annotated[int, Field(ge=32, le=2048, multiple_of=8)]


class TrainRequest(LearningOptions):
    """One training of one embedding, with A1111's field names where A1111 has the field; the options of how it learns
    are in `options.py`."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    name: str
    """The word to teach. It becomes the file's name in `embeddings/`, and that name is what prompts use."""

    initialization_text: str = "*"
    """What the word means before the first step: the class of thing it is, such as `dog` or `oil painting`."""

    vectors_per_token: int = Field(default=2, ge=1, le=75)
    """Rows of the embedding, and prompt positions the word takes. More rows learn more, and leave less room and less
    say for the rest of the prompt. 1 to 4 is usual; 75 fill a whole chunk."""

    overwrite: bool = False
    """Replace an embedding of this name. Without it a taken name is refused, and nothing changes."""

    dataset_directory: str
    """The folder of pictures. A `.txt` file beside a picture is its caption; else its file name is."""

    template: str = "subject_filewords.txt"
    """Prompt templates, one a line, with `[name]` and `[filewords]`: a file in `textual_inversion_templates/`, or a
    path."""

    learning_rate: str = "0.005"
    """A1111's schedule: a rate, or `rate:step` pairs such as `0.005:100, 1e-3:1000, 1e-5`; the last rate holds to the
    end. Rates below about 1e-4 hardly move a vector; above about 0.02 they break it."""

    batch_size: int = Field(default=4, ge=1, le=64)
    """Pictures a step looks at together. More give a calmer gradient, and take that much more memory and time."""

    gradient_accumulation_steps: int = Field(default=1, ge=1, le=256)
    """Batches whose gradients are summed into one step: a larger batch at the memory of a small one."""

    max_steps: int = Field(default=500, ge=1, le=1_000_000)
    """Optimizer steps until the training is finished."""

    width: Side | None = None
    """Pixels; None is the checkpoint's own size (512 for SD 1). Pictures are resized and cropped to it, never
    squashed."""

    height: Side | None = None
    """Pixels; None is the checkpoint's own size."""

    flip: bool = False
    """Also learn from mirrored pictures. Not for faces with a parting, letters, or anything else that has a side."""

    save_every: int = Field(default=100, ge=0)
    """Steps between snapshots of the embedding, kept in the job's folder; 0 keeps none but the final file."""

    preview_every: int = Field(default=100, ge=0)
    """Steps between preview pictures; 0 makes none."""

    preview_prompt: str = "a photo of [name]"
    """What previews show; `[name]` stands for the word. The seeds are the same each time, so that pictures compare."""

    preview_count: int = Field(default=2, ge=1, le=16)
    """Preview pictures each time."""

    seed: int = Field(default=0, ge=0, lt=2**63)
    """Everything random follows from it: the same request with the same seed gives the same embedding on the same
    machine."""

    checkpoint: str | None = None
    """The checkpoint's title or path; None is the first one found, which is the demo checkpoint on a fresh
    installation."""

    save_as: Literal["safetensors", "pt"] = "safetensors"
    """`safetensors` loads everywhere and carries all metadata; `pt` is A1111's older layout."""

    @field_validator("learning_rate")
    @classmethod
    def _schedule_is_valid(cls, text: str) -> str:
        LearningRateSchedule.parse(text)
        return text

    @model_validator(mode="after")
    def _one_rate_for_a_named_scheduler(self) -> "TrainRequest":
        if self.lr_scheduler != "schedule" and len(LearningRateSchedule.parse(self.learning_rate).segments) > 1:
            raise ValueError(
                f"The learning rate {self.learning_rate!r} has steps of its own; expected one rate with the scheduler "
                f"{self.lr_scheduler!r}."
            )
        return self

    @property
    def file_name(self) -> str:
        """Returns the name of the finished file in `embeddings/`."""
        return f"{self.name}.{self.save_as}"
