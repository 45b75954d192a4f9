"""Optimizers by name: torch's, those of optional packages, and any class that is installed."""

import importlib
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ti_studio.errors import StudioError
from ti_studio.training.config.optimizer import OptimizerOptions, read_arguments

BETAS = (0.9, 0.999)
EPSILON = 1e-8


class BadOptimizer(StudioError):
    """An optimizer that isn't there, or does not take what it is given."""


@dataclass(frozen=True)
class _Known:
    """Where an optimizer with a short name comes from."""

    path: str
    package: str
    """What pip calls the package."""
    defaults: Mapping[str, Any]
    """Arguments that `optimizer_args` may replace."""


_ADAM = {"betas": BETAS, "eps": EPSILON}
_KNOWN = {
    "adamw": _Known("torch.optim.AdamW", "torch", _ADAM),
    "adamw8bit": _Known("bitsandbytes.optim.AdamW8bit", "bitsandbytes", _ADAM),
    "lion": _Known("ti_studio.training.optim.row_optimizers.Lion", "ti-studio", {}),
    "rsgd": _Known("ti_studio.training.optim.row_optimizers.RowSGD", "ti-studio", {}),
    "natural": _Known("ti_studio.training.optim.row_optimizers.NaturalRowSGD", "ti-studio", {}),
    # So that the learning rate means what it says.
    "adafactor": _Known(
        "transformers.optimization.Adafactor",
        "transformers",
        {"scale_parameter": False, "relative_step": False, "warmup_init": False},
    ),
    "prodigy": _Known("prodigyopt.Prodigy", "prodigyopt", {}),
    "dadapt": _Known("dadaptation.DAdaptAdam", "dadaptation", {}),
    "schedulefree": _Known("schedulefree.AdamWScheduleFree", "schedulefree", {}),
}


def make_optimizer(
    options: OptimizerOptions, parameters: Sequence[Tensor], *, apart: bool = False
) -> tuple[torch.optim.Optimizer, tuple[str, ...]]:
    """Returns the optimizer that is asked for, and what the person should know about it.

    Args:
        options: what is asked for.
        parameters: what it moves.
        apart: whether each parameter is a group with a rate of its own.

    Raises:
        BadOptimizer: it is not installed, is no optimizer, or does not take its arguments.
    """
    warnings: tuple[str, ...] = ()
    try:
        kind = _find(options.optimizer)
    except BadOptimizer:
        if options.optimizer != "adamw8bit":
            raise
        kind = torch.optim.AdamW
        warnings = ("bitsandbytes is not installed: the training uses AdamW, whose few numbers need no 8 bits.",)
    known = _KNOWN.get(options.optimizer)
    arguments = {**(known.defaults if known else {}), **_decay(kind, options), **read_arguments(options.optimizer_args)}
    arguments.setdefault("lr", 1.0)  # the step's own rate replaces it
    try:
        optimizer = kind([{"params": [each]} for each in parameters] if apart else list(parameters), **arguments)
    except (TypeError, ValueError, AssertionError, RuntimeError) as error:
        raise BadOptimizer(f"The optimizer {options.optimizer} does not take {arguments}: {error}") from error
    _switch(optimizer, "train")
    return optimizer, warnings


def averaged_rows(optimizer: torch.optim.Optimizer, parameters: Sequence[Tensor]) -> list[Tensor]:
    """Returns copies of the rows that are meant for use: the optimizer's average where it keeps one (schedule-free ones
    do), else the parameters. The parameters are left as they were, to the last bit."""
    training = [parameter.detach().clone() for parameter in parameters]
    if not _switch(optimizer, "eval"):
        return training
    averaged = [parameter.detach().clone() for parameter in parameters]
    _switch(optimizer, "train")
    with torch.no_grad():
        for parameter, value in zip(parameters, training, strict=True):
            parameter.copy_(value)
    return averaged


def _switch(optimizer: torch.optim.Optimizer, mode: str) -> bool:
    """Puts a schedule-free optimizer into a mode; returns whether it has modes."""
    switch = getattr(optimizer, mode, None)
    if switch is None:
        return False
    switch()
    return True


def _find(name: str) -> type[torch.optim.Optimizer]:
    """Returns an optimizer's class.

    Raises:
        BadOptimizer: it can't be imported, or is none that a training can use.
    """
    known = _KNOWN.get(name)
    module_name, _, class_name = (known.path if known else name).rpartition(".")
    try:
        optimizer_class: Any = getattr(importlib.import_module(module_name), class_name)
    except ImportError as error:
        package = known.package if known else module_name.partition(".")[0]
        raise BadOptimizer(
            f"The optimizer {name} needs the package {package}, which can't be imported ({error}). Install it into "
            f"the studio's environment: pip install {package}"
        ) from error
    except AttributeError as error:
        raise BadOptimizer(f"There is no optimizer {name}: {module_name} has no {class_name}.") from error
    if not (isinstance(optimizer_class, type) and issubclass(optimizer_class, torch.optim.Optimizer)):
        raise BadOptimizer(
            f"{name} is a {type(optimizer_class).__name__}; expected a subclass of torch.optim.Optimizer."
        )
    closure = inspect.signature(optimizer_class.step).parameters.get("closure")
    if closure is not None and closure.default is inspect.Parameter.empty:
        raise BadOptimizer(f"{name} wants to evaluate the loss several times a step, which a training does not do.")
    return optimizer_class


def _decay(kind: type[torch.optim.Optimizer], options: OptimizerOptions) -> dict[str, Any]:
    """Returns the weight decay, given always, because the classes' own defaults are not always 0."""
    if "weight_decay" in inspect.signature(kind).parameters:
        return {"weight_decay": options.weight_decay}
    if options.weight_decay:
        raise BadOptimizer(f"The optimizer {options.optimizer} has no weight decay; expected weight_decay 0.")
    return {}
