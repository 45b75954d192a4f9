"""What a server needs while it runs: a port, somebody to tell that it listens, and the trainings kept going."""

import contextlib
import errno
import logging
import socket
import sys
import threading
from collections.abc import Callable, Iterator

import uvicorn
from fastapi import FastAPI

from ti_studio.errors import StudioError
from ti_studio.jobs.queue import Jobs

logger = logging.getLogger(__name__)

TEND_SECONDS = 1.0
LAST_ANSWERS_SECONDS = 2


class PortTaken(StudioError):
    """The port can't be listened on."""


class Server(uvicorn.Server):
    """Serves an application, and says when it listens and when it ends."""

    def __init__(self, app: FastAPI, on_started: Callable[[], None], on_ending: Callable[[], None]) -> None:
        """Makes a server that does not serve yet."""
        super().__init__(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=LAST_ANSWERS_SECONDS))
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
