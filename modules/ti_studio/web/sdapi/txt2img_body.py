"""What A1111's txt2img can be asked, with A1111's names and defaults."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ti_studio.field_types import Side
from ti_studio.generation.request import GenerateRequest
from ti_studio.web.sdapi.nulls import without_nulls
from ti_studio.web.sdapi.options import OptionsBody

MOST_PICTURES = 64
_EXAMPLE: dict[str, Any] = {
    "prompt": "a photo of trizebra",
    "steps": 20,
    "sampler_name": "Euler a",
    "width": 64,
    "height": 64,
}
_ANY_SEED = -1


class Txt2ImgBody(BaseModel):
    """A1111's body of txt2img. Everything may be left out, and null is as good as left out.

    Fields that are not here are not heeded, and told in the answer's `info`.
    """

    model_config = ConfigDict(extra="allow", use_attribute_docstrings=True, json_schema_extra={"examples": [_EXAMPLE]})

    prompt: str = ""
    """A1111's syntax; the words of the library are embeddings."""
    negative_prompt: str = ""
    """The same, without AND."""
    seed: int = Field(default=_ANY_SEED, ge=-1, lt=2**32)
    """-1 draws one."""
    n_iter: int = Field(default=1, ge=1, le=MOST_PICTURES)
    """Batches; times `batch_size` pictures, 64 at most in all."""
    batch_size: int = Field(default=1, ge=1, le=MOST_PICTURES)
    """Pictures of a batch, with seeds that count on."""
    steps: int = Field(default=50, ge=1, le=150)
    cfg_scale: float = Field(default=7.0, ge=1, le=30)
    width: Side | None = None
    """Pixels; the checkpoint's own size where it is left out (A1111: 512)."""
    height: Side | None = None
    """Pixels; the checkpoint's own size where it is left out (A1111: 512)."""
    sampler_name: str | None = None
    """One of `/samplers`."""
    sampler_index: str | None = None
    """A1111's older name of `sampler_name`."""
    scheduler: str | None = None
    """One of `/schedulers`."""
    eta: float | None = Field(default=None, ge=0, le=1)
    """The noise that DDIM and the ancestral samplers add; null is the sampler's own, 0 and 1."""
    override_settings: OptionsBody = OptionsBody()
    """Options for this request."""
    override_settings_restore_afterwards: bool = True
    """Whether they hold for this request only."""
    infotext: str | None = None
    """An infotext, for what the body does not say."""
    send_images: bool = True
    save_images: bool = False
    """Whether to keep them in `outputs/txt2img/`."""
    do_not_save_samples: bool = False
    """Keeps `save_images` from saving."""

    # Of these only the values that change nothing are accepted.
    styles: list[str] = []
    """There are no styles here."""
    subseed_strength: float = 0
    seed_resize_from_h: int = -1
    seed_resize_from_w: int = -1
    restore_faces: bool = False
    tiling: bool = False
    enable_hr: bool = False
    s_churn: float | None = None
    s_noise: float | None = None
    s_min_uncond: float | None = None
    refiner_checkpoint: str | None = None
    script_name: str | None = None
    alwayson_scripts: dict[str, Any] = {}
    """There are no scripts here."""

    # These say nothing of the picture as long as those above are what they are.
    subseed: int = -1
    denoising_strength: float | None = None
    s_tmax: float | None = None
    s_tmin: float | None = None
    refiner_switch_at: float | None = None
    disable_extra_networks: bool = False
    do_not_save_grid: bool = False
    script_args: list[Any] = []
    comments: dict[str, Any] = {}
    force_task_id: str | None = None
    firstpass_image: str | None = None
    firstphase_width: int = 0
    firstphase_height: int = 0
    hr_scale: float = 2.0
    hr_upscaler: str | None = None
    hr_second_pass_steps: int = 0
    hr_resize_x: int = 0
    hr_resize_y: int = 0
    hr_checkpoint_name: str | None = None
    hr_sampler_name: str | None = None
    hr_scheduler: str | None = None
    hr_prompt: str = ""
    hr_negative_prompt: str = ""

    @model_validator(mode="before")
    @classmethod
    def _null_is_left_out(cls, values: Any) -> Any:
        return without_nulls(values)

    @model_validator(mode="after")
    def _pictures_are_not_too_many(self) -> "Txt2ImgBody":
        if self.count > MOST_PICTURES:
            raise ValueError(
                f"n_iter {self.n_iter} times batch_size {self.batch_size} are {self.count} pictures; expected "
                f"{MOST_PICTURES} at most."
            )
        return self

    @property
    def count(self) -> int:
        """Pictures in all."""
        return self.n_iter * self.batch_size

    def given(self) -> dict[str, Any]:
        """Returns those fields of a `GenerateRequest` of the same name that were not left out."""
        return {name: getattr(self, name) for name in self.model_fields_set & GenerateRequest.model_fields.keys()}
