"""What a server needs while it runs: a port, somebody to tell that it listens, and the trainings kept going."""

import asyncio
import contextlib
import errno
import logging
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from ti_studio.errors import StudioError
from ti_studio.jobs.queue import Jobs

logger = logging.getLogger(__name__)

TEND_SECONDS = 1.0
LAST_ANSWERS_SECONDS = 2
HEADERS_SECONDS = 20.0
"""How long a client may take to say what it wants; a browser that opens a connection ahead of its need opens another
one."""


class PortTaken(StudioError):
    """The port can't be listened on."""


class PromptHTTP(H11Protocol):
    """HTTP/1.1 whose clients have to say in time what they want: a connection that says nothing, or says it letter by
    letter, is closed. (How long a body may take, `web.bodies` says.)"""

    patience = HEADERS_SECONDS
    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begins to wait."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Waits no more."""
        self._wait_no_more()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Takes in what has come; waits no more when a request is there."""
        before = self.cycle
        super().handle_events()
        if self.cycle is not before:
            self._wait_no_more()

    def handle_websocket_upgrade(self, event: Any) -> None:
        """Waits no more: another protocol takes over."""
        self._wait_no_more()
        super().handle_websocket_upgrade(event)

    def on_response_complete(self) -> None:
        """Waits for the next request."""
        self._wait()
        super().on_response_complete()

    def _wait(self) -> None:
        self._wait_no_more()
        self._waiting = self.loop.call_later(self.patience, self.transport.close)

    def _wait_no_more(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None


class Server(uvicorn.Server):
    """Serves an application, and says when it listens and when it ends."""

    def __init__(self, app: FastAPI, on_started: Callable[[], None], on_ending: Callable[[], None]) -> None:
        """Makes a server that does not serve yet."""
        super().__init__(
            uvicorn.Config(app, http=PromptHTTP, log_level="warning", timeout_graceful_shutdown=LAST_ANSWERS_SECONDS)
        )
        self.on_started = on_started
        self.on_ending = on_ending

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts, and says so."""
        await super().startup(sockets)
        if self.started:
            self.on_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Says that it ends, and does."""
        self.on_ending()  # a thread that paints for REST would keep the process until it is done
        await super().shutdown(sockets)


def listen(host: str, port: int, advice: str) -> socket.socket:
    """Returns a socket that listens on a port; 0 is any free one.

    Raises:
        PortTaken: another program listens on it; `advice` is the message's last sentence.
    """
    # asyncio lets answers go out at once (TCP_NODELAY) only where the protocol is named; else each waits some 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if sys.platform != "win32":  # there it would let two servers share a port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()
    except OSError as error:
        listener.close()
        why = "another program listens there" if error.errno == errno.EADDRINUSE else error.strerror
        raise PortTaken(f"Port {port} on {host} can't be used: {why}. {advice}") from error
    return listener


@contextlib.contextmanager
def tending(jobs: Jobs, afterwards: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Starts queued trainings for as long as the block runs, and calls `afterwards` every second."""
    over = threading.Event()

    def tend() -> None:
        while not over.wait(TEND_SECONDS):
            try:
                jobs.tend()
                afterwards()
            except (StudioError, OSError):
                logger.exception("The next training could not be started")

    thread = threading.Thread(target=tend, name="tend-jobs", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(timeout=5)
