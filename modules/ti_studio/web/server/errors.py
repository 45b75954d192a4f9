"""Turns errors into messages: answers of REST, and messages on the page."""

import errno
import functools
import html
import inspect
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar, cast

import gradio as gr
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException

from ti_studio.errors import StudioError
from ti_studio.watchdog import Watch

logger = logging.getLogger(__name__)

Handler = TypeVar("Handler", bound=Callable[..., Any])
UNEXPECTED = "Something went wrong inside the studio ({kind}). The server's log has the details; nothing else is known."
TOO_LONG = "A name or path in the request is longer than this system's files can have."
LONGEST_VALUE = 80
MOST_SENTENCES = 8
"""The most problems listed for one request, because the sender controls their number."""


class ErrorView(BaseModel):
    """The body of every error answer."""

    detail: str
    """What went wrong, where, what was found and what was expected."""


def answer_errors(app: FastAPI) -> None:
    """Makes every route of `app` answer errors with a status and `{"detail": "a sentence"}`.

    Routes below `/sdapi/` answer in A1111's shape.
    """

    @app.exception_handler(StudioError)
    def expected(request: Request, error: StudioError) -> JSONResponse:
        return answer_to(request, error)

    @app.exception_handler(RequestValidationError)
    def malformed(request: Request, error: RequestValidationError) -> JSONResponse:
        return _answer(request, error, sentences(error.errors()), 422)

    @app.exception_handler(HTTPException)
    def unreadable(request: Request, error: HTTPException) -> JSONResponse:
        return _answer(request, error, str(error.detail), error.status_code)

    @app.exception_handler(OSError)
    def too_long(request: Request, error: OSError) -> JSONResponse:
        if error.errno != errno.ENAMETOOLONG:
            return unexpected(request, error)
        return _answer(request, error, TOO_LONG, 422)

    @app.exception_handler(Exception)
    def unexpected(request: Request, error: Exception) -> JSONResponse:
        logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return _answer(request, error, UNEXPECTED.format(kind=type(error).__name__), 500)


def a1111_error(kind: str, detail: str) -> dict[str, str]:
    """Returns an error's body in A1111's shape, whose clients display `detail` or `errors`."""
    return {"error": kind, "detail": detail, "body": "", "errors": detail}


def answer_to(request: Request, error: StudioError) -> JSONResponse:
    """Returns the answer for an error outside all routes."""
    return _answer(request, error, str(error), error.status)


def refusal(path: str, status: int, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Returns the answer to a request that is refused before it reaches a route.

    Args:
        path: the request's path, which determines the answer's shape.
        status: the HTTP status.
        detail: the message.
        headers: the answer's headers.
    """
    body = a1111_error("HTTPException", detail) if path.startswith("/sdapi/") else {"detail": detail}
    return JSONResponse(_sendable(body), status_code=status, headers=headers)


def _answer(request: Request, error: Exception, detail: str, status: int) -> JSONResponse:
    a1111 = request.url.path.startswith("/sdapi/")
    body = a1111_error(type(error).__name__, detail) if a1111 else {"detail": detail}
    # Text that is not valid Unicode, such as half a surrogate pair, has to be replaced.
    return JSONResponse(_sendable(body), status_code=status)


def _sendable(body: dict[str, str]) -> dict[str, str]:
    return {name: text.encode(errors="replace").decode() for name, text in body.items()}


def shows_errors(handler: Handler) -> Handler:
    """Returns a Gradio handler, plain or streaming, that shows its errors on the page as text, never as markup.

    A handler that makes no progress is an error too.
    """
    name = f"The page's handler {getattr(handler, '__qualname__', handler)}"

    @functools.wraps(handler)
    def plain(*values: Any) -> Any:
        try:
            return Watch(name).run(functools.partial(handler, *values))
        except Exception as error:
            raise _shown(error) from error

    @functools.wraps(handler)
    def streaming(*values: Any) -> Iterator[Any]:
        try:
            yield from Watch(name).each(handler(*values))
        except Exception as error:
            raise _shown(error) from error

    return cast(Handler, streaming if inspect.isgeneratorfunction(handler) else plain)


def _shown(error: Exception) -> gr.Error:
    if isinstance(error, gr.Error):
        return error
    if isinstance(error, ValidationError):
        text = sentences(error.errors())
    elif isinstance(error, StudioError):
        text = str(error)
    else:
        logger.error("A handler of the page failed", exc_info=error)
        text = UNEXPECTED.format(kind=type(error).__name__)
    return gr.Error(html.escape(text), print_exception=False)


def sentences(errors: Any) -> str:
    """Returns pydantic's errors as text: one sentence for each of the first `MOST_SENTENCES`."""
    texts = [_sentence(error) for error in errors[:MOST_SENTENCES]]
    if len(errors) > MOST_SENTENCES:
        texts.append(f"And {len(errors) - MOST_SENTENCES:,} more.")
    return " ".join(texts)


def _sentence(error: Any) -> str:
    # People count from one.
    place = [f"number {part + 1}" if isinstance(part, int) else part for part in error["loc"] if part != "body"]
    field = _short_text(" ".join(place)).replace("_", " ").capitalize() or "The request"
    message = error["msg"].removeprefix("Value error, ").rstrip(".")
    if error["type"] == "string_too_long":
        return f"{field}: {message[:1].lower()}{message[1:]}; found {len(error['input']):,}."
    if error["type"] == "value_error":
        return f"{field}: {message}."
    return f"{field}: {message[:1].lower()}{message[1:]}; found {_short(error['input'])}."


def _short(value: Any) -> str:
    if isinstance(value, str | list | tuple):  # the whole repr would be longer than the request
        value = value[: LONGEST_VALUE + 1]
    return _short_text("nothing" if value is None else repr(value))


def _short_text(text: str) -> str:
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"
