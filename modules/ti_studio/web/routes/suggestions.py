"""`/ti/suggestions`: initialization texts for a folder of pictures."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Body
from pydantic import BaseModel, ConfigDict, Field

from ti_studio.jobs.request_paths import Gate
from ti_studio.path_fields import CheckpointPath, DatasetFolderPath
from ti_studio.web.server.errors import ErrorView
from ti_studio.web.server.serial_executor import SerialExecutor
from ti_studio.web.server.services import Services
from ti_studio.web.server.views import Number, View

if TYPE_CHECKING:
    from ti_studio.models.loading import Model
    from ti_studio.training.suggestions.ranking import Suggestions

_ERRORS: dict[int | str, dict[str, Any]] = {status: {"model": ErrorView} for status in (404, 422)}
_EXAMPLE = {"dataset_directory": "/home/me/pictures/blue-cat", "current": "cat"}


class SuggestionRequest(BaseModel):
    """What suggestions are wanted for."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    dataset_directory: DatasetFolderPath
    """A folder of pictures on the server's machine."""

    current: str = Field(default="", max_length=200)
    """A text whose loss is to be told beside."""

    count: int = Field(default=5, ge=1, le=100)
    """How many are wanted at most."""

    seconds: float = Field(default=15.0, ge=0, le=600)
    """After so long, what is known so far is the answer. Loading the checkpoint does not count."""

    longest: Literal[1, 2] = 2
    """Words of a suggestion at most. A word of one vector has room for one."""

    seed: int = Field(default=0, ge=0, lt=2**32)
    """Of the noise."""

    checkpoint: CheckpointPath | None = None
    """A checkpoint's title; the one that is chosen on the page where left out."""


class SuggestionView(View):
    """A text that a word could begin with."""

    text: str
    loss: Number
    """The mean denoising loss over the same noisy pictures as all others'."""


class SuggestionsView(View):
    """What was found."""

    best: list[SuggestionView]
    """The lowest loss first."""
    current: SuggestionView | None
    """The text that was given."""
    pictures: int
    """Pictures that were looked at."""
    words: int
    """Words of the vocabulary that were to be tried."""
    samples: int
    """Noisy pictures that the losses are means over."""
    complete: bool
    """Whether the time sufficed to try everything."""


Wanted = Annotated[SuggestionRequest, Body(openapi_examples={"one": {"summary": "A folder", "value": _EXAMPLE}})]


def suggestions_routes(services: Services, executor: SerialExecutor) -> APIRouter:
    """Returns the route."""
    router = APIRouter(prefix="/ti/suggestions", tags=["suggestions"])
    gate = Gate(services.folders)

    @router.post("", responses=_ERRORS)
    async def suggest_texts(request: Wanted) -> SuggestionsView:
        """Ranks the vocabulary's words, and pairs of them, by denoising loss on a folder, and answers when that is
        done. It has a turn among the paintings."""
        passed = gate.passed(request)

        def ranked() -> SuggestionsView:
            suggestions = services.txt2img.use(
                lambda model: _suggestions(model, passed), checkpoint=passed.checkpoint or None
            )
            return SuggestionsView.model_validate(asdict(suggestions))

        return await executor.take(ranked)

    return router


def _suggestions(model: "Model", request: SuggestionRequest) -> "Suggestions":
    from ti_studio.training.suggestions.ranking import SuggestionOptions, suggest  # noqa: PLC0415 - imports torch

    options = SuggestionOptions(request.count, request.current, request.seconds, request.longest, request.seed)
    return suggest(model, Path(request.dataset_directory), options)
