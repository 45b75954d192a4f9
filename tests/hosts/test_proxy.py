"""What the WebUI's proxy does where the studio behind it takes its time, or does not answer at all."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient
from starlette.applications import Starlette

from ti_studio_bridge import proxy
from ti_studio_bridge.proxy import SECRET_HEADER, add_routes

BRIEF = 0.2
PATIENCE = 30.0


@contextlib.contextmanager
def slow_studio(seconds: float) -> Iterator[int]:
    """Serves on a port: refuses at once who has no secret, and answers the others after some time."""
    stop, started = asyncio.Event(), threading.Event()
    running: list[tuple[asyncio.AbstractEventLoop, int]] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        if SECRET_HEADER.encode() in asked.lower():
            await asyncio.sleep(seconds)
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\npainted")
        else:
            writer.write(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async def serve() -> None:
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            running.append((asyncio.get_running_loop(), server.sockets[0].getsockname()[1]))
            started.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert started.wait(PATIENCE)
    loop, port = running[0]
    yield port
    loop.call_soon_threadsafe(stop.set)
    thread.join()


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """The studio is asked soon whether it lives."""
    monkeypatch.setattr(proxy, "LOOK_SECONDS", BRIEF)
    monkeypatch.setattr(proxy, "REFUSAL_SECONDS", BRIEF)


def browser(port: int) -> TestClient:
    """A browser before a WebUI whose studio is at this port."""
    app = Starlette()
    child = SimpleNamespace(url=f"http://127.0.0.1:{port}", secret="hush", log="outputs/webui-studio.log")
    bridge: Any = SimpleNamespace(child=child)
    add_routes(app, bridge, completion=False)
    return TestClient(app)


@pytest.mark.usefixtures("brief")
def test_a_studio_that_does_not_even_refuse_is_told_of_instead_of_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        answer = browser(deaf.getsockname()[1]).get("/ti-studio/ti/jobs")

    assert answer.status_code == 504
    assert answer.json()["detail"].startswith("The studio does not answer any more.")
    assert "outputs/webui-studio.log" in answer.json()["detail"]


@pytest.mark.usefixtures("brief")
def test_a_studio_that_lives_is_waited_for_as_long_as_it_takes() -> None:
    with slow_studio(8 * BRIEF) as port:
        answer = browser(port).post("/ti-studio/ti/txt2img", json={"prompt": "a circle"})

    assert (answer.status_code, answer.text) == (200, "painted")


def test_a_studio_that_has_ended_is_told_of() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]

    assert browser(port).get("/ti-studio/").status_code == 503
