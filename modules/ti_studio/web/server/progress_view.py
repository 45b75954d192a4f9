"""The progress of a generation, as the txt2img tab displays it."""

import time
from typing import Any

from ti_studio.generation.events import DenoisingProgress, GenerationEvent, Loading, Notice, Picture
from ti_studio.generation.request import GenerateRequest

NO_PROGRESS: dict[str, Any] = {"fraction": 0, "text": "", "notices": []}
LEAST_SECONDS_BETWEEN = 0.1
"""Faster steps are skipped, because the page could not keep up."""


class GenerationProgress:
    """Collects the events of one generation request."""

    def __init__(self, request: GenerateRequest) -> None:
        self.request = request
        self.pictures: list[Picture] = []
        self.notices: list[str] = []
        self.text = "Waiting …"
        self.fraction = 0.0
        self._has_new_pictures = True
        self._started: float | None = None
        self._shown = 0.0

    def take(self, event: GenerationEvent) -> bool:
        """Adds an event and returns whether the display should be updated now."""
        if isinstance(event, Picture):
            self.pictures.append(event)
            self._has_new_pictures = True
        elif isinstance(event, Notice):
            self.notices.append(event.text)
        elif isinstance(event, Loading):
            self.text = event.text
        else:
            return self._advance(event)
        return True

    def take_news(self) -> bool:
        """Returns whether there are new pictures since the last call."""
        has_new, self._has_new_pictures = self._has_new_pictures, False
        return has_new

    def finish(self) -> None:
        """Sets the final text: the count and duration, or that it was interrupted."""
        finished, requested = len(self.pictures), self.request.count
        self.fraction = 1.0 if finished == requested else self.fraction
        self.text = f"{_pictures(finished)} in {self._seconds():.1f} s"
        if finished < requested:
            self.text = f"Interrupted; {finished} of {_pictures(requested)} finished."

    def progress(self) -> dict[str, Any]:
        """Returns the value of the progress display."""
        return {"fraction": round(self.fraction, 4), "text": self.text, "notices": list(self.notices)}

    def _advance(self, progress: DenoisingProgress) -> bool:
        now = time.monotonic()
        self._started = self._started or now
        self.fraction = progress.step / progress.steps
        self.text = f"Step {progress.step} / {progress.steps}"
        if progress.step > 1:
            left = (now - self._started) / (progress.step - 1) * (progress.steps - progress.step)
            self.text += f" · {left:.0f} s left"
        if now - self._shown < LEAST_SECONDS_BETWEEN:
            return False
        self._shown = now
        return True

    def _seconds(self) -> float:
        return time.monotonic() - self._started if self._started else 0.0


def _pictures(count: int) -> str:
    return "1 picture" if count == 1 else f"{count} pictures"
