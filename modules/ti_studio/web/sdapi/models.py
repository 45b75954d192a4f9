"""`/sdapi/v1/sd-models` and the lists of what A1111 has beside checkpoints, most of which are empty here."""

from typing import Any

from fastapi import APIRouter

from ti_studio.generation.infotext import MODEL_HASH
from ti_studio.models.checkpoint.checkpoints import CheckpointInfo
from ti_studio.web.sdapi.errors import refusals
from ti_studio.web.server.services import Services
from ti_studio.web.server.views import View

EMPTY = {
    "sd-vae": "VAEs: each checkpoint brings its own.",
    "upscalers": "upscalers.",
    "latent-upscale-modes": "ways to enlarge.",
    "loras": "LoRAs.",
    "hypernetworks": "hypernetworks.",
    "face-restorers": "restorers of faces.",
    "realesrgan-models": "upscalers of this kind.",
    "prompt-styles": "prompt styles.",
    "script-info": "scripts.",
}
"""Routes that list what is not here, and what that is."""


class CheckpointView(View):
    """A checkpoint."""

    title: str
    """What `sd_model_checkpoint` takes: the path inside the checkpoint folder."""
    model_name: str
    """The same without the ending."""
    hash: str | None
    """The first ten hexadecimal digits of the weights' SHA-256, where it is known: of the one that was painted with."""
    sha256: str | None
    filename: str
    config: str | None = None


class ScriptsView(View):
    """The names of scripts by where they run."""

    txt2img: list[str]
    img2img: list[str]


def models_routes(services: Services) -> APIRouter:
    """Returns the routes that list what can be painted with."""
    router = APIRouter()

    @router.get("/sd-models")
    def sd_models() -> list[CheckpointView]:
        """Lists the checkpoints."""
        loaded = services.txt2img.loaded
        return [_view(info, loaded) for info in services.txt2img.checkpoints()]

    @router.post("/refresh-checkpoints")
    def refresh_checkpoints() -> None:
        """Does nothing: `sd-models` looks at the folder each time."""

    @router.post("/unload-checkpoint")
    def unload_checkpoint() -> dict[str, str]:
        """Frees the loaded checkpoint's memory; the next picture loads it again."""
        services.txt2img.release()
        return {}

    @router.post("/reload-checkpoint", responses=refusals(404, 422))
    def reload_checkpoint() -> dict[str, str]:
        """Checks that the chosen checkpoint is there. It is loaded for the next picture."""
        return {"info": f"{services.txt2img.checkpoint.title} is loaded for the next picture"}

    @router.get("/scripts")
    def scripts() -> ScriptsView:
        """Lists scripts: there are none."""
        return ScriptsView(txt2img=[], img2img=[])

    for name, what in EMPTY.items():
        _add_empty(router, name, what)
    return router


def _add_empty(router: APIRouter, name: str, what: str) -> None:
    def nothing() -> list[dict[str, Any]]:
        return []

    router.add_api_route(
        f"/{name}", nothing, name=name.replace("-", "_"), summary=name, description=f"There are no {what}"
    )


def _view(info: CheckpointInfo, loaded: CheckpointInfo | None) -> CheckpointView:
    # Working a hash out reads gigabytes, for which a list must not wait; that of the loaded one is known.
    sha256 = loaded.sha256 if loaded is not None and loaded.path == info.path else None
    name = info.title if info.path.is_dir() else info.title.removesuffix(info.path.suffix)
    return CheckpointView(
        title=info.title,
        model_name=name,
        hash=sha256[:MODEL_HASH] if sha256 else None,
        sha256=sha256,
        filename=str(info.path),
    )
