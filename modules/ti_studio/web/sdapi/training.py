"""`/sdapi/v1/train/embedding`: A1111's way to train, which answers when the training is over."""

import asyncio
import threading
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from ti_studio.embeddings.library.entries import Entry, EntryState
from ti_studio.errors import Conflict, StudioError
from ti_studio.jobs.job import ACTIVE, Job
from ti_studio.jobs.progress import JobStatus
from ti_studio.jobs.queue import Jobs
from ti_studio.training.config.request import TrainRequest
from ti_studio.watchdog import sign_of_life
from ti_studio.web.sdapi.embeddings import InfoView
from ti_studio.web.sdapi.errors import NotPossibleHere, refusals
from ti_studio.web.sdapi.options import chosen
from ti_studio.web.sdapi.training_body import TrainBody
from ti_studio.web.server.errors import sentences
from ti_studio.web.server.services import Services

LOOKS_EVERY = 0.5
"""Seconds between two looks at a training that is waited for."""

Wait = Annotated[
    bool, Query(description="false: answer at once; `GET /ti/jobs/{job_id}` tells the rest. Not in A1111.")
]


class TrainView(InfoView):
    """How a training ended, or that it has begun."""

    job_id: str
    """What `/ti/jobs` calls it. Not in A1111."""
    notices: list[str]
    """What was asked for and makes no difference. Not in A1111."""


class TrainingFailed(StudioError):
    """The training that was waited for ended with an error."""


class TrainingStopped(Conflict):
    """The training that was waited for was stopped."""


class Trainings:
    """The trainings that requests wait for. Safe to use from several threads."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._lock = threading.Lock()
        self._waited_for: set[str] = set()

    def interrupt(self) -> None:
        """Asks them all to stop after their present step."""
        with self._lock:
            waited_for = list(self._waited_for)
        for job_id in waited_for:
            if self._jobs.get(job_id).status in (JobStatus.QUEUED, JobStatus.RUNNING):
                self._jobs.stop(job_id)

    async def end_of(self, job_id: str) -> Job:
        """Waits until a training is over, and returns it as it is then.

        Raises:
            NotFound: it was removed meanwhile.
        """
        with self._lock:
            self._waited_for.add(job_id)
        try:
            while True:
                sign_of_life()
                job = await run_in_threadpool(self._jobs.get, job_id)
                if job.status not in (*ACTIVE, JobStatus.QUEUED):
                    return job
                await asyncio.sleep(LOOKS_EVERY)
        finally:
            with self._lock:
                self._waited_for.discard(job_id)


def training_routes(services: Services, trainings: Trainings) -> APIRouter:
    """Returns the route that trains."""
    router = APIRouter()

    @router.post("/train/embedding", responses=refusals(403, 404, 409, 422, 507))
    async def train(body: TrainBody, wait: Wait = True) -> TrainView:
        """Trains in a process of its own and answers when it is over. Whoever hangs up lets it go on."""
        job = await run_in_threadpool(lambda: services.jobs.submit(_read(body, services)))
        notices = list(body.notices())
        if not wait:
            said = f"train embedding {job.status.value}: job {job.id}"
            return TrainView(info=said, job_id=job.id, notices=notices)
        ended = await trainings.end_of(job.id)
        return TrainView(info=_said(ended), job_id=job.id, notices=notices)

    return router


def _read(body: TrainBody, services: Services) -> TrainRequest:
    """Returns the training that a body asks for.

    Raises:
        StudioError: there is no such training here.
    """
    services.library.refresh()
    info = chosen(services.txt2img)
    values = body.values(_present(body.embedding_name, services))
    if info is not None:
        values.setdefault("checkpoint", str(info.path))
    try:
        return TrainRequest(**values)
    except ValidationError as error:
        raise NotPossibleHere(sentences(error.errors())) from error


def _present(name: str, services: Services) -> Entry | None:
    """Returns the embedding of a name.

    Raises:
        NotPossibleHere: it can't be trained on.
    """
    info = chosen(services.txt2img)
    entries = services.library.entries(info.widths, info.family.name) if info else services.library.entries()
    for entry in entries:
        if entry.word.lower() == name.lower() and entry.conflict is None:
            if entry.state is not EntryState.USABLE:
                raise NotPossibleHere(f"The embedding {entry.word} can't be trained on: {entry.reason}.")
            return entry
    return None


def _said(job: Job) -> str:
    """Returns A1111's sentence on a training that is over.

    Raises:
        TrainingFailed, TrainingStopped: it did not go well.
    """
    summary = job.summary()
    if job.status is JobStatus.FINISHED:
        return f"train embedding complete: filename: {summary['embedding']} error: None"
    resume = f"POST /ti/jobs/{job.id}/resume goes on with it."
    if job.status is JobStatus.STOPPED:
        raise TrainingStopped(f"The training was stopped at step {summary['step']} of {summary['max_steps']}. {resume}")
    raise TrainingFailed(f"{summary['reason']} {resume}")
