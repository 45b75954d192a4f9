"""A job as the page, the command line and REST see it. Imports no torch."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ti_studio.jobs.folder import JobFolder
from ti_studio.jobs.progress import JobProgress, JobStatus
from ti_studio.training.config.request import TrainRequest

RESUMABLE = (JobStatus.STOPPED, JobStatus.CRASHED, JobStatus.FAILED)
ACTIVE = (JobStatus.RUNNING, JobStatus.STOPPING)


@dataclass(frozen=True)
class Job:
    """One training: what was asked for, and how it stands at this moment."""

    files: JobFolder
    request: TrainRequest
    created: float
    """When it was submitted, Unix seconds."""
    progress: JobProgress
    status: JobStatus
    queue_position: int | None = None
    """1 for the next one to be started; None unless it is queued."""

    @property
    def id(self) -> str:
        """The name of its folder."""
        return self.files.path.name

    @property
    def folder(self) -> Path:
        """Its folder."""
        return self.files.path

    def preview_path(self, name: str) -> Path:
        """Returns the path of one of its preview pictures.

        Raises:
            NotFound: there is none of this name.
        """
        return self.files.preview_path(name)

    def summary(self) -> dict[str, Any]:
        """Returns everything that the page shows of it, but the loss curve."""
        with self.progress.lock:
            return self._summary()

    def _summary(self) -> dict[str, Any]:
        progress = self.progress
        alive = self.status in ACTIVE
        return {
            "id": self.id,
            "name": self.request.name,
            "status": self.status.value,
            "created": self.created,
            "step": progress.step,
            "max_steps": self.request.max_steps,
            "loss": progress.latest.get("loss"),
            "smoothed_loss": progress.smoothed[-1] if progress.smoothed else None,
            "learning_rate": progress.latest.get("learning_rate"),
            "grad_norm": progress.latest.get("grad_norm"),
            "vector_norm": progress.latest.get("vector_norm"),
            "steps_per_second": progress.steps_per_second if alive else None,
            "seconds_left": self._seconds_left() if alive else None,
            "elapsed": progress.elapsed(time.time(), alive=alive),
            "checkpoint": progress.started.get("checkpoint"),
            "device": progress.started.get("device"),
            "precision": progress.started.get("precision"),
            "pictures": progress.started.get("pictures"),
            "message": self._message(),
            "warnings": list(progress.warnings),
            "previews": [_preview(event) for event in progress.previews],
            "validations": [{"step": event["step"], "loss": event["loss"]} for event in progress.validations],
            "best_step": progress.validations[-1]["best_step"] if progress.validations else None,
            "snapshots": [{"step": event["step"], "path": event["path"]} for event in progress.snapshots],
            "embedding": progress.embedding,
            "more_embeddings": list(progress.more_embeddings),
            "reason": self._message() if self.status is JobStatus.CRASHED else progress.reason,
            "early": progress.early,
            "can_resume": self.status in RESUMABLE,
            "queue_position": self.queue_position,
        }

    def loss_curve(self, after_step: int = 0, most: int = 600) -> list[list[float]]:
        """Returns [step, loss, smoothed loss, learning rate] of the steps after `after_step`, thinned out to `most`."""
        with self.progress.lock:
            points = [
                [step, loss, smoothed, rate]
                for (step, loss, rate), smoothed in zip(self.progress.curve, self.progress.smoothed, strict=True)
                if step > after_step
            ]
        stride = -(-len(points) // most) or 1
        return points[::-1][::stride][::-1]

    def _seconds_left(self) -> float | None:
        speed = self.progress.steps_per_second
        return (self.request.max_steps - self.progress.step) / speed if speed else None

    def _last_words(self) -> str:
        """Returns the last line that the process wrote to its log."""
        lines = self.files.log_tail().splitlines()
        return f" ({lines[-1].strip()})" if lines else ""

    def _message(self) -> str:
        if self.status is JobStatus.CRASHED:
            return (
                f"The training process ended unexpectedly{self._last_words()}. It can be resumed from its last state."
            )
        if self.status is JobStatus.STOPPING:
            return "Stopping after this step"
        return self.progress.message


def _preview(event: dict[str, Any]) -> dict[str, Any]:
    kept = {name: event[name] for name in ("step", "index", "prompt", "seed")}
    return {**kept, "url_name": Path(event["path"]).name}
