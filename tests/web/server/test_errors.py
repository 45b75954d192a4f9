"""Error messages of REST and of the page."""

from collections.abc import Iterator

import gradio as gr
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import BaseModel

from ti_studio.errors import Conflict, NotFound, StudioError
from ti_studio.web.server.errors import answer_errors, shows_errors


@pytest.mark.parametrize(
    ("error", "status", "detail"),
    [
        (StudioError("The rate is -1; expected more than 0."), 422, "The rate is -1; expected more than 0."),
        (NotFound("No word <b>."), 404, "No word <b>."),
        (Conflict("Taken."), 409, "Taken."),
        (RuntimeError("secret path"), 500, "Something went wrong inside the studio (RuntimeError)."),
    ],
)
def test_a_route_answers_with_a_status_and_a_sentence(error: Exception, status: int, detail: str) -> None:
    app = FastAPI()
    answer_errors(app)

    @app.get("/")
    def failing() -> None:
        raise error

    answer = TestClient(app, raise_server_exceptions=False).get("/")
    assert answer.status_code == status
    assert answer.json()["detail"].startswith(detail)
    assert "secret" not in answer.text


def test_an_error_in_a_list_names_the_entry_counted_from_one() -> None:
    class Words(BaseModel):
        more_words: tuple[int, ...]

    @shows_errors
    def failing() -> None:
        Words.model_validate({"more_words": [1, "many"]})

    with pytest.raises(gr.Error) as raised:
        failing()
    assert str(raised.value.message).startswith("More words number 2: ")


def test_the_page_shows_an_error_as_text_and_never_as_markup() -> None:
    @shows_errors
    def failing() -> None:
        raise StudioError("No <img src=x onerror=alert(1)> & more")

    with pytest.raises(gr.Error) as raised:
        failing()
    assert raised.value.message == "No &lt;img src=x onerror=alert(1)&gt; &amp; more"


def test_an_error_in_a_stream_is_shown_after_the_values_before_it() -> None:
    @shows_errors
    def streaming() -> Iterator[int]:
        yield 1
        raise NotFound("gone")

    stream = streaming()
    assert next(stream) == 1
    with pytest.raises(gr.Error, match="gone"):
        next(stream)


def test_an_unexpected_error_is_logged_and_its_message_is_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    @shows_errors
    def failing() -> None:
        raise RuntimeError("secret <b>")

    with pytest.raises(gr.Error) as raised:
        failing()
    assert "secret" not in str(raised.value.message)
    assert "secret <b>" in caplog.text
