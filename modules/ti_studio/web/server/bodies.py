"""How much a request may send, how fast, and how many large ones are worked on at a time."""

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
OWN = MEGABYTE
"""Of a request to the studio's own routes: some hundred times the longest that people send."""
PAGE = 8 * MEGABYTE
OTHERS = 32 * MEGABYTE
"""Of a request to a route of an extension, which may take pictures."""
PICTURE_IN_TEXT = 32 * MEGABYTE
"""Of a picture in base64 with the JSON around it."""
UPLOAD = 1024 * MEGABYTE
"""Of one upload, which goes to the disk while it comes."""
NOT_READ = 256 * MEGABYTE
"""Of a request to a route that only says that it is not here."""

LARGE = MEGABYTE
AT_ONCE = 2
UPLOADS_AT_ONCE = 4
_TOO_LONG = "The request {found}; expected at most {most:,}."

_BY_PATH = tuple(
    (re.compile(pattern), most)
    for pattern, most in (
        (r"/gradio_api/upload/?", UPLOAD),
        (r"/gradio_api/.*", PAGE),
        (r"/sdapi/v1/png-info", PICTURE_IN_TEXT),
        (r"/sdapi/v1/(img2img|interrogate|extra-.*)", NOT_READ),
        (r"/ti/embeddings/[^/]*/preview", MAX_BYTES),
        (r"/(ti|sdapi)/.*", OWN),
        (r"/login/?", OWN),
    )
)


def most_bytes(path: str) -> int:
    """Returns how many bytes a request's body may have."""
    return next((most for pattern, most in _BY_PATH if pattern.fullmatch(path)), OTHERS)


@dataclass(frozen=True)
class Patience:
    """How long the server waits for a body."""

    seconds: float = 60.0
    """For whatever there is of it, however slowly it comes."""
    bytes_a_second: float = 16 * 1024
    """Each so many bytes that have come buy a second more."""
    turn_seconds: float = 120.0
    """How long a large request waits until others are done."""

    def left(self, received: int, spent: float) -> float:
        """Returns for how many seconds more it waits, when so many bytes took so long."""
        return self.seconds + received / self.bytes_a_second - spent


class Bodies:
    """Stands before all routes. A body that is too long, or comes too slowly, is not kept, and is answered for.

    Most of what a request costs is the memory for its body, several times over while it is read; so only a few large
    ones are let in at once, and the others wait before more than a megabyte of them is read.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        patience: Patience | None = None,
        uploads: Uploads | None = None,
        after_large: Callable[[], None] = lambda: None,
    ) -> None:
        """Stands before `app`.

        Args:
            app: what answers.
            patience: how long a body is waited for.
            uploads: the folder that uploads go to; None: nobody looks after it.
            after_large: called when a large request is over.
        """
        self._app = app
        self._patience = patience or Patience()
        self._uploads = uploads
        self._after_large = after_large
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._upload_turns = asyncio.Semaphore(UPLOADS_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on and watches its body."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path, most = str(scope["path"]), most_bytes(str(scope["path"]))
        is_upload = most == UPLOAD and scope["method"] == "POST"
        if is_upload and self._uploads is not None:
            most = min(most, await run_in_threadpool(self._uploads.make_room, UPLOAD))
        watch = _Watch(path, most, self._patience, self._upload_turns if is_upload else self._turns)
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isascii() and announced.isdecimal() and int(announced) > most:
            watch.refuse(413, _TOO_LONG.format(found=f"has {int(announced):,} bytes", most=most))
        try:
            await watch.run(self._app, scope, receive, send)
        finally:
            watch.end()
            if watch.is_large and not is_upload:
                self._after_large()


class _Watch:
    """Watches the body of one request."""

    def __init__(self, path: str, most: int, patience: Patience, executor: asyncio.Semaphore) -> None:
        self.is_large = False
        self._path, self._most, self._patience, self._turns = path, most, patience, executor
        self._received, self._spent = 0, 0.0
        self._is_whole = self._has_turn = self._has_begun = False
        self._refused: JSONResponse | None = None

    async def run(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Lets the application answer, unless the body is refused."""

        async def watched() -> Message:
            if self._refused is None and not self._is_whole:
                await self._take_in(message := await self._waited_for(receive))
                return message if self._refused is None else {"type": "http.disconnect"}
            return await receive() if self._refused is None else {"type": "http.disconnect"}

        async def watched_send(message: Message) -> None:
            if self._refused is None or self._has_begun:
                self._has_begun = True
                await send(message)

        if self._refused is None:
            with contextlib.suppress(ClientDisconnect):  # by a client that is gone, or because it was refused
                await app(scope, watched, watched_send)
        if self._refused is not None and not self._has_begun:
            await self._refused(scope, receive, send)

    def refuse(self, status: int, message: str) -> None:
        """Takes no more of the body."""
        self._refused = refusal(self._path, status, message)

    def end(self) -> None:
        """Lets the next one in."""
        if self._has_turn:
            self._turns.release()

    async def _waited_for(self, receive: Receive) -> Message:
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            return await asyncio.wait_for(receive(), self._patience.left(self._received, self._spent))
        except asyncio.TimeoutError:
            self.refuse(408, f"After {self._received:,} bytes the rest of the request did not come in time.")
            return {"type": "http.disconnect"}
        finally:
            self._spent += clock() - began

    async def _take_in(self, message: Message) -> None:
        self._received += len(message.get("body", b""))
        self._is_whole = not message.get("more_body", False)
        if self._received > self._most:
            self.refuse(413, _TOO_LONG.format(found=f"has more than {self._most:,} bytes", most=self._most))
        elif self._received > LARGE and not self.is_large:
            self.is_large = True
            try:
                await asyncio.wait_for(self._turns.acquire(), self._patience.turn_seconds)
                self._has_turn = True
            except asyncio.TimeoutError:
                self.refuse(429, "The server is busy with other large requests; try again later.")
