"""The two places where an error becomes something a person reads: a REST answer, and a message on the page."""

import functools
import html
import inspect
import logging
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast

import gradio as gr
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ValidationError

from ti_studio.errors import StudioError

logger = logging.getLogger(__name__)

Handler = TypeVar("Handler", bound=Callable[..., Any])
UNEXPECTED = "Something went wrong inside the studio ({kind}). The server's log has the details; nothing else is known."
LONGEST_VALUE = 80


class ErrorView(BaseModel):
    """The body of every answer that is not a success."""

    detail: str
    """What went wrong, where, what was found and what was expected."""


def answer_errors(app: FastAPI) -> None:
    """Makes every route of `app` answer errors with a status and `{"detail": "a sentence"}`."""

    @app.exception_handler(StudioError)
    def expected(_: Request, error: StudioError) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, status_code=error.status)

    @app.exception_handler(RequestValidationError)
    def malformed(_: Request, error: RequestValidationError) -> JSONResponse:
        return JSONResponse({"detail": _sentences(error.errors())}, status_code=422)

    @app.exception_handler(Exception)
    def unexpected(request: Request, error: Exception) -> JSONResponse:
        logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return JSONResponse({"detail": UNEXPECTED.format(kind=type(error).__name__)}, status_code=500)


def shows_errors(handler: Handler) -> Handler:
    """Makes a Gradio handler, plain or streaming, show its errors on the page, as text and never as markup."""

    @functools.wraps(handler)
    def plain(*values: Any) -> Any:
        try:
            return handler(*values)
        except Exception as error:
            raise _shown(error) from error

    @functools.wraps(handler)
    def streaming(*values: Any) -> Iterator[Any]:
        try:
            yield from handler(*values)
        except Exception as error:
            raise _shown(error) from error

    return cast(Handler, streaming if inspect.isgeneratorfunction(handler) else plain)


def _shown(error: Exception) -> gr.Error:
    if isinstance(error, gr.Error):
        return error
    if isinstance(error, ValidationError):
        text = _sentences(error.errors())
    elif isinstance(error, StudioError):
        text = str(error)
    else:
        logger.error("A handler of the page failed", exc_info=error)
        text = UNEXPECTED.format(kind=type(error).__name__)
    return gr.Error(html.escape(text), print_exception=False)


def _sentences(errors: Any) -> str:
    return " ".join(_sentence(error) for error in errors)


def _sentence(error: Any) -> str:
    # People count from one.
    place = [f"number {part + 1}" if isinstance(part, int) else part for part in error["loc"] if part != "body"]
    field = " ".join(place).replace("_", " ").capitalize() or "The request"
    message = error["msg"].removeprefix("Value error, ").rstrip(".")
    if error["type"] == "value_error":
        return f"{field}: {message}."
    return f"{field}: {message[:1].lower()}{message[1:]}; found {_short(error['input'])}."


def _short(value: Any) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"
