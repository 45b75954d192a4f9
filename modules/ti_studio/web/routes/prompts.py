"""`/ti/prompts`: what the page wants to know of a prompt while it is typed."""

from fastapi import APIRouter
from pydantic import BaseModel, Field

from ti_studio.generation.counting import TokenCount, TokenCounter
from ti_studio.generation.request import GenerateRequest
from ti_studio.web.server.errors import ErrorView
from ti_studio.web.server.services import Services


class Prompts(BaseModel):
    """The two prompt boxes, and the steps that editing such as `[a:b:0.5]` depends on."""

    prompt: str = ""
    negative_prompt: str = ""
    steps: int = Field(default=20, ge=1, le=150)


class TokenCountView(BaseModel):
    """How full a prompt's chunks are."""

    used: int
    """Tokens up to the prompt's end, embeddings counted at their vectors."""
    room: int
    """Tokens that its chunks hold: 75 for each."""

    @classmethod
    def of(cls, count: TokenCount) -> "TokenCountView":
        """Returns the view of a count."""
        return cls(used=count.used, room=count.room)


class TokenCountsView(BaseModel):
    """The counts of both prompts."""

    prompt: TokenCountView
    negative_prompt: TokenCountView


def prompts_routes(services: Services) -> APIRouter:
    """Returns the routes of prompts."""
    router = APIRouter(prefix="/ti/prompts", tags=["prompts"])
    counter = TokenCounter(services.library, services.txt2img.limits)

    @router.post("/tokens", responses={422: {"model": ErrorView}})
    def count_tokens(prompts: Prompts) -> TokenCountsView:
        """Counts the tokens of both prompts as the selected checkpoint would."""
        request = GenerateRequest(**prompts.model_dump())
        positive, negative = counter.count(request, services.txt2img.checkpoint)
        return TokenCountsView(prompt=TokenCountView.of(positive), negative_prompt=TokenCountView.of(negative))

    return router
