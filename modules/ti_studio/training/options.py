"""The parts of a request that say how a word learns: the optimizer, what keeps the rows in check, what is minimised,
and how it is validated. Imports no torch.

Every default is plain Textual Inversion: AdamW on the rows, the mean squared error of the noise, and nothing else.
"""

import ast
import re
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

OptimizerName = Literal[
    "adamw", "adamw8bit", "lion", "adafactor", "prodigy", "dadapt", "schedulefree", "rsgd", "natural"
]
Scheduler = Literal[
    "schedule",
    "constant",
    "linear",
    "cosine",
    "cosine_with_restarts",
    "cosine_with_min_lr",
    "polynomial",
    "constant_with_warmup",
    "inverse_sqrt",
    "warmup_stable_decay",
    "rex",
]

LEAST_WINDOW = 3
"""Validations that a variance can be taken of."""

_CLASS_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
_DOCUMENTED = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class OptimizerOptions(BaseModel):
    """What turns gradients into steps."""

    model_config = _DOCUMENTED

    optimizer: str = "adamw"
    """`adamw`; `adamw8bit` (bitsandbytes; without it `adamw`), `lion`, `adafactor`, `prodigy`, `dadapt`,
    `schedulefree`, `rsgd` (each row moves by exactly the rate; the optimizer of Directional Textual Inversion),
    `natural` (the same along the natural gradient, in which steep and noisy directions count less), or the path of a
    class, such as `torch.optim.RMSprop`. Prodigy and D-Adaptation find the rate by themselves: give them a
    rate of 1."""

    optimizer_args: tuple[str, ...] = ()
    """More arguments of the optimizer, `name=value` with Python's literals: `betas=(0.9, 0.99)`."""

    lr_scheduler: Scheduler = "schedule"
    """How the rate goes: `schedule` follows the learning rate's own steps; the others begin at the one rate that is
    given and bend it over `max_steps`. All depend on the step's number alone."""

    lr_warmup_steps: int = Field(default=0, ge=0)
    """Steps over which the rate rises to its value, whatever the scheduler."""

    lr_num_cycles: int = Field(default=1, ge=1, le=1000)
    """Falls from the full rate to none, for `cosine_with_restarts`."""

    lr_power: float = Field(default=1.0, gt=0, le=100)
    """The exponent of `polynomial`; 1 is linear."""

    lr_min_ratio: float = Field(default=0.0, ge=0, lt=1)
    """The share of the rate at which `cosine_with_min_lr` and `warmup_stable_decay` end."""

    lr_decay_steps: int = Field(default=0, ge=0)
    """Steps over which the rate of `warmup_stable_decay` falls, at the end; before them it stays. 0 lets it stay."""

    lr_timescale: int = Field(default=0, ge=0)
    """How many steps `inverse_sqrt` takes to fall to 71 % of the rate; 0 takes the warm-up's, or 10,000."""

    weight_decay: float = Field(default=0.0, ge=0, le=10)
    """The optimizer's pull of the rows towards zero. Zero is no word at all, so 0 is best for words; peers use 0.01."""

    max_grad_norm: float = Field(default=0.0, ge=0)
    """The gradient of a step is scaled down to this Euclidean norm if it is longer; 0 leaves it. Adam's step hardly
    depends on the gradient's size, so this only tames single outliers."""

    @field_validator("optimizer")
    @classmethod
    def _optimizer_is_known_or_a_class(cls, name: str) -> str:
        if name in get_args(OptimizerName) or _CLASS_PATH.fullmatch(name):
            return name
        known = ", ".join(get_args(OptimizerName))
        raise ValueError(f"There is no optimizer {name!r}; expected {known}, or the path of a class: torch.optim.SGD.")

    @field_validator("optimizer_args", mode="before")
    @classmethod
    def _lines_are_arguments(cls, value: Any) -> Any:
        return [line for line in value.splitlines() if line.strip()] if isinstance(value, str) else value

    @field_validator("optimizer_args")
    @classmethod
    def _arguments_can_be_read(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        read_arguments(texts)
        return texts


def read_arguments(texts: tuple[str, ...]) -> dict[str, Any]:
    """Returns `name=value` texts as arguments; values are Python literals.

    Raises:
        ValueError: a text is no such pair; says which.
    """
    arguments: dict[str, Any] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not name.isidentifier():
            raise ValueError(f"The argument {text!r} is no name=value pair; expected such as betas=(0.9, 0.99).")
        try:
            arguments[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError) as error:
            raise ValueError(
                f"In the argument {text!r}, {value!r} is no Python literal; expected a number, True, None, 'text' or "
                "(0.9, 0.99)."
            ) from error
    return arguments


class RowOptions(BaseModel):
    """What keeps the rows, and the rest of the prompt, in check."""

    model_config = _DOCUMENTED

    parametrization: Literal["rows", "direction"] = "rows"
    """`rows` learns the rows freely. `direction` (Directional Textual Inversion, arXiv 2512.13672) holds each row at
    the mean norm of the vocabulary and learns its direction alone: the rest of the prompt keeps more of its say, and
    less of the pictures is learned."""

    prior_weight: float = Field(default=0.0, ge=0)
    """With `direction`: the pull of each direction towards its initial one (a von Mises-Fisher prior), as a constant
    gradient of this length. The paper takes 1e-4."""

    norm_limit: float = Field(default=0.0, ge=0)
    """After each step a row that is longer than so many times the vocabulary's mean norm is shortened to it. Learned
    rows grow to 3 times and more; long rows drown the rest of the prompt. 0 sets no limit."""

    init_weight: float = Field(default=0.0, ge=0)
    """The pull towards the initial rows: this times their mean squared distance, in units of the initial rows' mean
    squared norm, is added to the loss. More keeps the word closer to its initialization text."""

    context_weight: float = Field(default=0.0, ge=0)
    """Keeps what the rest of the prompt means: this times the mean squared relative difference that the word, in the
    place of its initialization text, makes to the text encoder's output at all other tokens (after CoRe, arXiv
    2408.15914) is added to the loss. Costs one pass of the text encoder."""

    prompt_weight: float = Field(default=0.0, ge=0)
    """Keeps what other prompts paint: at timesteps above 500, where layout and background are decided, this times the
    mean squared change of the UNet's prediction when the word takes the place of its initialization text in another
    picture's prompt is added to the loss. Costs up to two more UNet passes a step, one of them with its gradient."""

    ema_decay: float = Field(default=0.0, ge=0, lt=1)
    """Previews, snapshots and the finished file show an average of the rows over the steps, of which each step keeps
    this share; 0 shows the rows themselves. 0.99 averages the last hundred steps or so."""

    @model_validator(mode="after")
    def _prior_has_a_direction(self) -> "RowOptions":
        if self.prior_weight and self.parametrization != "direction":
            raise ValueError("prior_weight is for parametrization direction; init_weight is its like for rows.")
        if self.norm_limit and self.parametrization == "direction":
            raise ValueError("norm_limit has no meaning with parametrization direction, whose norm is fixed.")
        return self


class ObjectiveOptions(BaseModel):
    """What is minimised, in sd-scripts' words."""

    model_config = _DOCUMENTED

    loss_type: Literal["l2", "huber", "smooth_l1", "log_cosh", "l1"] = "l2"
    """How an error counts: squared; squared when small and straight when large (`huber`, `smooth_l1`, `log_cosh`),
    which outliers in a few pictures disturb less; or straight."""

    huber_c: float = Field(default=0.1, gt=0, le=1)
    """Where `huber` and `smooth_l1` turn from squared to straight."""

    huber_schedule: Literal["snr", "exponential", "constant"] = "snr"
    """How `huber_c` depends on the timestep: full at the noisy end and 1 at the clean one, by the signal-to-noise ratio
    or exponentially, or the same everywhere (where `exponential` begins from 1)."""

    huber_scale: float = Field(default=1.0, gt=0, le=100)
    """Multiplies `huber_c` where its schedule is `exponential` or `constant`."""

    min_snr_gamma: float = Field(default=0.0, ge=0)
    """Gives timesteps whose signal-to-noise ratio is above this less weight (min-SNR, arXiv 2303.09556); 5 is usual, 0
    is off."""

    debiased_estimation_loss: bool = False
    """Weights timesteps by one over the root of the signal-to-noise ratio (arXiv 2310.08442), which gives noisy ones
    much more weight; another answer to what `min_snr_gamma` is for."""

    noise_offset: float = Field(default=0.0, ge=0, le=1)
    """Shifts the noise of whole channels by so much, so that very dark and bright pictures can be learned; 0.05 to 0.1
    is usual."""

    noise_offset_random_strength: bool = False
    """Draws the noise offset of each batch between 0 and `noise_offset`."""

    adaptive_noise_scale: float = Field(default=0.0, ge=-10, le=10)
    """Adds to the noise offset so much of each channel's mean in the picture's latents, so that bright and dark
    pictures get more of it; needs `noise_offset`."""

    multires_noise_iterations: int = Field(default=0, ge=0, le=64)
    """Adds coarser and coarser noise so many times (pyramid noise), to the same end; 6 is usual, 0 is off."""

    multires_noise_discount: float = Field(default=0.3, ge=0, le=1)
    """What share of its strength each coarser noise keeps."""

    ip_noise_gamma: float = Field(default=0.0, ge=0, le=1)
    """Disturbs the noisy picture, and not what is to be predicted, by so much noise (input perturbation, arXiv
    2301.11706); 0.1 is usual."""

    ip_noise_gamma_random_strength: bool = False
    """Draws the strength of each batch's perturbation between 0 and `ip_noise_gamma`."""

    zero_terminal_snr: bool = False
    """Trains on a noise schedule that ends in pure noise (arXiv 2305.08891). For v-prediction checkpoints that were
    made with one."""

    v_pred_like_loss: float = Field(default=0.0, ge=0)
    """Adds so much of a loss weighted as v-prediction weights it, which gives noisy timesteps more weight."""

    scale_v_pred_loss_like_noise_pred: bool = False
    """Weights the loss of a v-prediction checkpoint by timestep as an ε-prediction's is."""

    min_timestep: int = Field(default=0, ge=0, le=999)
    """The least noisy timestep that is trained. Low ones teach texture and fine detail."""

    max_timestep: int = Field(default=1000, ge=1, le=1000)
    """Trained timesteps are below this. High ones decide layout and background."""

    timestep_sampling: Literal["stratified", "uniform"] = "stratified"
    """`stratified` spreads a batch's timesteps evenly over the range, which calms the gradient; `uniform` draws each by
    itself."""

    timestep_distribution: Literal["uniform", "logit_normal"] = "uniform"
    """How often each timestep of the range is trained: all alike, or the middle most (the logistic of a normal
    number)."""

    timestep_bias: float = Field(default=0.0, ge=-5, le=5)
    """Where the middle of `logit_normal` lies: 0 in the middle of the range, above it towards noise, below it towards
    clean pictures."""

    antithetic_noise: bool = False
    """Every second picture of a batch gets the opposite of the noise of the one before it."""

    @model_validator(mode="after")
    def _timesteps_are_a_range(self) -> "ObjectiveOptions":
        if self.min_timestep >= self.max_timestep:
            raise ValueError(f"min_timestep {self.min_timestep} is not below max_timestep {self.max_timestep}.")
        return self

    @model_validator(mode="after")
    def _what_changes_an_offset_has_one(self) -> "ObjectiveOptions":
        if (self.adaptive_noise_scale or self.noise_offset_random_strength) and not self.noise_offset:
            raise ValueError("adaptive_noise_scale and noise_offset_random_strength need noise_offset.")
        if self.ip_noise_gamma_random_strength and not self.ip_noise_gamma:
            raise ValueError("ip_noise_gamma_random_strength needs ip_noise_gamma.")
        if self.timestep_bias and self.timestep_distribution == "uniform":
            raise ValueError("timestep_bias is of timestep_distribution logit_normal.")
        return self


class ValidationOptions(BaseModel):
    """How it is told whether the word still gets better."""

    model_config = _DOCUMENTED

    validation_every: int = Field(default=0, ge=0)
    """Steps between validations: the plain loss at the same pictures, prompts, noise and timesteps each time, which
    shows what the loss of single steps hides in its noise; 0 makes none. The best rows are kept in the job's folder."""

    validation_count: int = Field(default=4, ge=1, le=64)
    """Noisy versions of each picture (of 32 pictures at most). A validation takes about as long as pictures times this
    over twice the batch size steps."""

    keep_best: bool = False
    """Finish with the rows of the best validation in place of the last rows."""

    patience: int = Field(default=0, ge=0)
    """Finish early when the last so many validations show that the word no longer gets better; 0 goes on to the last
    step."""

    early_stopping: Literal["improvement", "variance"] = "improvement"
    """How they show it: none of them was better by 0.5 % than what came before (`improvement`), or their loss varies by
    less than `variance_share` of what it varied by since the first step (`variance`: DVAR, arXiv 2302.04841)."""

    variance_share: float = Field(default=0.15, gt=0, le=1)
    """For `variance`: the share of the variance of all validations. Less goes on longer. DVAR takes 0.15."""

    @model_validator(mode="after")
    def _something_is_validated(self) -> "ValidationOptions":
        if (self.keep_best or self.patience) and not self.validation_every:
            raise ValueError("keep_best and patience need validation_every.")
        if self.early_stopping == "variance" and 0 < self.patience < LEAST_WINDOW:
            raise ValueError(
                f"early_stopping variance takes the variance of the last patience validations; found {self.patience}, "
                f"expected at least {LEAST_WINDOW}."
            )
        return self


class LearningOptions(OptimizerOptions, RowOptions, ObjectiveOptions, ValidationOptions):
    """Everything about how a word learns."""

    @model_validator(mode="after")
    def _options_agree(self) -> "LearningOptions":
        moved = self.parametrization == "direction" or self.norm_limit or self.ema_decay
        if self.optimizer == "schedulefree" and moved:
            raise ValueError(
                "schedulefree averages the rows by itself; it goes with neither direction, norm_limit nor ema_decay."
            )
        return self
