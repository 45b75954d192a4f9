"""`/ti/txt2img`: pictures from prompts, with the studio's own request. A1111's is under `/sdapi/v1/txt2img`."""

import base64
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query

from ti_studio.generation.events import Picture
from ti_studio.generation.request import GenerateRequest
from ti_studio.generation.service import png_bytes
from ti_studio.path_fields import CheckpointPath
from ti_studio.web.server.errors import ErrorView
from ti_studio.web.server.progress_view import GenerationProgress
from ti_studio.web.server.serial_executor import SerialExecutor
from ti_studio.web.server.services import Services
from ti_studio.web.server.views import View

_ERRORS: dict[int | str, dict[str, Any]] = {status: {"model": ErrorView} for status in (404, 422, 507)}
_EXAMPLE = {"prompt": "a photo of trizebra", "steps": 20, "count": 1, "seed": 1}

Painting = Annotated[GenerateRequest, Body(openapi_examples={"one": {"summary": "One picture", "value": _EXAMPLE}})]
Save = Annotated[bool, Query(description="Whether to keep the pictures in `outputs/txt2img/` too.")]
Checkpoint = Annotated[
    CheckpointPath | None, Query(description="A checkpoint's title; the one that is chosen on the page where left out.")
]


class PictureView(View):
    """A finished picture."""

    seed: int
    infotext: str
    image: str
    """PNG in base64, with the infotext inside."""
    path: str | None
    """Where it is kept."""

    @classmethod
    def of(cls, picture: Picture) -> "PictureView":
        """Returns the view of a picture."""
        image = base64.b64encode(png_bytes(picture)).decode()
        path = str(picture.path) if picture.path else None
        return cls(seed=picture.seed, infotext=picture.infotext, image=image, path=path)


class PaintedView(View):
    """What was painted."""

    pictures: list[PictureView]
    """Fewer than were asked for, if it was interrupted."""
    notices: list[str]
    """What of the prompt was not used, and why."""


class PaintingView(View):
    """How far a painting is."""

    painting: bool
    """Whether anything is being painted, by REST or on the page."""
    step: int
    """Of all batches together."""
    steps: int
    pictures: int
    """Finished ones."""
    count: int
    """Those that are asked for."""
    seconds_left: float
    text: str
    """What is done before the first step."""


def generation_routes(services: Services, executor: SerialExecutor) -> APIRouter:
    """Returns the routes of txt2img."""
    router = APIRouter(prefix="/ti/txt2img", tags=["txt2img"])
    txt2img = services.txt2img

    @router.post("", responses=_ERRORS)
    async def paint(request: Painting, save: Save = False, checkpoint: Checkpoint = None) -> PaintedView:
        """Paints pictures and answers when they are done. What is asked meanwhile waits for its turn."""

        def painted() -> PaintedView:
            progress = GenerationProgress(request)
            for event in txt2img.generate(request, checkpoint=checkpoint or None, save=save):
                progress.take(event)
            return PaintedView(
                pictures=[PictureView.of(picture) for picture in progress.pictures], notices=list(progress.notices)
            )

        txt2img.check(request)
        return await executor.take(painted)

    @router.get("/progress")
    def progress() -> PaintingView:
        """Tells how far the painting is, the page's own included."""
        activity = txt2img.activity
        if activity is None:
            return PaintingView(painting=False, step=0, steps=0, pictures=0, count=0, seconds_left=0, text="")
        return PaintingView(
            painting=True,
            step=activity.step,
            steps=activity.steps,
            pictures=activity.pictures,
            count=activity.request.count,
            seconds_left=activity.seconds_left,
            text=activity.text,
        )

    @router.post("/interrupt", status_code=204)
    def interrupt() -> None:
        """Ends the painting after its present step; finished pictures are kept."""
        txt2img.interrupt()

    @router.post("/skip", status_code=204)
    def skip() -> None:
        """Ends the batch that is being painted (up to four pictures) and goes on with the next one."""
        txt2img.skip()

    return router
