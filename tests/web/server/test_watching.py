"""Every request is answered, even one that waits for a lock that is never released."""

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
"""Starlette's limit of threads for routes."""
POST: Scope = {"type": "http", "method": "POST", "path": "/", "headers": [], "query_string": b"", "app": FastAPI()}


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Shortens the watchdog's limit until the patch is undone."""
    monkeypatch.setattr(watchdog, "LIMIT_SECONDS", BRIEF)
    stack_log.cache_clear()
    return monkeypatch


@pytest.fixture
def never() -> Iterator[threading.Event]:
    """An event that is only set when the test is over."""
    event = threading.Event()
    yield event
    event.set()


def exchange(app: ASGIApp, *received: tuple[float, bytes]) -> list[Message]:
    """Sends the parts of a body, each after its number of seconds, and returns the answer's messages."""
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


def test_a_request_that_hangs_is_answered_and_the_log_shows_where_it_hangs(
    client: Client, services: Services, limit: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with client() as browser:
        limit.setattr(watchdog, "LIMIT_SECONDS", 60.0)
        assert browser.get("/ti/tools/embeddings").status_code == 200  # the first request does more work
        limit.setattr(watchdog, "LIMIT_SECONDS", 1.0)
        with services.library._looking:
            answer = browser.get("/ti/tools/embeddings")
            a1111 = browser.get("/sdapi/v1/embeddings")

    assert answer.status_code == a1111.status_code == 504
    assert answer.json()["detail"].startswith("The studio has not answered within 1 seconds")
    assert a1111.json()["error"] == "GivenUp"
    assert "GET /ti/tools/embeddings has waited" in caplog.text
    assert "in refresh" in caplog.text


def test_abandoned_requests_do_not_use_up_the_threads(
    client: Client, services: Services, limit: pytest.MonkeyPatch
) -> None:
    with client() as browser, services.library._looking:
        for _ in range(THREADS + 2):
            assert browser.get("/ti/tools/embeddings").status_code == 504
        limit.undo()
        assert browser.get("/ti/txt2img/progress").status_code == 200


def test_a_generation_may_take_longer_than_the_limit(client: Client, limit: pytest.MonkeyPatch) -> None:
    body = {"prompt": "a circle", "steps": 3, "width": 64, "height": 64}
    with client() as browser:
        limit.setattr(watchdog, "LIMIT_SECONDS", 60.0)  # the first generation loads the checkpoint
        assert browser.post("/ti/txt2img", json=body).status_code == 200
        limit.setattr(watchdog, "LIMIT_SECONDS", BRIEF)
        assert browser.post("/ti/txt2img", json={**body, "steps": 40, "count": 4}).status_code == 200


def test_slow_bodies_and_long_streams_do_not_count_towards_the_limit(limit: pytest.MonkeyPatch) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        more = True
        while more:
            more = (await receive())["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.sleep(4 * BRIEF)
        await send({"type": "http.response.body", "body": b"an event", "more_body": False})

    messages = exchange(app, (4 * BRIEF, b"first"), (4 * BRIEF, b"last"))
    assert [message.get("status", message.get("body")) for message in messages] == [200, b"an event"]


def test_waiting_for_the_disconnect_counts_towards_the_limit(limit: pytest.MonkeyPatch) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await receive()  # waits for the disconnect

    assert exchange(app, (0.0, b"all"))[0]["status"] == 504


def test_a_late_answer_is_not_sent_after_the_error(limit: pytest.MonkeyPatch) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await asyncio.sleep(PATIENCE)
        finally:
            await send({"type": "http.response.start", "status": 200, "headers": []})

    messages = exchange(app, (0.0, b""))
    assert [message["type"] for message in messages] == ["http.response.start", "http.response.body"]
    assert messages[0]["status"] == 504


def test_an_extensions_route_may_take_longer_than_the_limit(limit: pytest.MonkeyPatch) -> None:
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


def test_a_handler_of_the_page_that_hangs_shows_an_error(limit: pytest.MonkeyPatch, never: threading.Event) -> None:
    @shows_errors
    def submit(name: str) -> None:
        never.wait(PATIENCE)

    @shows_errors
    def generate() -> Iterator[Any]:
        yield "begun"
        with long_work():
            never.wait(4 * BRIEF)
            yield "generated"
        never.wait(PATIENCE)

    with pytest.raises(gr.Error, match="has not answered within"):
        submit("a word")
    stream = generate()
    assert [next(stream), next(stream)] == ["begun", "generated"]
    with pytest.raises(gr.Error, match="has not answered within"):
        next(stream)


def test_a_closed_stream_releases_its_locks() -> None:
    lock = threading.Lock()

    @shows_errors
    def generate() -> Iterator[str]:
        with lock:
            yield "begun"

    stream = generate()
    assert next(stream) == "begun"
    assert lock.locked()
    stream.close()  # type: ignore[attr-defined]
    assert not lock.locked()
