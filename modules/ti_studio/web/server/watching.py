"""The watchdog for requests: a request that makes no progress is answered with an error."""

import asyncio

from fastapi import Request
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ti_studio.watchdog import LEAST_SECONDS, Watch
from ti_studio.web.server.errors import answer_to


class Watchdog:
    """Middleware before all routes except those of extensions, whose duration is unknown.

    The limit applies to the time until an answer begins, without the time in which the browser still sends. A stream
    of events begins immediately and may last.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Wraps `app`."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on; answers with an error if it is abandoned."""
        if scope["type"] != "http" or _is_extensions(Request(scope)):
            await self.app(scope, receive, send)
        else:
            await _Exchange(scope, receive, send).watch_over(self.app)


class _Exchange:
    """One request and its answer: the app's, or the watchdog's error."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope, self._from_browser, self._to_browser = scope, receive, send
        self._watch = Watch(f"{scope['method']} {scope['path']}")
        self._has_body = self._has_begun = False

    async def watch_over(self, app: ASGIApp) -> None:
        """Calls the app and answers with an error if the app does not answer in time."""
        with self._watch.watching():
            work = asyncio.ensure_future(app(self._scope, self._receive, self._send))
        try:
            while not (work.done() or self._is_late):
                await asyncio.wait({work}, timeout=None if self._has_begun else max(self._watch.left, LEAST_SECONDS))
            if not work.done():
                answer = answer_to(Request(self._scope), self._watch.give_up())
                await answer(self._scope, self._from_browser, self._to_browser)
        finally:
            # The server ends, or the request was abandoned. Its thread continues, but no longer counts towards the
            # limit of concurrent threads.
            if not work.done():
                work.cancel()
                await asyncio.wait({work})
        if not self._watch.given_up:
            work.result()
        elif not work.cancelled():
            work.exception()  # retrieved so that asyncio does not log it

    @property
    def _is_late(self) -> bool:
        return not self._has_begun and not self._watch.left

    async def _receive(self) -> Message:
        if self._has_body:  # a further receive() waits for the disconnect
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
    """Returns whether an extension's route answers. Its path may be anything; the app's state has these routes."""
    routes: list[BaseRoute] = getattr(request.scope["app"].state, "extension_routes", [])
    return any(route.matches(request.scope)[0] is not Match.NONE for route in routes)
