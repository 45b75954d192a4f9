"""What txt2img is asked for. The page, REST and the command line carry this one model."""

from pydantic import BaseModel, ConfigDict, Field

from ti_studio.field_types import Side
from ti_studio.prompts.grammar import Emphasis


class GenerateRequest(BaseModel):
    """Pictures from a prompt, with A1111's names."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    prompt: str = ""
    """A1111's syntax: `(emphasis:1.2)`, `[less]`, `BREAK`, `[from:to:when]`, `[turn|about]`, `this AND that:0.5`; a
    word that names an embedding is that embedding, and `<embedding:name:weight>` is one whatever its name."""

    negative_prompt: str = ""
    """What to steer away from, in the same syntax but for AND."""

    emphasis: Emphasis = Emphasis.ORIGINAL
    """What weights do: `Original` keeps each chunk's mean, `No norm` does not (better for SDXL), `Ignore` reads and
    forgets them, `None` takes brackets literally."""

    sampler: str = "DPM++ 2M"
    """One of `ti_studio.generation.samplers.sampler_names()`."""

    steps: int = Field(default=20, ge=1, le=150)
    """Denoising steps."""

    cfg_scale: float = Field(default=5.0, ge=1, le=30)
    """How strongly to follow the prompt. 1 ignores the negative prompt and takes half the time."""

    eta: float | None = Field(default=None, ge=0, le=1)
    """How much new noise a sampler adds at each step: 0 none, 1 all that it can. None is the sampler's own, 1 for
    ancestral samplers and 0 for DDIM; the SDE samplers have no other than 1, the rest add none."""

    width: Side | None = None
    """Pixels; None is the checkpoint's own size."""

    height: Side | None = None
    """Pixels; None is the checkpoint's own size."""

    count: int = Field(default=1, ge=1, le=64)
    """Pictures to make, with seeds `seed`, `seed`+1, …"""

    seed: int = Field(default=-1, ge=-1, lt=2**32)
    """-1 draws a seed."""

    clip_skip: int = Field(default=1, ge=1, le=12)
    """Which of the text encoder's last layers to take: 1 is the last, 2 the one before."""
