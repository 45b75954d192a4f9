"""404 and 405 answers for REST addresses without a route.

Without them the page, which is mounted behind the routes, would answer with HTML or its own error.
"""

from collections.abc import Iterator

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from starlette.routing import BaseRoute, Match, Route, compile_path
from starlette.types import Receive, Scope, Send

from ti_studio.web.server.errors import a1111_error


class UnknownAddress(BaseRoute):
    """The last route below some prefixes, which matches all remaining requests."""

    def __init__(self, app: FastAPI, *prefixes: str) -> None:
        """Makes the route; it goes behind the routes of `app`.

        Args:
            app: has the routes, for the allowed methods in a 405.
            prefixes: the beginnings of the paths that it answers.
        """
        self._app = app
        self._prefixes = prefixes

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Matches every path below the prefixes."""
        is_below = scope["type"] == "http" and scope["path"].startswith(self._prefixes)
        return (Match.FULL if is_below else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers 404 or 405."""
        path, method = scope["path"], scope["method"]
        allowed = sorted(self._methods(path))
        if allowed:
            detail = f"{path} can't be asked with {method}; expected {' or '.join(allowed)}."
            answer, headers = (405, "Method Not Allowed"), {"Allow": ", ".join(allowed)}
        else:
            detail = f"There is nothing at {path}; /ti/docs lists what there is."
            answer, headers = (404, "Not Found"), {}
        status, kind = answer
        body = a1111_error(kind, detail) if path.startswith("/sdapi/") else {"detail": detail}
        await JSONResponse(body, status_code=status, headers=headers)(scope, receive, send)

    def _methods(self, path: str) -> set[str]:
        """Returns the methods of the first route for a path. A later route with a parameter may match by accident."""
        for template, methods in self._templates():
            if compile_path(template)[0].match(path):
                return methods
        return set()

    def _templates(self) -> Iterator[tuple[str, set[str]]]:
        """Yields the path template and methods of each route, in order."""
        for template, methods in self._app.openapi()["paths"].items():
            yield template, {method.upper() for method in methods}
        for route in self._app.routes:  # those that are not in the description
            if isinstance(route, Route):
                yield route.path, set(route.methods or ())
