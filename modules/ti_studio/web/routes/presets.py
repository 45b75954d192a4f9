"""`/ti/presets`: ready-made ways to train."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from ti_studio.path_fields import CheckpointPath
from ti_studio.training.config.preset_kinds import SUGGESTED
from ti_studio.training.config.presets import presets_for, recipe
from ti_studio.web.server.errors import ErrorView
from ti_studio.web.server.services import Services


class PresetView(BaseModel):
    """One preset."""

    name: str
    purpose: str
    """What it is for, in a line."""
    source: str
    """Whose values they are: of a publication for the checkpoint's family, or of the checkpoint's own folder."""
    values: dict[str, Any]
    """The value of every field that it decides, a default or its own: a request to `/ti/jobs` less what is taught and
    from what."""
    suggested: list[str]
    """Those of the fields that hold texts which a person would rather write."""


def presets_routes(services: Services) -> APIRouter:
    """Returns the route."""
    router = APIRouter(prefix="/ti/presets", tags=["presets"])

    @router.get("", responses={404: {"model": ErrorView}})
    def list_presets(checkpoint: CheckpointPath | None = None) -> list[PresetView]:
        """Lists the presets for a checkpoint, by its title or path, or for the chosen one; a request to `/ti/jobs`
        for that checkpoint takes a preset's values and its own beside and over them."""
        txt2img = services.txt2img
        presets = presets_for(txt2img.find(checkpoint) if checkpoint else txt2img.checkpoint)
        return [
            PresetView(
                name=name,
                purpose=preset.purpose,
                source=preset.source,
                values=recipe(name, presets),
                suggested=list(SUGGESTED),
            )
            for name, preset in presets.items()
        ]

    return router
