"""`/sdapi/v1/progress`, `interrupt` and `skip`."""

import base64
import time

from fastapi import APIRouter, Query

from ti_studio.generation.activity import Activity
from ti_studio.generation.service import png_bytes
from ti_studio.jobs.job import ACTIVE, Job
from ti_studio.web.sdapi.training import Trainings
from ti_studio.web.server.services import Services
from ti_studio.web.server.views import View

_TIMESTAMP = "%Y%m%d%H%M%S"


class StateView(View):
    """What A1111 tells of its state."""

    skipped: bool = False
    interrupted: bool = False
    stopping_generation: bool = False
    job: str = ""
    """`txt2img`, `train-embedding`, or nothing."""
    job_count: int = 0
    """Pictures that are asked for, or the training's steps; 0: nothing is done."""
    job_timestamp: str = "0"
    job_no: int = 0
    """Pictures that are finished, or the training's step."""
    sampling_step: int = 0
    sampling_steps: int = 0


class ProgressView(View):
    """How far the studio is."""

    progress: float = 0.0
    """0 to 1; 0 also when nothing is done."""
    eta_relative: float = 0.0
    """Seconds left."""
    state: StateView = StateView()
    current_image: str | None = None
    """The last finished picture of the request that is being painted, as PNG in base64."""
    textinfo: str | None = None


def progress_routes(services: Services, trainings: Trainings) -> APIRouter:
    """Returns the routes that look at work and end it."""
    router = APIRouter()

    @router.get("/progress")
    def progress(
        skip_current_image: bool = Query(default=False, description="Without the picture."),
    ) -> ProgressView:
        """Tells how far the painting is, the page's own included; else how far the training is that runs."""
        activity = services.txt2img.activity
        if activity is not None:
            return _of_painting(activity, with_picture=not skip_current_image)
        job = services.jobs.current()
        return _of_training(job) if job is not None and job.status in ACTIVE else ProgressView()

    @router.post("/interrupt")
    def interrupt() -> dict[str, str]:
        """Ends the painting after its present step, and the trainings that `train/embedding` waits for."""
        services.txt2img.interrupt()
        trainings.interrupt()
        return {}

    @router.post("/skip")
    def skip() -> dict[str, str]:
        """Ends the batch that is being painted (up to four pictures) and goes on with the next one."""
        services.txt2img.skip()
        return {}

    return router


def _of_painting(activity: Activity, *, with_picture: bool) -> ProgressView:
    state = StateView(
        skipped=activity.skipped,
        interrupted=activity.interrupted,
        job="txt2img",
        job_count=activity.request.count,
        job_timestamp=time.strftime(_TIMESTAMP, time.localtime(activity.began)),
        job_no=activity.pictures,
        sampling_step=activity.step,
        sampling_steps=activity.steps,
    )
    picture = activity.latest if with_picture else None
    return ProgressView(
        progress=activity.fraction,
        eta_relative=activity.seconds_left,
        state=state,
        current_image=base64.b64encode(png_bytes(picture)).decode() if picture else None,
        textinfo=activity.text or None,
    )


def _of_training(job: Job) -> ProgressView:
    summary = job.summary()
    step, steps = summary["step"], summary["max_steps"]
    state = StateView(
        interrupted=summary["status"] == "stopping",
        job="train-embedding",
        job_count=steps,
        job_timestamp=time.strftime(_TIMESTAMP, time.localtime(job.created)),
        job_no=step,
    )
    text = summary["message"] or f"{summary['name']}: step {step} of {steps}"
    return ProgressView(
        progress=min(1.0, step / steps),
        eta_relative=max(0.0, summary["seconds_left"] or 0.0),
        state=state,
        textinfo=text,
    )
