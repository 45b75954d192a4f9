"""What can be wrong with a request in A1111's words, and the shape in which that is answered."""

from typing import Any

from ti_studio.errors import StudioError
from ti_studio.web.server.views import View


class A1111ErrorView(View):
    """A1111's body of every answer that is not a success."""

    error: str
    """What kind of error it is."""
    detail: str
    """What went wrong, what was found and what was expected."""
    body: str
    """Always empty; A1111 has it."""
    errors: str
    """The same as `detail`, which is where some clients look."""


class BadRequest(StudioError):
    """Something was named that there is not, where A1111 answers 400."""

    status = 400


class NotPossibleHere(StudioError):
    """A field asks for what this studio can't do, and without it the picture would be another one."""


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Returns the OpenAPI description of the errors that a route may answer with."""
    return {status: {"model": A1111ErrorView} for status in statuses}
