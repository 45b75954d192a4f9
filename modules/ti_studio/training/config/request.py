"""Everything that describes a training. The page, REST, the command line and the job folder all carry this one
model."""

from typing import Any, Literal

from pydantic import AliasChoices, Field, field_validator, model_validator

from ti_studio.field_types import Precision, Side
from ti_studio.path_fields import (
    CheckpointPath,
    EmbeddingPath,
    MainDatasetPath,
    NewName,
    PicturePath,
    TemplatePath,
    VaePath,
)
from ti_studio.training.config.concept import Concept
from ti_studio.training.config.dataset import DatasetFolder, DatasetOptions
from ti_studio.training.config.learning_rate import LearningRateSchedule
from ti_studio.training.config.regularization import LearningOptions

MOST_FOLDERS = 1000


SAID = (
    *("title", "author", "description", "license", "tags", "usage_hint"),
    *("thumbnail", "merged_from", "trigger_phrase", "preprocessor"),
)
"""What the maker of a word can say of it, by ModelSpec's names; for each there is a field `metadata_…`."""


class TrainRequest(LearningOptions, DatasetOptions):
    """One training of one embedding, with A1111's field names where A1111 has the field; the options of how it learns
    are in `options.py`, those of the pictures in `dataset_options.py`."""

    name: NewName
    """The word to teach. It becomes the file's name in `embeddings/`, and that name is what prompts use."""

    initialization_text: str = "*"
    """What the word means before the first step: the class of thing it is, such as `dog` or `oil painting`."""

    initialization_file: EmbeddingPath = ""
    """An embedding file to start from instead of the initialization text, by its name in the embeddings folder or its
    path. It must have as many vectors."""

    vectors_per_token: int = Field(default=2, ge=1, le=75)
    """Rows of the embedding, and prompt positions the word takes. More rows learn more, and leave less room and less
    say for the rest of the prompt. 1 to 4 is usual; 75 fill a whole chunk."""

    more_words: tuple[Concept, ...] = Field(default=(), max_length=100)
    """Words to teach together with this one, from the same pictures; each becomes a file of its own. Captions name
    them, or a folder says that its pictures are of one."""

    overwrite: bool = False
    """Replace an embedding of this name. Without it a taken name is refused, and nothing changes."""

    dataset_directory: MainDatasetPath = ""
    """The folder of pictures. A `.txt` file beside a picture is its caption; else its file name is."""

    folders: tuple[DatasetFolder, ...] = Field(default=(), max_length=MOST_FOLDERS)
    """Several folders instead of the one, each with options of its own; what a folder does not say is as in the
    training."""

    captions_are_prompts: bool = False
    """Use no template: each caption is the whole prompt, and must hold the word (as in sd-scripts)."""

    template: TemplatePath = "subject_filewords.txt"
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

    precision: Precision = "auto"
    """What the UNet and the text encoders compute in; the rows, the loss and the VAE are always float32. `auto` is
    `bf16` where the device computes in it (but for small checkpoints on a CPU), else `fp32`. `bf16` takes half the
    memory of `fp32` and less time, and its rounding is less than the noise of a step. `fp16` is for GPUs without
    bfloat16: it may overflow, and a step in which it does is left out."""

    gradient_checkpointing: bool = False
    """Take less memory and about a third more time: the UNet's insides are computed twice a step rather than kept. The
    result is the same."""

    width: Side | None = None
    """Pixels; None is the checkpoint's own size (512 for SD 1). Pictures are resized and cropped to it, never
    squashed."""

    height: Side | None = None
    """Pixels; None is the checkpoint's own size."""

    vae_batch_size: int = Field(default=1, ge=1, le=64)
    """Pictures that are encoded together before the training. More is faster on a GPU and takes more memory."""

    latent_sampling: Literal["random", "deterministic", "once"] = "random"
    """What is taken of the VAE's distribution of a picture: `random` draws anew at every look, which keeps the VAE's
    noise; `deterministic` takes its mean; `once` draws once before the first step, as sd-scripts does. Pictures that
    are varied (`color_aug`, `random_crop`) are drawn anew with `once` too."""

    cache_latents_to_disk: bool = False
    """Keep the encoded pictures on the disk, for the next training with the same pictures and VAE."""

    save_every: int = Field(default=100, ge=0)
    """Steps between snapshots of the embedding, kept in the job's folder; 0 keeps none but the final file."""

    preview_every: int = Field(default=100, ge=0)
    """Steps between preview pictures; 0 makes none."""

    preview_prompts: tuple[str, ...] = Field(
        default=("a photo of [name]",),
        min_length=1,
        max_length=100,
        validation_alias=AliasChoices("preview_prompts", "preview_prompt"),
    )
    """What previews show, one prompt a line; `[name]` stands for the word. The seeds are the same for each prompt and
    each time, so that pictures compare."""

    preview_negative_prompt: str = ""
    """What previews should not show; `[name]` stands for the word. For words that are made for the negative prompt."""

    preview_count: int = Field(default=2, ge=1, le=16)
    """Preview pictures of each prompt."""

    preview_seed: int = Field(default=1, ge=0, lt=2**32)
    """The seed of each prompt's first preview; the next ones count on from it."""

    seed: int = Field(default=0, ge=0, lt=2**63)
    """Everything random follows from it: the same request with the same seed gives the same embedding on the same
    machine."""

    checkpoint: CheckpointPath | None = None
    """The checkpoint's title or path; None is the first one found, which is the demo checkpoint on a fresh
    installation."""

    vae: VaePath = ""
    """Another VAE than the checkpoint's, which encodes the pictures and paints the previews: a file or diffusers folder
    in `models/VAE`, or a path. Empty takes the checkpoint's."""

    clip_skip: int = Field(default=1, ge=1, le=12)
    """Which of the text encoder's layers the UNet listens to: 1 the last, 2 the one before it, as many anime
    checkpoints of SD 1 want it. Previews use the same, and prompts with the word should. SD 2 and SDXL have a layer of
    their own."""

    prediction_type: Literal["auto", "epsilon", "v_prediction"] = "auto"
    """What the checkpoint predicts, where its file does not say so: the noise, or the velocity (SD 2 at 768 pixels,
    some SDXL checkpoints). Wrong, it makes noise of every picture."""

    save_as: Literal["safetensors", "pt"] = "safetensors"
    """`safetensors` loads everywhere and carries all metadata; `pt` is A1111's older layout."""

    metadata: bool = True
    """Write into the file how the word was made: this request, the checkpoint, the pictures' number and fingerprint.
    Files and folders are named without the folders they lie in. Without it the file holds the rows, and what kind of
    checkpoint they are for."""

    metadata_title: str = ""
    """What the file's header calls the word; empty is its name."""

    metadata_author: str = ""
    """Who made the word, in the file's header."""

    metadata_description: str = ""
    """What the word is, in the file's header."""

    metadata_license: str = ""
    """Under what conditions the word may be used, in the file's header."""

    metadata_tags: str = ""
    """Tags for the file's header, with commas between them."""

    metadata_usage_hint: str = ""
    """How the word is best used, in a few words, in the file's header."""

    metadata_thumbnail: PicturePath = ""
    """A picture for the file's header: its path, or a data URL. It is made smaller, to 256 pixels at most."""

    metadata_merged_from: str = ""
    """What the word was made of, in the file's header."""

    metadata_trigger_phrase: str = ""
    """What prompts need to have for the word to show, in the file's header; empty is the word."""

    metadata_preprocessor: str = ""
    """How the pictures were prepared, in the file's header."""

    metadata_is_negative_embedding: bool = False
    """Say in the file's header that the word belongs into the negative prompt."""

    @model_validator(mode="before")
    @classmethod
    def _folders_inherit(cls, values: Any) -> Any:
        """Gives each folder those of the training's options that it does not have itself."""
        if not isinstance(values, dict) or not isinstance(values.get("folders"), list | tuple):
            return values
        if len(values["folders"]) > MOST_FOLDERS:  # which is refused: nothing is made of them
            return values
        inherited = {name: values[name] for name in DatasetOptions.model_fields if name in values}

        def completed(folder: Any) -> Any:
            own = folder.model_dump(exclude_unset=True) if isinstance(folder, DatasetFolder) else folder
            return {**inherited, **own} if isinstance(own, dict) else own

        return {**values, "folders": tuple(completed(folder) for folder in values["folders"])}

    @field_validator("preview_prompts", mode="before")
    @classmethod
    def _lines_are_prompts(cls, value: Any) -> Any:
        return [line.strip() for line in value.splitlines() if line.strip()] if isinstance(value, str) else value

    @field_validator("more_words", mode="before")
    @classmethod
    def _lines_are_words(cls, value: Any) -> Any:
        return [line for line in value.splitlines() if line.strip()] if isinstance(value, str) else value

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

    @model_validator(mode="after")
    def _words_are_known_and_differ(self) -> "TrainRequest":
        lowered = [word.name.lower() for word in self.words]
        for word in self.more_words:
            if lowered.count(word.name.lower()) > 1:
                raise ValueError(f"The word {word.name!r} is to be taught twice; expected words that differ.")
        for folder in self.folders:
            if folder.word and folder.word not in self.vectors:
                raise ValueError(
                    f"The folder {folder.directory} is said to be of {folder.word!r}, which this training does not "
                    f"teach; expected one of {', '.join(self.vectors)}."
                )
        return self

    @property
    def words(self) -> tuple[Concept, ...]:
        """Returns all words, the first one first."""
        first = Concept(
            name=self.name,
            initialization_text=self.initialization_text,
            vectors_per_token=self.vectors_per_token,
            initialization_file=self.initialization_file,
        )
        return (first, *self.more_words)

    @property
    def vectors(self) -> dict[str, int]:
        """Returns how many rows each word has, in the order in which they are trained."""
        return {self.name: self.vectors_per_token, **{word.name: word.vectors_per_token for word in self.more_words}}

    def dataset_folders(self, directory: str) -> tuple[DatasetFolder, ...]:
        """Returns the folders to learn from: those given, or the one at `directory` with the training's options."""
        if self.folders:
            return self.folders
        options = {name: getattr(self, name) for name in DatasetOptions.model_fields}
        return (DatasetFolder(directory=directory, **options),)
