"""The parts of a request that say how a word learns: the optimizer, what keeps the rows in check, what is minimised,
and how it is validated. Imports no torch.

Every default is plain Textual Inversion: AdamW on the rows, the mean squared error of the noise, and nothing else.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ti_studio.field_types import MOST_CHARACTERS
from ti_studio.training.config.optimizer import OptimizerOptions

LEAST_WINDOW = 3
"""Validations that a variance can be taken of."""

_DOCUMENTED = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, str_max_length=MOST_CHARACTERS)


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

    norm_pull: float = Field(default=0.0, ge=0, le=1)
    """After each step a row's norm is multiplied by its ratio to the vocabulary's mean norm, to the power of minus
    this: 1 holds it there, 0.1 (as in invoke-training and the diffusers script for pivotal tuning) draws it back
    gently. 0 is off."""

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
        if self.norm_pull and self.parametrization == "direction":
            raise ValueError("norm_pull has no meaning with parametrization direction, whose norm is fixed.")
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
        moved = self.parametrization == "direction" or self.norm_limit or self.norm_pull or self.ema_decay
        if self.optimizer == "schedulefree" and moved:
            raise ValueError(
                "schedulefree averages the rows by itself; it goes with neither direction, norm_limit, norm_pull nor "
                "ema_decay."
            )
        return self
