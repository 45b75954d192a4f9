"""What REST tells of trainings."""

from collections.abc import Sequence

from pydantic import ConfigDict

from ti_studio.jobs.event_log import LoggedEvent
from ti_studio.jobs.job import Job
from ti_studio.jobs.progress import JobStatus
from ti_studio.web.server.views import Number, View, finite


class PreviewView(View):
    """One preview picture of a training."""

    step: int
    index: int
    prompt: str
    seed: int
    url_name: str
    """Its name under `/ti/jobs/{id}/previews/`."""


class SnapshotView(View):
    """A copy of the embedding as it was at a step."""

    step: int
    path: str
    """Relative to the job's folder. Its last part is its name under `/ti/jobs/{id}/snapshots/`."""


class ValidationView(View):
    """What a validation found."""

    step: int
    loss: Number
    """The plain loss at the same pictures, prompts, noise and timesteps each time."""


class JobView(View):
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
    more_embeddings: list[str]
    """The finished files of the training's further words."""
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


class LossPoint(View):
    """One step on the loss curve."""

    step: int
    loss: Number
    smoothed_loss: Number
    learning_rate: Number

    @classmethod
    def of(cls, point: Sequence[float]) -> "LossPoint":
        """Returns the view of a point of a job's curve."""
        return cls.model_validate(dict(zip(cls.model_fields, point, strict=True)))


class JobReport(View):
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


class EventView(View):
    """Something that happened in a training. What else it has depends on what it is: docs/rest.md lists it."""

    model_config = ConfigDict(extra="allow")

    id: int
    """Counts from 1; what `after` and `Last-Event-ID` mean."""
    at: float | None = None
    """Unix seconds."""
    event: str
    """`queued`, `preparing`, `started`, `step`, `validated`, `previewed`, `saved`, `warned`, `finished`, `stopped` or
    `failed`."""

    @classmethod
    def of(cls, logged: LoggedEvent) -> "EventView":
        """Returns the view of an event."""
        return cls.model_validate({**finite(logged.event), "id": logged.number})


class EventsView(View):
    """Events of a training, in their order."""

    events: list[EventView]
    last: int
    """The id to ask on `after`."""
    ended: bool
    """Whether no more will come, unless the training is resumed."""
