"""A1111's sampler names, and the diffusers scheduler that each one is."""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ti_studio.errors import NotFound


class UnknownSampler(NotFound):
    """A sampler name that is not on the list."""


class Eta(NamedTuple):
    """How much new noise a sampler adds at its steps."""

    default: float
    key: str = "Eta"
    """What infotexts call it."""
    with_other: str | None = None
    """The class for another one than the default, of the module `ancestral`; None: the scheduler takes it."""
    is_fixed: bool = False
    """Whether there is no other one here."""


@dataclass(frozen=True)
class Sampler:
    """A sampler under the name that A1111's users know."""

    name: str
    scheduler: str
    """A class of `diffusers`."""
    schedule_type: str | None = None
    """A1111's name of the sigma schedule, which its infotext states beside the sampler."""
    options: Mapping[str, Any] = field(default_factory=dict)
    eta: Eta | None = None
    """None: it adds no noise."""

    @property
    def plain_name(self) -> str:
        """Its name without the schedule, as A1111 lists it."""
        return self.name.removesuffix(f" {self.schedule_type}")

    def other_eta(self, eta: float | None) -> float | None:
        """Returns the eta that is asked for where it can be obeyed and is not the sampler's own; otherwise None."""
        if self.eta is None or self.eta.is_fixed or eta == self.eta.default:
            return None
        return eta

    def build(self, scheduler_config: Mapping[str, Any], eta: float | None = None) -> Any:
        """Returns the scheduler for a checkpoint's noise schedule and prediction type.

        Args:
            scheduler_config: the checkpoint's.
            eta: 0 to 1; None, or a sampler without one: its own. DDIM wants it again at each step.
        """
        # diffusers takes seconds to import, and the samplers' names are wanted before the first picture is.
        module, name = "diffusers", self.scheduler
        other = self.other_eta(eta)
        if other is not None and self.eta is not None and self.eta.with_other is not None:
            module, name = "ti_studio.generation.ancestral", self.eta.with_other
        kind = getattr(importlib.import_module(module), name)
        built = kind.from_config(dict(scheduler_config), timestep_spacing="trailing", **self.options)
        if other is not None and name != self.scheduler:
            built.eta = other
        return built


_KARRAS = {"use_karras_sigmas": True}
_SDE = {"algorithm_type": "sde-dpmsolver++"}
_ALWAYS_ALL = Eta(1.0, is_fixed=True)

SAMPLERS = (
    Sampler("DPM++ 2M", "DPMSolverMultistepScheduler", "Uniform"),
    Sampler("DPM++ 2M Karras", "DPMSolverMultistepScheduler", "Karras", _KARRAS),
    Sampler("DPM++ 2M SDE", "DPMSolverMultistepScheduler", "Uniform", _SDE, _ALWAYS_ALL),
    Sampler("DPM++ 2M SDE Karras", "DPMSolverMultistepScheduler", "Karras", {**_SDE, **_KARRAS}, _ALWAYS_ALL),
    Sampler("Euler a", "EulerAncestralDiscreteScheduler", "Uniform", eta=Eta(1.0, with_other="EulerAncestral")),
    Sampler("Euler", "EulerDiscreteScheduler", "Uniform"),
    Sampler("Heun", "HeunDiscreteScheduler", "Uniform"),
    Sampler("DPM2", "KDPM2DiscreteScheduler", "Uniform"),
    Sampler("DPM2 a", "KDPM2AncestralDiscreteScheduler", "Uniform", eta=Eta(1.0, with_other="KDPM2Ancestral")),
    Sampler("UniPC", "UniPCMultistepScheduler"),
    Sampler("DDIM", "DDIMScheduler", None, {"clip_sample": False, "set_alpha_to_one": False}, Eta(0.0, key="Eta DDIM")),
)


_AUTOMATICALLY_KARRAS = frozenset({"DPM++ 2M", "DPM2", "DPM2 a"})
"""A1111's samplers whose automatic schedule is Karras's."""


def automatic_sampler(same_name: Sequence[Sampler]) -> Sampler:
    """Returns which of the samplers of one plain name A1111's schedule "Automatic" means; the first, if it is
    not here."""
    schedule = "Karras" if same_name[0].plain_name in _AUTOMATICALLY_KARRAS else "Uniform"
    return next((sampler for sampler in same_name if sampler.schedule_type == schedule), same_name[0])


def sampler_names() -> list[str]:
    """Returns the names, the default first."""
    return [sampler.name for sampler in SAMPLERS]


def find_sampler(name: str) -> Sampler:
    """Returns the sampler of this name, upper and lower case alike.

    Raises:
        UnknownSampler: there is none; the message lists those there are.
    """
    for sampler in SAMPLERS:
        if sampler.name.lower() == name.strip().lower():
            return sampler
    raise UnknownSampler(f"There is no sampler {name!r}. There are: {', '.join(sampler_names())}.")
