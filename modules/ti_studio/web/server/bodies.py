"""Limits on request bodies: size, time to arrive, and how many large ones are handled at a time."""

import asyncio
import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass

from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ti_studio.embeddings.cards.thumbnails import MAX_BYTES
from ti_studio.web.server.errors import refusal
from ti_studio.web.server.uploads import Uploads

MEGABYTE = 1024**2
STUDIO_BYTES = MEGABYTE
"""Limit for the studio's own routes: about a hundred times the longest usual request."""
PAGE_BYTES = 8 * MEGABYTE
"""Limit for the page's own requests."""
EXTENSION_BYTES = 32 * MEGABYTE
"""Limit for extensions' routes, which may accept pictures."""
BASE64_PICTURE_BYTES = 32 * MEGABYTE
"""Limit for a base64 picture in JSON."""
UPLOAD_BYTES = 1024 * MEGABYTE
"""Limit for one upload, which is written to disk as it arrives."""
ABSENT_BYTES = 256 * MEGABYTE
"""Limit for A1111's routes that the studio only refuses."""

LARGE_BYTES = MEGABYTE
"""A body above this is large."""
CONCURRENT_LARGE = 2
CONCURRENT_UPLOADS = 4
_TOO_LONG = "The request {size}; expected at most {most:,}."

_BY_PATH = tuple(
    (re.compile(pattern), most)
    for pattern, most in (
        (r"/gradio_api/upload/?", UPLOAD_BYTES),
        (r"/gradio_api/.*", PAGE_BYTES),
        (r"/sdapi/v1/png-info", BASE64_PICTURE_BYTES),
        (r"/sdapi/v1/(img2img|interrogate|extra-.*)", ABSENT_BYTES),
        (r"/ti/embeddings/[^/]*/preview", MAX_BYTES),
        (r"/(ti|sdapi)/.*", STUDIO_BYTES),
        (r"/login/?", STUDIO_BYTES),
    )
)


def most_bytes(path: str) -> int:
    """Returns the limit in bytes for the body of a request to `path`."""
    return next((most for pattern, most in _BY_PATH if pattern.fullmatch(path)), EXTENSION_BYTES)


@dataclass(frozen=True)
class Patience:
    """How long the server waits for a request's body."""

    seconds: float = 60.0
    """The base time for a body of any size."""
    bytes_a_second: float = 16 * 1024
    """The received bytes that extend the time by one second."""
    turn_seconds: float = 120.0
    """How long a large request waits for its turn."""

    def left(self, received: int, spent: float) -> float:
        """Returns the remaining seconds after `received` bytes in `spent` seconds."""
        return self.seconds + received / self.bytes_a_second - spent


class Bodies:
    """Middleware before all routes that refuses bodies that are too long or arrive too slowly.

    A request's main cost is the memory for its body, several times over while it is parsed. Only a few large requests
    are therefore handled at once; the others wait with no more than a megabyte of them read.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        patience: Patience | None = None,
        uploads: Uploads | None = None,
        after_large: Callable[[], None] = lambda: None,
    ) -> None:
        """Wraps `app`.

        Args:
            app: answers the requests.
            patience: how long to wait for a body.
            uploads: the upload folder, in which each upload needs room; None does not check.
            after_large: called when a large request has ended.
        """
        self._app = app
        self._patience = patience or Patience()
        self._uploads = uploads
        self._after_large = after_large
        self._turns = asyncio.Semaphore(CONCURRENT_LARGE)
        self._upload_turns = asyncio.Semaphore(CONCURRENT_UPLOADS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on and enforces the limits on its body."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path, most = str(scope["path"]), most_bytes(str(scope["path"]))
        is_upload = most == UPLOAD_BYTES and scope["method"] == "POST"
        if is_upload and self._uploads is not None:
            most = min(most, await run_in_threadpool(self._uploads.make_room, UPLOAD_BYTES))
        watch = _Watch(path, most, self._patience, self._upload_turns if is_upload else self._turns)
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isascii() and announced.isdecimal() and int(announced) > most:
            watch.refuse(413, _TOO_LONG.format(size=f"has {int(announced):,} bytes", most=most))
        try:
            await watch.run(self._app, scope, receive, send)
        finally:
            watch.end()
            if watch.is_large and not is_upload:
                self._after_large()


class _Watch:
    """Enforces the limits on the body of one request."""

    def __init__(self, path: str, most: int, patience: Patience, turns: asyncio.Semaphore) -> None:
        self.is_large = False
        self._path, self._most, self._patience, self._turns = path, most, patience, turns
        self._received, self._spent = 0, 0.0
        self._is_whole = self._has_turn = self._has_begun = False
        self._refused: JSONResponse | None = None

    async def run(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the application's answer, or the refusal of the body."""

        async def limited_receive() -> Message:
            if self._refused is None and not self._is_whole:
                await self._count(message := await self._wait_for(receive))
                return message if self._refused is None else {"type": "http.disconnect"}
            return await receive() if self._refused is None else {"type": "http.disconnect"}

        async def guarded_send(message: Message) -> None:
            if self._refused is None or self._has_begun:
                self._has_begun = True
                await send(message)

        if self._refused is None:
            with contextlib.suppress(ClientDisconnect):  # the client is gone, or the body was refused
                await app(scope, limited_receive, guarded_send)
        if self._refused is not None and not self._has_begun:
            await self._refused(scope, receive, send)

    def refuse(self, status: int, detail: str) -> None:
        """Stops reading the body; the answer will be this error."""
        self._refused = refusal(self._path, status, detail)

    def end(self) -> None:
        """Gives the next large request its turn."""
        if self._has_turn:
            self._turns.release()

    async def _wait_for(self, receive: Receive) -> Message:
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            return await asyncio.wait_for(receive(), self._patience.left(self._received, self._spent))
        except asyncio.TimeoutError:
            self.refuse(408, f"After {self._received:,} bytes the rest of the request did not come in time.")
            return {"type": "http.disconnect"}
        finally:
            self._spent += clock() - began

    async def _count(self, message: Message) -> None:
        self._received += len(message.get("body", b""))
        self._is_whole = not message.get("more_body", False)
        if self._received > self._most:
            self.refuse(413, _TOO_LONG.format(size=f"has more than {self._most:,} bytes", most=self._most))
        elif self._received > LARGE_BYTES and not self.is_large:
            self.is_large = True
            try:
                await asyncio.wait_for(self._turns.acquire(), self._patience.turn_seconds)
                self._has_turn = True
            except asyncio.TimeoutError:
                self.refuse(429, "The server is busy with other large requests; try again later.")
