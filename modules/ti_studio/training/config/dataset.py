"""How the pictures of a folder are taken: what their captions become, how they are cropped and varied. Imports no
torch."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ti_studio.field_types import MOST_CHARACTERS, Side
from ti_studio.path_fields import DatasetFolderPath

Share = Annotated[float, Field(ge=0, le=1)]
Interpolation = Literal["lanczos", "area", "box", "bicubic", "cubic", "bilinear", "linear", "nearest"]


class DatasetOptions(BaseModel):
    """The options that a whole training has, and that each of several folders may have otherwise. The names are those
    of sd-scripts where it has the option."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, str_max_length=MOST_CHARACTERS
    )

    flip: bool = False
    """Also learn from mirrored pictures. Not for faces with a parting, letters, or anything else that has a side."""

    color_aug: bool = False
    """Now and then shift a picture's hue or gamma a little. Its colours are learned less exactly, and the VAE has to
    encode at every step."""

    random_crop: bool = False
    """Crop at a random place instead of the middle; the VAE has to encode at every step."""

    caption_extension: str = Field(default=".txt", pattern=r"^\.\w+$")
    """The ending of the caption files beside the pictures."""

    metadata_file: DatasetFolderPath = ""
    """A JSON file of captions, as sd-scripts' fine-tuning datasets have it: for each picture's name or path an object
    with `caption`, `tags` or both. Pictures that are not in it are left out."""

    shuffle_caption: bool = False
    """Put the tags of a caption in another order each time, so that the order teaches nothing."""

    keep_tokens: int = Field(default=0, ge=0, le=75)
    """So many tags at a caption's beginning stay where they are and are never dropped."""

    caption_separator: str = Field(default=",", min_length=1)
    """What stands between the tags of a caption."""

    keep_tokens_separator: str = ""
    """Text in a caption, such as `|||`, that divides tags which stay where they are from those that are shuffled and
    dropped; a second one begins tags that stay at the end. Goes before `keep_tokens`."""

    secondary_separator: str = ""
    """Text between tags, such as `;;;`, that are shuffled and dropped as one; becomes `caption_separator` then."""

    caption_prefix: str = ""
    """Text before every caption."""

    caption_suffix: str = ""
    """Text after every caption."""

    describe_background: bool = False
    """Add to the prompts of a picture without a caption what stands behind the thing, where that is one plain colour:
    “on a light blue background”. The word then leaves the background to the prompt."""

    enable_wildcard: bool = False
    """In a caption, `{a|b}` stands for one of the two, drawn each time; of a caption with several lines one is
    drawn."""

    token_warmup_step: float = Field(default=0.0, ge=0)
    """Steps over which a caption's free tags come in one after the other, below 1 the part of all steps; 0 begins with
    all of them. A tag with the word in it is always there."""

    token_warmup_min: int = Field(default=1, ge=0, le=75)
    """So many free tags are there from the first step of such a warm-up."""

    caption_dropout_rate: Share = 0.0
    """How often a caption is left out, 0 to 1; the word stays. Makes the word carry more of the picture."""

    caption_tag_dropout_rate: Share = 0.0
    """How often each single tag is left out, 0 to 1; one with the word in it never is."""

    alpha_mask: bool = False
    """Learn only from where a picture is opaque."""

    mask_directory: DatasetFolderPath = ""
    """A folder of grey pictures of the same names: learn from what is white in them and not from what is black."""

    enable_bucket: bool = False
    """Train each picture near its own shape: it is cropped to the nearest of several sizes of equal area."""

    min_bucket_reso: Side = 256
    """Pixels of a bucket's shortest side."""

    max_bucket_reso: Side = 1024
    """Pixels of a bucket's longest side."""

    bucket_reso_steps: Annotated[int, Field(ge=8, le=256, multiple_of=8)] = 64
    """Pixels between one bucket's side and the next one's."""

    resize_interpolation: Interpolation = "lanczos"
    """How pictures are resized: `lanczos` is sharp, `area` (or `box`) averages, `bicubic` and `bilinear` lie between;
    `nearest` is for pixel art."""

    prior_loss_weight: float = Field(default=1.0, ge=0, le=100)
    """How much the error of a regularisation picture counts; it teaches something only where its caption holds the
    word."""

    bucket_no_upscale: bool = False
    """Never enlarge: a small picture gets a bucket of its own size."""

    @model_validator(mode="after")
    def _buckets_exist(self) -> "DatasetOptions":
        if self.min_bucket_reso > self.max_bucket_reso:
            raise ValueError(
                f"min_bucket_reso {self.min_bucket_reso} is above max_bucket_reso {self.max_bucket_reso}; "
                "expected the shorter side first"
            )
        return self


class DatasetFolder(DatasetOptions):
    """One of several folders of a training. What is not given is as in the training."""

    directory: DatasetFolderPath
    """The folder of pictures."""

    num_repeats: int = Field(default=1, ge=1, le=10_000)
    """How often each picture is seen in a round; balances folders of different sizes."""

    class_tokens: str | None = None
    """The caption of those pictures that have no caption file; None takes the file's name."""

    word: str = ""
    """Which of the training's words `[name]` stands for in the prompts of these pictures; empty is the first one."""

    is_reg: bool = False
    """Pictures of the class in general, whose captions need not hold the word. They are mixed in as often as the
    others, as sd-scripts does, but only a word that is in the prompt can learn: they teach it nothing."""

    width: Side | None = None
    """Pixels; None is the training's width."""

    height: Side | None = None
    """Pixels; None is the training's height."""

    @property
    def encodes_anew(self) -> bool:
        """Tells whether no two looks at a picture are alike, so that its latents can't be kept."""
        return self.color_aug or self.random_crop
