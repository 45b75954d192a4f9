"""What txt2img shows of a request that is being painted."""

import time
from typing import Any

from ti_studio.generation.events import DenoisingProgress, GenerationEvent, Loading, Notice, Picture
from ti_studio.generation.request import GenerateRequest

NOTHING_YET: dict[str, Any] = {"fraction": 0, "text": "", "notices": []}
LEAST_SECONDS_BETWEEN = 0.1
"""Steps that come faster are not all shown: the page could not keep up."""


class GenerationProgress:
    """Collects the events of one request."""

    def __init__(self, request: GenerateRequest) -> None:
        self.request = request
        self.pictures: list[Picture] = []
        self.notices: list[str] = []
        self.text = "Waiting …"
        self.fraction = 0.0
        self._news = True
        self._started: float | None = None
        self._shown = 0.0

    def take(self, event: GenerationEvent) -> bool:
        """Takes in an event and returns whether it should be shown now."""
        if isinstance(event, Picture):
            self.pictures.append(event)
            self._news = True
        elif isinstance(event, Notice):
            self.notices.append(event.text)
        elif isinstance(event, Loading):
            self.text = event.text
        else:
            return self._advance(event)
        return True

    def take_news(self) -> bool:
        """Returns whether there are pictures that were not shown yet; from now on they were."""
        news, self._news = self._news, False
        return news

    def finish(self) -> None:
        """Says how it ended."""
        made, expected = len(self.pictures), self.request.count
        self.fraction = 1.0 if made == expected else self.fraction
        self.text = f"{_pictures(made)} in {self._seconds():.1f} s"
        if made < expected:
            self.text = f"Interrupted; {made} of {_pictures(expected)} finished."

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
