"""The part of a request that says what turns gradients into steps. Imports no torch."""

import ast
import re
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ti_studio.errors import StudioError
from ti_studio.field_types import MOST_CHARACTERS

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

MOVES_ROWS = ("rsgd", "natural")
"""Optimizers that move each row by the rate; the others that have short names move each number by about the rate."""
_FINDS_ITS_RATE = ("prodigy", "dadapt")

Arguments = Annotated[tuple[Annotated[str, Field(max_length=1000)], ...], Field(max_length=100)]

_CLASS_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")


KNOWN_PACKAGES = (
    *("torch.optim", "transformers.optimization", "bitsandbytes.optim", "dadaptation", "lion_pytorch", "prodigyopt"),
    *("pytorch_optimizer", "schedulefree", "torch_optimizer"),
)
"""Where optimizers and schedulers are. A request of somebody else may name a class of these: importing any other module
may do anything that is in it."""


class UnknownPackage(StudioError):
    """A class of a module that others than this machine's people may not have imported."""

    status = 403


class OptimizerOptions(BaseModel):
    """What turns gradients into steps."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, str_max_length=MOST_CHARACTERS
    )

    optimizer: str = "adamw"
    """`adamw`; `adamw8bit` (bitsandbytes; without it `adamw`), `lion`, `adafactor`, `prodigy`, `dadapt`,
    `schedulefree`, `rsgd` (each row moves by exactly the rate; the optimizer of Directional Textual Inversion),
    `natural` (the same along the natural gradient, in which steep and noisy directions count less), or the path of a
    class, such as `torch.optim.RMSprop`. Prodigy and D-Adaptation find the rate by themselves: give them a
    rate of 1."""

    learning_rate_unit: Literal["absolute", "vocabulary"] = "absolute"
    """What the learning rate counts in. `absolute`: in the optimizer's own numbers, as everywhere. `vocabulary`: in the
    mean norm of the vocabulary's rows, which differs from encoder to encoder: a row moves by at most this share of it
    in a step (with `direction`, of the sphere's radius). A1111's 0.005 with AdamW is 0.35 on SD 1. Goes with the short
    names of optimizers, but for `prodigy` and `dadapt`."""

    optimizer_args: Arguments = ()
    """More arguments of the optimizer, `name=value` with Python's literals: `betas=(0.9, 0.99)`."""

    lr_scheduler: str = "schedule"
    """How the rate goes: `schedule` follows the learning rate's own steps; the others begin at the one rate that is
    given and bend it over `max_steps`: `constant`, `linear`, `cosine`, `cosine_with_restarts`, `cosine_with_min_lr`,
    `polynomial`, `constant_with_warmup`, `inverse_sqrt`, `warmup_stable_decay`, `rex`; or the path of a class, such as
    `torch.optim.lr_scheduler.StepLR`. All depend on the step's number alone."""

    lr_scheduler_args: Arguments = ()
    """Arguments of a scheduler that is a class, `name=value` with Python's literals: `step_size=100`."""

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

    max_grad_value: float = Field(default=0.0, ge=0)
    """No coordinate of a step's gradient counts for more than this; 0 leaves them. A1111's other way of clipping."""

    @field_validator("optimizer")
    @classmethod
    def _optimizer_is_known_or_a_class(cls, name: str) -> str:
        return _known_or_a_class(name, "optimizer", get_args(OptimizerName))

    @field_validator("lr_scheduler")
    @classmethod
    def _scheduler_is_known_or_a_class(cls, name: str) -> str:
        return _known_or_a_class(name, "scheduler", get_args(Scheduler))

    @field_validator("optimizer_args", "lr_scheduler_args", mode="before")
    @classmethod
    def _lines_are_arguments(cls, value: Any) -> Any:
        return [line for line in value.splitlines() if line.strip()] if isinstance(value, str) else value

    @field_validator("optimizer_args", "lr_scheduler_args")
    @classmethod
    def _arguments_can_be_read(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        read_arguments(texts)
        return texts

    @model_validator(mode="after")
    def _a_share_is_of_a_known_step(self) -> "OptimizerOptions":
        known = [name for name in get_args(OptimizerName) if name not in _FINDS_ITS_RATE]
        if self.learning_rate_unit == "vocabulary" and self.optimizer not in known:
            raise ValueError(
                f"learning_rate_unit vocabulary goes with an optimizer whose steps are about the rate; found "
                f"{self.optimizer}, expected one of {', '.join(known)}."
            )
        return self

    @model_validator(mode="after")
    def _a_class_takes_arguments(self) -> "OptimizerOptions":
        if self.lr_scheduler_args and self.lr_scheduler in get_args(Scheduler):
            raise ValueError(f"lr_scheduler_args are of a class; {self.lr_scheduler} has options of its own.")
        return self


def check_packages(options: OptimizerOptions) -> None:
    """Checks that no module is imported for a request but those that optimizers and schedulers are known to be in.

    Raises:
        UnknownPackage: one would be.
    """
    for what, name in (("optimizer", options.optimizer), ("scheduler", options.lr_scheduler)):
        if "." in name and not name.startswith(tuple(f"{package}." for package in KNOWN_PACKAGES)):
            raise UnknownPackage(
                f"The {what} {name} is not one that a server takes from others than this machine's people; expected a "
                f"short name, or a class of {', '.join(KNOWN_PACKAGES)}."
            )


def _known_or_a_class(name: str, what: str, known: tuple[str, ...]) -> str:
    if name in known or _CLASS_PATH.fullmatch(name):
        return name
    raise ValueError(
        f"There is no {what} {name!r}; expected {', '.join(known)}, or the path of a class: package.Class."
    )


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
        except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
            raise ValueError(
                f"In the argument {text!r}, {value!r} is no Python literal; expected a number, True, None, 'text' or "
                "(0.9, 0.99)."
            ) from error
    return arguments
