"""Runs the web server: its port, its HTTP protocol, its lifecycle events and the queue of trainings."""

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
"""The time a client has to send its request's head. A browser whose idle connection is closed opens a new one."""


class PortTaken(StudioError):
    """The server can't listen on the port."""


class PromptHTTP(H11Protocol):
    """HTTP/1.1 with a time limit for the request's head, against idle and trickling clients (Slowloris).

    `web.server.bodies` limits the time for the body.
    """

    patience = HEADERS_SECONDS
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Starts the timer."""
        super().connection_made(transport)
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops the timer."""
        self._stop_timer()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Handles received data and stops the timer once a request's head is complete."""
        before = self.cycle
        super().handle_events()
        if self.cycle is not before:
            self._stop_timer()

    def handle_websocket_upgrade(self, event: Any) -> None:
        """Stops the timer, because another protocol takes over."""
        self._stop_timer()
        super().handle_websocket_upgrade(event)

    def on_response_complete(self) -> None:
        """Starts the timer for the next request."""
        self._start_timer()
        super().on_response_complete()

    def _start_timer(self) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(self.patience, self.transport.close)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Server(uvicorn.Server):
    """Serves an application, with callbacks for its start and end."""

    def __init__(self, app: FastAPI, on_started: Callable[[], None], on_ending: Callable[[], None]) -> None:
        """Makes a server without starting it.

        Args:
            app: the application.
            on_started: called when the server listens.
            on_ending: called when the server begins to shut down.
        """
        super().__init__(
            uvicorn.Config(app, http=PromptHTTP, log_level="warning", timeout_graceful_shutdown=LAST_ANSWERS_SECONDS)
        )
        self.on_started = on_started
        self.on_ending = on_ending

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts the server and calls `on_started`."""
        await super().startup(sockets)
        if self.started:
            self.on_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Calls `on_ending` and shuts the server down."""
        self.on_ending()  # a generation thread would keep the process alive until it is done
        await super().shutdown(sockets)


def listen(host: str, port: int, advice: str) -> socket.socket:
    """Returns a socket that listens on a port.

    Args:
        host: the address to listen on.
        port: the port; 0 is any free one.
        advice: the last sentence of the error message.

    Raises:
        PortTaken: another program listens on the port, or it can't be used.
    """
    # asyncio only sets TCP_NODELAY if the protocol is named; without it each answer is delayed by about 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if sys.platform != "win32":  # where it would let two servers share a port
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
    """Starts queued trainings while the block runs, and calls `afterwards` every second."""
    stopped = threading.Event()

    def tend() -> None:
        while not stopped.wait(TEND_SECONDS):
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
        stopped.set()
        thread.join(timeout=5)
