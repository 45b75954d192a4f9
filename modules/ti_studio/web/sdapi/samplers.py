"""A1111's names of samplers and schedules, and which of the studio's samplers they are."""

from collections.abc import Iterator

from fastapi import APIRouter

from ti_studio.generation.samplers import SAMPLERS, Sampler, automatic_sampler
from ti_studio.web.sdapi.errors import BadRequest
from ti_studio.web.server.views import View

AUTOMATIC = "Automatic"
DEFAULT_SAMPLER = "Euler"
"""What A1111 takes when a request names none."""

_KARRAS = "Karras"
_UNIFORM = "Uniform"
_RHO = 7.0
"""How steep Karras's schedule is, in A1111 and in diffusers."""
_ALIASES = {
    "DPM++ 2M": ("k_dpmpp_2m",),
    "DPM++ 2M SDE": ("k_dpmpp_2m_sde",),
    "Euler a": ("k_euler_a", "k_euler_ancestral"),
    "Euler": ("k_euler",),
    "Heun": ("k_heun",),
    "DPM2": ("k_dpm_2",),
    "DPM2 a": ("k_dpm_2_a",),
    "UniPC": ("unipc",),
    "DDIM": ("ddim",),
}


class SamplerView(View):
    """A sampler."""

    name: str
    aliases: list[str]
    options: dict[str, str]
    """`scheduler`: the schedule that it takes where none is named."""


class SchedulerView(View):
    """A schedule of noise levels."""

    name: str
    label: str
    """What infotexts call it."""
    aliases: list[str] | None
    default_rho: float
    """-1 where it has no such number."""
    need_inner_model: bool


def samplers_routes() -> APIRouter:
    """Returns the routes that list samplers and schedules."""
    router = APIRouter()

    @router.get("/samplers")
    def samplers() -> list[SamplerView]:
        """Lists the samplers."""
        return [
            SamplerView(name=name, aliases=list(_ALIASES.get(name, ())), options={"scheduler": _options(name)})
            for name in dict.fromkeys(sampler.plain_name for sampler in SAMPLERS)
        ]

    @router.get("/schedulers")
    def schedulers() -> list[SchedulerView]:
        """Lists the schedules; a sampler takes those that it is listed with in `docs/rest.md`."""
        return [
            SchedulerView(
                name=scheduler_name(label),
                label=label,
                aliases=None,
                default_rho=_RHO if label == _KARRAS else -1,
                need_inner_model=label == _UNIFORM,
            )
            for label in scheduler_labels()
        ]

    return router


def scheduler_labels() -> list[str]:
    """Returns the names of the schedules as infotexts have them, `Automatic` first."""
    return list(dict.fromkeys([AUTOMATIC, *(sampler.schedule_type or _UNIFORM for sampler in SAMPLERS)]))


def scheduler_name(label: str) -> str:
    """Returns the name by which requests call a schedule."""
    return label.lower().replace(" ", "_")


def sampler_named(name: str, scheduler: str | None) -> Sampler:
    """Returns the studio's sampler for A1111's sampler and schedule; before 1.9 the schedule was part of the name.

    Raises:
        BadRequest: there is no such sampler, or it is not here with this schedule.
    """
    known = list(_with_the_name(name))
    if not known:
        names = ", ".join(dict.fromkeys(sampler.plain_name for sampler in SAMPLERS))
        raise BadRequest(f"Sampler not found: {name!r}. There are: {names}.")
    schedule = (scheduler or AUTOMATIC).strip().lower()
    if schedule in ("", AUTOMATIC.lower()):
        in_name = [sampler for sampler in known if sampler.name.lower() == name.strip().lower() != _plain(sampler)]
        return in_name[0] if in_name else automatic_sampler(known)
    for sampler in known:
        label = sampler.schedule_type or _UNIFORM
        if schedule in (label.lower(), scheduler_name(label)):
            return sampler
    labels = " or ".join(sampler.schedule_type or _UNIFORM for sampler in known)
    raise BadRequest(f"Scheduler {scheduler!r} is not here for the sampler {known[0].plain_name}; expected {labels}.")


def _with_the_name(name: str) -> Iterator[Sampler]:
    lowered = name.strip().lower()
    for sampler in SAMPLERS:
        plain = sampler.plain_name
        if lowered in (plain.lower(), f"{plain} {_KARRAS}".lower(), *_ALIASES.get(plain, ())):
            yield sampler


def _plain(sampler: Sampler) -> str:
    return sampler.plain_name.lower()


def _options(name: str) -> str:
    return scheduler_name(sampler_named(name, None).schedule_type or _UNIFORM)
