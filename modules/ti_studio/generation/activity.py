"""What txt2img is doing at this moment, for those who did not ask for it: REST's progress."""

import time
from dataclasses import dataclass, field, replace

from ti_studio.generation.events import GenerationEvent, Loading, Notice, Picture
from ti_studio.generation.request import GenerateRequest


@dataclass(frozen=True)
class Activity:
    """A request that is being painted."""

    request: GenerateRequest
    began: float = field(default_factory=time.time)
    """Unix seconds."""
    text: str = ""
    """What is done before the first step."""
    step: int = 0
    """Steps done, over all batches."""
    steps: int = 0
    """Steps of all batches together; 0 before the first one."""
    pictures: int = 0
    """Finished ones."""
    latest: Picture | None = None
    """The last finished one."""
    interrupted: bool = False
    """Whether it is to end after its present step."""
    skipped: bool = False
    """Whether its present batch is to end after this step."""

    def after(self, event: GenerationEvent) -> "Activity":
        """Returns it as it is after an event."""
        if isinstance(event, Picture):
            return replace(self, pictures=self.pictures + 1, latest=event)
        if isinstance(event, Loading):
            return replace(self, text=event.text)
        if isinstance(event, Notice):
            return self
        return replace(self, step=event.step, steps=event.steps, text="")

    @property
    def fraction(self) -> float:
        """The share of the steps that is done, 0 to 1."""
        return self.step / self.steps if self.steps else 0.0

    @property
    def seconds_left(self) -> float:
        """How long it will take yet, going by how long it has taken; 0 before the first step."""
        return (time.time() - self.began) * (1 / self.fraction - 1) if self.step else 0.0
