"""One option of sd-scripts' commands. Imports no torch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Option:
    """One option. It becomes a field of the request, a key of the dataset, something that the command does itself,
    or nothing."""

    flag: str
    kind: Callable[[str], Any] | None
    """How its value is read; None for an option without one."""
    help: str
    field: str = ""
    """The field of TrainRequest that it sets."""
    dataset_key: str = ""
    """The key of a dataset configuration that it is the default of."""
    without_effect: str = ""
    """Why it changes nothing here."""
    refused: str = ""
    """Why it can't be followed."""
    names: Mapping[str, str] | None = None
    """sd-scripts' values, lower case, that have another name here."""
    choices: tuple[str, ...] | None = None
    several: bool = False
    value: Any = None
    """What the field becomes, for an option without a value that stands for one."""

    @property
    def name(self) -> str:
        """The option's name without the dashes."""
        return self.flag.removeprefix("--")
