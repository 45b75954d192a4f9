"""Routes that A1111 has and the studio has not: asked for, they say so."""

from fastapi import APIRouter

from ti_studio.errors import NotFound
from ti_studio.web.sdapi.errors import refusals

ABSENT = {
    "img2img": "img2img",
    "extra-single-image": "upscaling",
    "extra-batch-images": "upscaling",
    "interrogate": "captioning",
    "create/hypernetwork": "hypernetworks",
    "train/hypernetwork": "hypernetworks",
}
"""The routes, and what they would be for."""


def absent_routes() -> APIRouter:
    """Returns the routes."""
    router = APIRouter()
    for path, what in ABSENT.items():
        _add(router, path, what)
    return router


def _add(router: APIRouter, path: str, what: str) -> None:
    def refuse() -> None:
        raise NotFound(f"Textual Inversion Studio has no {what}: it paints with txt2img and trains embeddings.")

    name = path.replace("-", "_").replace("/", "_")
    router.add_api_route(
        f"/{path}",
        refuse,
        methods=["POST"],
        name=name,
        status_code=404,
        response_model=None,
        summary=f"No {what} here",
        description="Answers 404 whatever it is sent.",
        responses=refusals(404),
    )
