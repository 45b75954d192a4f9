"""Learning rates of schedulers that are classes: torch's own, and any that is installed."""

import importlib
from collections.abc import Mapping
from typing import Any

import torch

from ti_studio.errors import StudioError


class BadScheduler(StudioError):
    """A scheduler that isn't there, does not take what it is given, or can't say a rate."""


class ClassScheduler:
    """The rates of a scheduler, found out step by step on an optimizer of its own, which trains nothing: so they follow
    from the step's number alone, and a resume needs no state."""

    def __init__(self, path: str, arguments: Mapping[str, Any], rate: float) -> None:
        """Takes the path of the class, its arguments beside the optimizer, and the rate to begin with.

        Raises:
            BadScheduler: it can't be imported, or does not take the arguments.
        """
        self._path = path
        self._optimizer = torch.optim.AdamW([torch.zeros(1, requires_grad=True)], lr=rate)
        kind = _find(path)
        try:
            self._scheduler: Any = kind(self._optimizer, **arguments)
        except (TypeError, ValueError, AttributeError, AssertionError, KeyError) as error:
            raise BadScheduler(f"The scheduler {path} does not take {dict(arguments)}: {error}") from error
        self._rates = [self._rate()]

    def after(self, steps: int) -> float:
        """Returns the rate after so many steps.

        Raises:
            BadScheduler: the scheduler has no rate there, or wants to know more than the step's number.
        """
        while len(self._rates) <= steps:
            self._optimizer.step()
            try:
                self._scheduler.step()
            except (TypeError, ValueError) as error:
                raise BadScheduler(
                    f"The scheduler {self._path} has no rate for step {len(self._rates) + 1}: {error}"
                ) from error
            self._rates.append(self._rate())
        return self._rates[steps]

    def _rate(self) -> float:
        return float(self._optimizer.param_groups[0]["lr"])


def _find(path: str) -> Any:
    module_name, _, name = path.rpartition(".")
    try:
        scheduler_class = getattr(importlib.import_module(module_name), name)
    except ImportError as error:
        raise BadScheduler(f"The scheduler {path} can't be imported: {error}.") from error
    except AttributeError as error:
        raise BadScheduler(f"There is no scheduler {path}: {module_name} has no {name}.") from error
    # Nothing else is called: a request may come from anywhere.
    if not (isinstance(scheduler_class, type) and issubclass(scheduler_class, torch.optim.lr_scheduler.LRScheduler)):
        raise BadScheduler(f"{path} is a {type(scheduler_class).__name__}; expected a subclass of torch's LRScheduler.")
    return scheduler_class
