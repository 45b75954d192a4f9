"""Watches over every request to the server: each is answered, if only by the sentence that it was given up."""

import asyncio

from fastapi import Request
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ti_studio.watchdog import LEAST_SECONDS, Watch
from ti_studio.web.server.errors import answer_to


class Watchdog:
    """Stands before all routes but those of extensions, which know themselves how long they take.

    Counted is the time until an answer begins, less that in which the browser still sends. A stream of events begins at
    once and may last.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Watches over `app`."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes on, and answers what is given up."""
        if scope["type"] != "http" or _is_extensions(Request(scope)):
            await self.app(scope, receive, send)
        else:
            await _Exchange(scope, receive, send).watch_over(self.app)


class _Exchange:
    """One request and its answer: the app's, or that it was given up."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope, self._from_browser, self._to_browser = scope, receive, send
        self._watch = Watch(f"{scope['method']} {scope['path']}")
        self._has_body = self._has_begun = False

    async def watch_over(self, app: ASGIApp) -> None:
        """Calls the app and answers if it does not."""
        with self._watch.watching():
            work = asyncio.ensure_future(app(self._scope, self._receive, self._send))
        try:
            while not (work.done() or self._is_late):
                await asyncio.wait({work}, timeout=None if self._has_begun else max(self._watch.left, LEAST_SECONDS))
            if not work.done():
                answer = answer_to(Request(self._scope), self._watch.give_up())
                await answer(self._scope, self._from_browser, self._to_browser)
        finally:
            # The server ends, or this was given up. What a thread does for it goes on, but no longer counts as one of
            # those that may work at a time.
            if not work.done():
                work.cancel()
                await asyncio.wait({work})
        if not self._watch.given_up:
            work.result()
        elif not work.cancelled():
            work.exception()  # nobody waits for it any more

    @property
    def _is_late(self) -> bool:
        return not self._has_begun and not self._watch.left

    async def _receive(self) -> Message:
        if self._has_body:  # whoever asks now wants to know whether the browser is gone
            return await self._from_browser()
        with self._watch.long_work():
            message = await self._from_browser()
        self._has_body = not message.get("more_body", False)
        return message

    async def _send(self, message: Message) -> None:
        if self._watch.given_up:
            return
        self._has_begun = True
        await self._to_browser(message)


def _is_extensions(request: Request) -> bool:
    """Tells whether an extension's route answers. They have any name; `create_app` leaves them in the state."""
    routes: list[BaseRoute] = getattr(request.scope["app"].state, "extension_routes", [])
    return any(route.matches(request.scope)[0] is not Match.NONE for route in routes)
