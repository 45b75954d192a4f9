"""`modules.shared.state`: what is being painted, and how an extension interrupts it."""

import time
from collections.abc import Callable
from datetime import datetime
from types import SimpleNamespace
from typing import Any, Protocol

from PIL import Image

from ti_studio.extensions.callbacks import Callbacks, ImageSaveParams
from ti_studio.generation.activity import Activity
from ti_studio.generation.saving import Saving, Watcher

_LONGEST_KEY = 79
"""Bytes of a PNG text chunk's keyword, by its specification."""
Fields = dict[str, Any]

IDLE: Fields = {
    **{"job": "", "job_no": 0, "job_count": 0, "job_timestamp": "0", "sampling_step": 0, "sampling_steps": 0},
    **{"interrupted": False, "skipped": False, "stopping_generation": False, "time_start": None},
    **{"current_image": None, "current_latent": None, "textinfo": None, "need_restart": False},
}


class RunningGeneration(Protocol):
    """What paints: `Txt2ImgService`."""

    @property
    def activity(self) -> Activity | None:
        """What is being painted now."""

    def interrupt(self) -> None:
        """Ends it after its present step."""

    def skip(self) -> None:
        """Ends its present batch."""


class State:
    """A1111's fields: live while txt2img paints, otherwise what extensions set for jobs of their own."""

    def __init__(self) -> None:
        self._painting: RunningGeneration | None = None
        self._own = {**IDLE, "server_start": time.time()}

    def attach(self, painting: RunningGeneration) -> None:
        """Tells where paintings are."""
        self._painting = painting

    def __getattr__(self, name: str) -> Any:
        fields = {**self.__dict__.get("_own", {}), **self._live()}
        if name not in fields:
            raise AttributeError(f"modules.shared.state has no {name!r}", name=name)
        return fields[name]

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            super().__setattr__(name, value)
        elif name == "interrupted" and value:
            self.interrupt()
        else:
            self._own[name] = value

    def begin(self, job: str = "(unknown)") -> None:
        """Begins a job of an extension's own."""
        self._own.update(IDLE, job=job, job_count=-1, time_start=time.time(), job_timestamp=_stamp(time.time()))

    def end(self) -> None:
        """Ends it."""
        self._own.update(job="", job_count=0)

    def nextjob(self) -> None:
        """Counts on."""
        self._own.update(job_no=self._own["job_no"] + 1, sampling_step=0)

    def interrupt(self) -> None:
        """Ends what is being painted after its present step; finished pictures stay."""
        self._stop("interrupted", lambda painting: painting.interrupt())

    def skip(self) -> None:
        """Ends the batch that is being painted after its present step."""
        self._stop("skipped", lambda painting: painting.skip())

    def stop_generating(self) -> None:
        """Ends the painting as `interrupt` does."""
        self._stop("stopping_generation", lambda painting: painting.interrupt())

    def dict(self) -> Fields:
        """Returns the fields that A1111's REST answers have."""
        names = ("skipped", "interrupted", "stopping_generation", "job", "job_count", "job_timestamp", "job_no")
        return {name: getattr(self, name) for name in (*names, "sampling_step", "sampling_steps")}

    def _stop(self, how: str, stop: Callable[[RunningGeneration], None]) -> None:
        if self._painting is not None and self._painting.activity is not None:
            stop(self._painting)
        elif self._own["job"]:
            self._own[how] = True

    def _live(self) -> Fields:
        """Returns the fields of what is being painted; none if nothing is."""
        painting: RunningGeneration | None = self.__dict__.get("_painting")
        activity = painting.activity if painting is not None else None
        if activity is None:
            return {}
        steps = activity.request.steps
        return {
            "job": "txt2img",
            "job_no": activity.pictures,
            "job_count": activity.request.count,
            "job_timestamp": _stamp(activity.began),
            "sampling_step": (activity.step - 1) % steps + 1 if activity.step else 0,
            "sampling_steps": steps,
            "interrupted": activity.interrupted,
            "skipped": activity.skipped,
            "time_start": activity.began,
            "current_image": activity.latest.image if activity.latest else None,
            "textinfo": activity.text or None,
        }


class ExtensionWatcher(Watcher):
    """Calls what extensions want to be called for when a picture is saved."""

    def __init__(self, callbacks: Callbacks) -> None:
        self._callbacks = callbacks

    def saving(self, saving: Saving) -> None:
        """Lets extensions change the picture and the texts in its file."""
        if not self._callbacks.of("before_image_saved"):
            return
        parameters = _parameters(saving)
        self._callbacks.call("before_image_saved", parameters)
        if isinstance(parameters.image, Image.Image):
            saving.image = parameters.image
        if isinstance(parameters.pnginfo, dict):
            saving.texts = _png_texts(parameters.pnginfo)

    def saved(self, saving: Saving) -> None:
        """Tells extensions of the file."""
        if self._callbacks.of("image_saved"):
            self._callbacks.call("image_saved", _parameters(saving))


def _png_texts(texts: dict[Any, Any]) -> dict[str, str]:
    """Returns those that a PNG can hold: their keys are Latin-1, 1 to 79 characters."""
    return {
        str(key): str(text)
        for key, text in texts.items()
        if text is not None and 0 < len(str(key).encode("latin-1", "ignore")) == len(str(key)) <= _LONGEST_KEY
    }


def _parameters(saving: Saving) -> ImageSaveParams:
    request = saving.request
    asked = SimpleNamespace(
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        seed=saving.seed,
        steps=request.steps,
        cfg_scale=request.cfg_scale,
        sampler_name=request.sampler,
        width=saving.image.width,
        height=saving.image.height,
    )
    return ImageSaveParams(saving.image, asked, str(saving.path), dict(saving.texts))


def _stamp(at: float) -> str:
    return datetime.fromtimestamp(at).strftime("%Y%m%d%H%M%S")
