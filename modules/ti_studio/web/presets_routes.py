"""`/ti/presets`: ready-made ways to train."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from ti_studio.training.presets import PRESETS, SUGGESTED, recipe


class PresetView(BaseModel):
    """One preset."""

    name: str
    purpose: str
    """What it is for, in a line."""
    values: dict[str, Any]
    """The value of every field that it decides, a default or its own: a request to `/ti/jobs` less what is taught and
    from what."""
    suggested: list[str]
    """Those of the fields that hold texts which a person would rather write."""


def presets_routes() -> APIRouter:
    """Returns the route."""
    router = APIRouter(prefix="/ti/presets", tags=["presets"])

    @router.get("")
    def list_presets() -> list[PresetView]:
        """Lists the presets; a request to `/ti/jobs` takes a preset's values and its own beside and over them."""
        return [
            PresetView(name=name, purpose=preset.purpose, values=recipe(name), suggested=list(SUGGESTED))
            for name, preset in PRESETS.items()
        ]

    return router
