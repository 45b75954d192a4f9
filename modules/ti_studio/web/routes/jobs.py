"""`/ti/jobs`: trainings, as the live monitor and scripts see them. What starts one is what the page's form makes."""

from pathlib import Path as FilePath
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query, Request, Response

from ti_studio.errors import Conflict, NotFound
from ti_studio.folders import inside
from ti_studio.jobs.job import Job
from ti_studio.jobs.queue import Jobs
from ti_studio.training.config.request import TrainRequest
from ti_studio.web.routes.events import add_events
from ti_studio.web.routes.job_views import JobReport, JobView
from ti_studio.web.server.errors import ErrorView
from ti_studio.web.server.files import send_file
from ti_studio.web.server.pictures import PICTURE_ANSWERS, send_picture
from ti_studio.web.server.services import Services

AfterStep = Annotated[
    int, Query(ge=0, description="Only points of later steps; for a client that has the earlier ones.")
]
PreviewName = Annotated[str, Path(pattern=r"^\d+-\d+\.png$", description="As `url_name` gives it.")]
SnapshotName = Annotated[
    str, Path(pattern=r"^[^/\\]+\.(safetensors|pt)$", description="The last part of a snapshot's `path`.")
]
Word = Annotated[str | None, Query(description="Of a training of several words, which one; the first where left out.")]
Confirm = Annotated[bool, Query(description="true: delete. Without it the answer says what would be lost.")]
Training = Annotated[
    TrainRequest,
    Body(
        openapi_examples={
            "first": {
                "summary": "The least there is to say",
                "value": {"name": "trizebra", "dataset_directory": "examples/trizebra"},
            },
            "schedule": {
                "summary": "With A1111's learning-rate schedule",
                "value": {
                    "name": "trizebra",
                    "dataset_directory": "examples/trizebra",
                    "initialization_text": "triangle",
                    "vectors_per_token": 2,
                    "learning_rate": "0.005:100, 1e-3",
                    "max_steps": 300,
                },
            },
        }
    ),
]
FILE_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        "description": "The file.",
    }
}


def jobs_routes(services: Services) -> APIRouter:
    """Returns the routes of trainings."""
    router = APIRouter(
        prefix="/ti/jobs",
        tags=["jobs"],
        responses={status: {"model": ErrorView} for status in (403, 404, 409, 422, 507)},
    )
    _add_views(router, services.jobs)
    add_events(router, services.jobs)
    _add_files(router, services)
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

    @router.get("/{job_id}/request")
    def request_of_job(job_id: str) -> TrainRequest:
        """Tells what was asked for; changed, it can be submitted again."""
        return jobs.get(job_id).request


def _add_files(router: APIRouter, services: Services) -> None:
    jobs = services.jobs

    @router.get("/{job_id}/previews/{name}", response_class=Response, responses=PICTURE_ANSWERS)
    def preview(job_id: str, name: PreviewName, request: Request) -> Response:
        """Sends one preview picture."""
        return send_picture(jobs.get(job_id).preview_path(name), request)

    @router.get("/{job_id}/snapshots/{name}", response_class=Response, responses=FILE_ANSWERS)
    def snapshot(job_id: str, name: SnapshotName) -> Response:
        """Sends a copy of the embedding as it was at a step."""
        return _download(inside(jobs.get(job_id).folder / "snapshots", name))

    @router.get("/{job_id}/embedding", response_class=Response, responses=FILE_ANSWERS)
    def embedding(job_id: str, word: Word = None) -> Response:
        """Sends the finished embedding, as this training made it."""
        return _download(_finished_file(jobs.get(job_id), word, services.folders.embeddings))


def _add_orders(router: APIRouter, jobs: Jobs) -> None:
    @router.post("", status_code=201)
    def submit_job(request: Training) -> JobView:
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
    def remove_job(job_id: str, confirm: Confirm = False) -> None:
        """Deletes a training's folder, and with it its snapshots, previews and state. The embedding it made stays."""
        job = jobs.get(job_id)
        if not confirm:
            raise Conflict(f"{_loss(job)} would be deleted for good; ask again with confirm=true.")
        jobs.remove(job_id)


def _loss(job: Job) -> str:
    """Returns what goes with a job's folder, in words."""
    summary = job.summary()
    lost = f"{len(summary['snapshots'])} snapshots and {len(summary['previews'])} previews of {job.request.name!r}"
    return (
        f"{lost}, and the state by which it can be resumed at step {summary['step']}" if summary["can_resume"] else lost
    )


def _finished_file(job: Job, word: str | None, embeddings: FilePath) -> FilePath:
    """Returns the file of a finished word: the training's own copy, for the one in the library may be newer.

    Raises:
        NotFound: the training has not finished, or is not of this word.
    """
    summary = job.summary()
    made = [FilePath(path) for path in [summary["embedding"], *summary["more_embeddings"]] if path]
    matching = [path for path in made if word is None or path.stem == word]
    if not matching:
        made_here = f"it made {', '.join(path.stem for path in made)}" if made else f"it is {job.status.value}"
        raise NotFound(f"The training {job.id!r} has no finished embedding {word or job.request.name!r}; {made_here}.")
    kept = inside(job.folder / "snapshots", matching[0].name)
    return kept if kept.is_file() else inside(embeddings, str(matching[0]))


def _download(path: FilePath) -> Response:
    return send_file(path, filename=path.name)
