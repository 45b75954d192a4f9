"""`/ti/jobs/{id}/events`: what happens in a training, as JSON and as a stream of server-sent events."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from ti_studio.errors import NotFound
from ti_studio.jobs.event_log import EventLog
from ti_studio.jobs.job import ACTIVE, Job
from ti_studio.jobs.progress import JobStatus
from ti_studio.jobs.queue import Jobs
from ti_studio.web.routes.job_views import EventsView, EventView

LOOKS_EVERY = 0.5
"""Seconds between two looks at a training's file."""
AT_ONCE = 1000
"""Events that are in memory for one stream, of the million that a training may have."""
SIGN_OF_LIFE = 15.0
"""Seconds of silence after which a comment is sent, for proxies that end silent connections."""

After = Annotated[int, Query(ge=0, description="Only events after this id.")]
Limit = Annotated[int, Query(ge=1, le=10_000, description="So many at most.")]
LastEventId = Annotated[int, Header(ge=0, description="What a browser that connects again has read already.")]

_MESSAGE: dict[str, Any] = {
    "type": "object",
    "properties": {"id": {"type": "string"}, "event": {"const": "message"}, "data": {"type": "string"}},
    "required": ["data"],
}
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Messages whose data is an event's JSON and whose id is the event's. The stream ends with the "
        "training.",
        "content": {"text/event-stream": {"schema": _MESSAGE}},
    },
    204: {"description": "The training is over and there is nothing after this id; a browser asks no more."},
}


def add_events(router: APIRouter, jobs: Jobs) -> None:
    """Adds the routes of events to those of trainings."""

    @router.get("/{job_id}/events")
    def list_events(job_id: str, after: After = 0, limit: Limit = 1000) -> EventsView:
        """Lists what has happened in a training."""
        job = jobs.get(job_id)
        events = [EventView.of(logged) for logged in EventLog(job.files.events_path, after).read(limit)]
        last = events[-1].id if events else after
        return EventsView(events=events, last=last, ended=is_over(job) and len(events) < limit)

    @router.get("/{job_id}/events/stream", response_class=StreamingResponse, responses=_STREAM)
    async def stream_events(job_id: str, after: After = 0, last_event_id: LastEventId = 0) -> Response:
        """Streams what happens in a training, from the first event or the one after the last that was read."""
        job = await run_in_threadpool(jobs.get, job_id)
        log = EventLog(job.files.events_path, max(after, last_event_id))
        messages = await run_in_threadpool(_messages, log)
        if is_over(job) and not messages:
            return Response(status_code=204)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(_stream(jobs, job, log, messages), media_type="text/event-stream", headers=headers)


def is_over(job: Job) -> bool:
    """Tells whether nothing more will happen, unless the job is resumed."""
    return job.status not in (*ACTIVE, JobStatus.QUEUED)


async def _stream(jobs: Jobs, job: Job, log: EventLog, messages: list[str]) -> AsyncIterator[str]:
    """Yields the messages that are there and those that come, until the job is over."""
    silence = 0.0
    while True:
        while messages:
            for message in messages:
                yield message
            messages = await run_in_threadpool(_messages, log)
            silence = 0.0
        if is_over(job):
            break
        silence += LOOKS_EVERY
        if silence >= SIGN_OF_LIFE:
            silence = 0.0
            yield ": still there\n\n"
        await asyncio.sleep(LOOKS_EVERY)
        try:
            job = await run_in_threadpool(jobs.get, job.id)  # before its events: what is said last is read, then
        except NotFound:  # it was removed meanwhile
            return
        messages = await run_in_threadpool(_messages, log)
    if job.status is JobStatus.CRASHED:
        yield f"data: {json.dumps({'event': 'crashed', 'reason': job.summary()['reason']})}\n\n"


def _messages(log: EventLog) -> list[str]:
    events = [EventView.of(logged) for logged in log.read(AT_ONCE)]
    return [f"id: {event.id}\ndata: {event.model_dump_json()}\n\n" for event in events]
