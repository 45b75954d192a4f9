"""From A1111's txt2img body to what the studio paints: what is obeyed, refused, or left alone and told."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ti_studio.generation.request import GenerateRequest
from ti_studio.generation.restoring import Infotext, doubts, read_infotext, restored
from ti_studio.generation.samplers import Sampler, find_sampler
from ti_studio.web.sdapi.errors import NotPossibleHere
from ti_studio.web.sdapi.options import Settings, chosen, unheeded
from ti_studio.web.sdapi.samplers import DEFAULT_SAMPLER, sampler_named
from ti_studio.web.sdapi.txt2img_body import Txt2ImgBody
from ti_studio.web.server.services import Services

_NO_SCRIPT = ("", "none")
_WITHOUT_EFFECT: Mapping[str, tuple[Any, ...]] = {
    "subseed_strength": (0,),
    "seed_resize_from_h": (-1, 0),
    "seed_resize_from_w": (-1, 0),
    "restore_faces": (False,),
    "tiling": (False,),
    "enable_hr": (False,),
    "s_churn": (None, 0),
    "s_noise": (None, 1),
    "s_min_uncond": (None, 0),
}
"""For fields that can't be obeyed here, the values with which A1111 paints the same picture as without them."""


@dataclass(frozen=True)
class Wanted:
    """What is to be painted, and how."""

    request: GenerateRequest
    settings: Settings
    notices: tuple[str, ...]
    """What was asked for and makes no difference."""


def read_body(body: Txt2ImgBody, settings: Settings, services: Services) -> Wanted:
    """Returns what a body asks for.

    Args:
        body: the body.
        settings: what the server's options say.
        services: the studio, against which an infotext is checked.

    Raises:
        StudioError: it asks for what there is not, or what would make another picture here.
    """
    _check(body)
    settings = settings.changed(body.override_settings)
    base = GenerateRequest(sampler=DEFAULT_SAMPLER, steps=body.steps, cfg_scale=body.cfg_scale)
    read = {"clip_skip": settings.clip_skip, "emphasis": settings.emphasis}
    base = base.model_copy(update=read)
    notices = [f"{name} is not known here and was not heeded." for name in body.model_extra or {}]
    notices += [f"The option {name} makes no difference here." for name in unheeded(body.override_settings)]
    if body.infotext and body.infotext.strip():
        infotext = read_infotext(body.infotext)
        was = restored(infotext, base)
        base = was.request
        notices += [*was.notices, *_doubts(infotext, services)]
    sampler = _sampler(body, base.sampler)
    _check_eta(body.eta, sampler)
    overridden = {"clip_skip": "CLIP_stop_at_last_layers", "emphasis": "emphasis"}
    values = {name: read[name] for name, option in overridden.items() if getattr(body.override_settings, option)}
    values |= {**body.given(), "count": body.count, "sampler": sampler.name}
    return Wanted(base.model_copy(update=values), settings, tuple(notices))


def _sampler(body: Txt2ImgBody, otherwise: str) -> Sampler:
    name = body.sampler_name or body.sampler_index
    if name is None and body.scheduler is None:
        return find_sampler(otherwise)
    return sampler_named(name or find_sampler(otherwise).plain_name, body.scheduler)


def _doubts(infotext: Infotext, services: Services) -> Iterator[str]:
    info = chosen(services.txt2img)
    if info is not None:
        yield from doubts(infotext, services.library, info)


def _check(body: Txt2ImgBody) -> None:
    for name, values in _WITHOUT_EFFECT.items():
        given_value = getattr(body, name)
        if given_value not in values:
            expected = " or ".join(str(value) for value in values if value is not None)
            raise NotPossibleHere(
                f"{name} can't be obeyed here, where {expected} is all it may be; found {given_value!r}."
            )
    if any(style and style.lower() != "none" for style in body.styles):
        raise NotPossibleHere(f"There are no prompt styles here; found {', '.join(body.styles)}.")
    if (body.refiner_checkpoint or "none").lower() != "none":
        raise NotPossibleHere(f"There is no refiner here; found refiner_checkpoint {body.refiner_checkpoint!r}.")
    if (body.script_name or "").lower() not in _NO_SCRIPT:
        raise NotPossibleHere(f"Script {body.script_name!r} not found: there are no scripts here.")
    for script in body.alwayson_scripts:
        raise NotPossibleHere(f"Always on script {script} not found: there are no scripts here.")


def _check_eta(eta: float | None, sampler: Sampler) -> None:
    """The SDE samplers are painted with all of their noise."""
    own = sampler.eta
    if eta is not None and own is not None and own.is_fixed and eta != own.default:
        raise NotPossibleHere(f"eta of the sampler {sampler.plain_name} is always {own.default:g} here; found {eta:g}.")
