"""Every request to the real server is answered, also one that waits for a lock that nobody gives back."""

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import gradio as gr
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.web.conftest import Client
from ti_studio import watchdog
from ti_studio.watchdog import long_work, stack_log
from ti_studio.web.server.errors import shows_errors
from ti_studio.web.server.services import Services
from ti_studio.web.server.watching import Watchdog

BRIEF = 0.2
PATIENCE = 30.0
THREADS = 40
"""That Starlette lends to routes."""
POST: Scope = {"type": "http", "method": "POST", "path": "/", "headers": [], "query_string": b"", "app": FastAPI()}


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Nothing is waited for long, until this is undone."""
    monkeypatch.setattr(watchdog, "LIMIT_SECONDS", BRIEF)
    stack_log.cache_clear()
    return monkeypatch


@pytest.fixture
def never() -> Iterator[threading.Event]:
    """What does not happen before the test is over."""
    event = threading.Event()
    yield event
    event.set()


def exchange(app: ASGIApp, *received: tuple[float, bytes]) -> list[Message]:
    """Sends a body's parts, each after so many seconds, and returns the answer."""
    parts, sent = list(received), []

    async def receive() -> Message:
        if not parts:
            await asyncio.sleep(PATIENCE)
        seconds, part = parts.pop(0)
        await asyncio.sleep(seconds)
        return {"type": "http.request", "body": part, "more_body": bool(parts)}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(Watchdog(app)(POST, receive, send))
    return sent


def test_a_request_that_waits_for_ever_is_answered_and_the_log_shows_where_it_stands(
    client: Client, services: Services, limit: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with client() as browser:
        limit.setattr(watchdog, "LIMIT_SECONDS", 60.0)
        assert browser.get("/ti/tools/embeddings").status_code == 200  # the first request has more to do
        limit.setattr(watchdog, "LIMIT_SECONDS", 1.0)
        with services.library._looking:
            answer = browser.get("/ti/tools/embeddings")
            a1111 = browser.get("/sdapi/v1/embeddings")

    assert answer.status_code == a1111.status_code == 504
    assert answer.json()["detail"].startswith("The studio has not answered within 1 seconds")
    assert a1111.json()["error"] == "GivenUp"
    assert "GET /ti/tools/embeddings has waited" in caplog.text
    assert "in refresh" in caplog.text


def test_requests_that_are_given_up_leave_the_others_their_threads(
    client: Client, services: Services, limit: pytest.MonkeyPatch
) -> None:
    with client() as browser, services.library._looking:
        for _ in range(THREADS + 2):
            assert browser.get("/ti/tools/embeddings").status_code == 504
        limit.undo()
        assert browser.get("/ti/txt2img/progress").status_code == 200


def test_a_painting_may_take_as_long_as_it_takes(client: Client, limit: pytest.MonkeyPatch) -> None:
    asked = {"prompt": "a circle", "steps": 3, "width": 64, "height": 64}
    with client() as browser:
        limit.setattr(watchdog, "LIMIT_SECONDS", 60.0)  # what is loaded first is loaded once
        assert browser.post("/ti/txt2img", json=asked).status_code == 200
        limit.setattr(watchdog, "LIMIT_SECONDS", BRIEF)
        assert browser.post("/ti/txt2img", json={**asked, "steps": 40, "count": 4}).status_code == 200


def test_a_body_that_comes_slowly_and_a_stream_that_lasts_are_no_waiting(limit: pytest.MonkeyPatch) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        more = True
        while more:
            more = (await receive())["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.sleep(4 * BRIEF)
        await send({"type": "http.response.body", "body": b"an event", "more_body": False})

    answered = exchange(app, (4 * BRIEF, b"first"), (4 * BRIEF, b"last"))
    assert [message.get("status", message.get("body")) for message in answered] == [200, b"an event"]


def test_a_browser_that_has_sent_all_waits_no_longer_than_others(limit: pytest.MonkeyPatch) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await receive()  # is it still there?

    assert exchange(app, (0.0, b"all"))[0]["status"] == 504


def test_an_answer_that_comes_too_late_is_not_sent_after_the_error(limit: pytest.MonkeyPatch) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await asyncio.sleep(PATIENCE)
        finally:
            await send({"type": "http.response.start", "status": 200, "headers": []})

    answered = exchange(app, (0.0, b""))
    assert [message["type"] for message in answered] == ["http.response.start", "http.response.body"]
    assert answered[0]["status"] == 504


def test_an_extensions_route_takes_as_long_as_it_takes(limit: pytest.MonkeyPatch) -> None:
    app = FastAPI()
    app.add_middleware(Watchdog)

    @app.get("/theirs")
    @app.get("/ours")
    def slow() -> str:
        time.sleep(4 * BRIEF)
        return "done"

    app.state.extension_routes = [route for route in app.routes if getattr(route, "path", "") == "/theirs"]
    browser = TestClient(app)
    assert browser.get("/theirs").json() == "done"
    assert browser.get("/ours").status_code == 504


def test_a_handler_of_the_page_that_waits_for_ever_shows_an_error(
    limit: pytest.MonkeyPatch, never: threading.Event
) -> None:
    @shows_errors
    def submit(name: str) -> None:
        never.wait(PATIENCE)

    @shows_errors
    def paint() -> Iterator[Any]:
        yield "begun"
        with long_work():
            never.wait(4 * BRIEF)
            yield "painted"
        never.wait(PATIENCE)

    with pytest.raises(gr.Error, match="has not answered within"):
        submit("a word")
    shown = paint()
    assert [next(shown), next(shown)] == ["begun", "painted"]
    with pytest.raises(gr.Error, match="has not answered within"):
        next(shown)


def test_a_handler_that_nobody_listens_to_any_more_lets_go_of_what_it_holds() -> None:
    held = threading.Lock()

    @shows_errors
    def paint() -> Iterator[str]:
        with held:
            yield "begun"

    shown = paint()
    assert next(shown) == "begun"
    assert held.locked()
    shown.close()  # type: ignore[attr-defined]
    assert not held.locked()
