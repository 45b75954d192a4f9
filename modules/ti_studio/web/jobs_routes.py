"""`/ti/jobs`: trainings, as the live monitor and scripts see them. What starts one is what the page's form makes."""

import math
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, BeforeValidator

from ti_studio.jobs.job import Job
from ti_studio.jobs.progress import JobStatus
from ti_studio.jobs.queue import Jobs
from ti_studio.training.request import TrainRequest
from ti_studio.web.errors import ErrorView
from ti_studio.web.pictures import PICTURE_ANSWERS, send_picture
from ti_studio.web.services import Services


def _finite(value: Any) -> Any:
    """JSON has no NaN and no infinity; a diverged loss is shown as missing."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


Number = Annotated[float | None, BeforeValidator(_finite)]
AfterStep = Annotated[
    int, Query(ge=0, description="Only points of later steps; for a client that has the earlier ones.")
]

PreviewName = Annotated[str, Path(pattern=r"^\d+-\d+\.png$", description="As `url_name` gives it.")]


class PreviewView(BaseModel):
    """One preview picture of a training."""

    step: int
    index: int
    prompt: str
    seed: int
    url_name: str
    """Its name under `/ti/jobs/{id}/previews/`."""


class SnapshotView(BaseModel):
    """A copy of the embedding as it was at a step."""

    step: int
    path: str
    """Relative to the job's folder."""


class ValidationView(BaseModel):
    """What a validation found."""

    step: int
    loss: Number
    """The plain loss at the same pictures, prompts, noise and timesteps each time."""


class JobView(BaseModel):
    """What is known about one training."""

    id: str
    name: str
    """The word that is taught."""
    status: JobStatus
    created: float
    """When it was submitted, Unix seconds."""
    step: int
    max_steps: int
    loss: Number
    smoothed_loss: Number
    learning_rate: Number
    grad_norm: Number
    vector_norm: Number
    """The mean Euclidean norm of the learned rows."""
    steps_per_second: Number
    seconds_left: Number
    elapsed: Number
    checkpoint: str | None
    device: str | None
    precision: str | None
    pictures: int | None
    """Pictures that are learned from."""
    message: str | None
    """What the worker is doing before its first step."""
    warnings: list[str]
    previews: list[PreviewView]
    validations: list[ValidationView]
    best_step: int | None
    """The step of the best validation so far; 0 before the first after a step, None without validations."""
    snapshots: list[SnapshotView]
    embedding: str | None
    """The finished file."""
    reason: str | None
    """Why it failed."""
    early: str | None
    """Why it finished before its last step."""
    can_resume: bool
    queue_position: int | None
    """1 for the job that starts next; None for one that does not wait."""

    @classmethod
    def of(cls, job: Job) -> "JobView":
        """Returns the view of a job."""
        return cls.model_validate(job.summary())


class LossPoint(BaseModel):
    """One step on the loss curve."""

    step: int
    loss: Number
    smoothed_loss: Number
    learning_rate: Number

    @classmethod
    def of(cls, point: Sequence[float]) -> "LossPoint":
        """Returns the view of a point of a job's curve."""
        return cls.model_validate(dict(zip(cls.model_fields, point, strict=True)))


class JobReport(BaseModel):
    """A training and its loss curve, thinned to what a plot can show."""

    job: JobView | None
    """None when there has never been a training."""
    curve: list[LossPoint]

    @classmethod
    def of(cls, job: Job | None, after_step: int) -> "JobReport":
        """Returns the report on a job."""
        if job is None:
            return cls(job=None, curve=[])
        curve = [LossPoint.of(point) for point in job.loss_curve(after_step)]
        return cls(job=JobView.of(job), curve=curve)


def jobs_routes(services: Services) -> APIRouter:
    """Returns the routes of trainings."""
    router = APIRouter(
        prefix="/ti/jobs", tags=["jobs"], responses={status: {"model": ErrorView} for status in (404, 409, 422)}
    )
    _add_views(router, services.jobs)
    _add_orders(router, services.jobs)
    return router


def _add_views(router: APIRouter, jobs: Jobs) -> None:
    @router.get("")
    def list_jobs(limit: Annotated[int, Query(ge=1, le=1000)] = 30) -> list[JobView]:
        """Lists trainings, the newest first."""
        return [JobView.of(job) for job in jobs.list()[:limit]]

    @router.get("/current")
    def current_job(after_step: AfterStep = 0) -> JobReport:
        """Reports on the training that runs, else the one that is next, else the newest."""
        return JobReport.of(jobs.current(), after_step)

    @router.get("/{job_id}")
    def report_job(job_id: str, after_step: AfterStep = 0) -> JobReport:
        """Reports on one training."""
        return JobReport.of(jobs.get(job_id), after_step)

    @router.get("/{job_id}/previews/{name}", response_class=Response, responses=PICTURE_ANSWERS)
    def preview(job_id: str, name: PreviewName, request: Request) -> Response:
        """Sends one preview picture."""
        return send_picture(jobs.get(job_id).preview_path(name), request)


def _add_orders(router: APIRouter, jobs: Jobs) -> None:
    @router.post("", status_code=201)
    def submit_job(request: TrainRequest) -> JobView:
        """Starts a training, or queues it while another one runs."""
        return JobView.of(jobs.submit(request))

    @router.post("/{job_id}/stop")
    def stop_job(job_id: str) -> JobView:
        """Asks a training to stop after its present step; it can be resumed."""
        return JobView.of(jobs.stop(job_id))

    @router.post("/{job_id}/resume")
    def resume_job(job_id: str) -> JobView:
        """Goes on with a training that was stopped, failed or crashed."""
        return JobView.of(jobs.resume(job_id))

    @router.delete("/{job_id}", status_code=204)
    def remove_job(job_id: str) -> None:
        """Deletes a training's folder. The embedding it made stays."""
        jobs.remove(job_id)
