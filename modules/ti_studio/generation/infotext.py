"""The text that a picture carries about how it was made, in A1111's form."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ti_studio import __version__
from ti_studio.generation.request import GenerateRequest
from ti_studio.generation.samplers import find_sampler
from ti_studio.prompts.grammar import Emphasis

SHORT_HASH = 12
"""Hex digits of an embedding's SHA-256 in `TI hashes`, as in A1111."""

MODEL_HASH = 10
"""Hex digits of a checkpoint's SHA-256 in `Model hash`, as in A1111."""


@dataclass(frozen=True)
class MadeWith:
    """What a picture was made with, beyond the request."""

    model_title: str
    model_sha256: str
    size: tuple[int, int]
    """Width and height, pixels."""
    embeddings: Mapping[str, str] = field(default_factory=dict)
    """The SHA-256 of each embedding that the prompts use, by word."""


def build_infotext(request: GenerateRequest, seed: int, made_with: MadeWith) -> str:
    """Returns A1111's infotext: the prompt, the negative prompt, and a line of settings."""
    sampler = find_sampler(request.sampler)
    name = sampler.name.removesuffix(" Karras")
    settings: dict[str, object] = {"Steps": request.steps, "Sampler": name}
    if sampler.schedule_type:
        settings["Schedule type"] = sampler.schedule_type
    settings |= {
        "CFG scale": f"{request.cfg_scale:g}",
        "Seed": seed,
        "Size": "{}x{}".format(*made_with.size),
        "Model hash": made_with.model_sha256[:MODEL_HASH],
        "Model": model_name(made_with.model_title),
    }
    if request.clip_skip > 1:
        settings["Clip skip"] = request.clip_skip
    if request.emphasis is not Emphasis.ORIGINAL:
        settings["Emphasis"] = request.emphasis.value
    eta = sampler.other_eta(request.eta)
    if eta is not None and sampler.eta is not None:
        settings[sampler.eta.key] = f"{eta:g}"
    if made_with.embeddings:
        hashes = ", ".join(f"{plain_name(name)}: {sha[:SHORT_HASH]}" for name, sha in made_with.embeddings.items())
        settings["TI hashes"] = f'"{hashes}"'
    settings["Version"] = f"Textual Inversion Studio {__version__}"
    lines = [request.prompt]
    if request.negative_prompt:
        lines.append(f"Negative prompt: {request.negative_prompt}")
    lines.append(", ".join(f"{key}: {value}" for key, value in settings.items()))
    return "\n".join(lines)


def model_name(title: str) -> str:
    """Returns what infotexts call a checkpoint: its title without the folders that it lies in."""
    return plain_name(title.rpartition("/")[2])


def plain_name(name: str) -> str:
    """Returns a name without what separates fields, as A1111 writes it."""
    return name.replace(":", "").replace(",", "").replace('"', "")
