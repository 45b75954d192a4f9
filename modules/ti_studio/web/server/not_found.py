"""What no REST route answers: 404, or 405 where there is a route and only its method is another. Without this the page,
which is mounted below them, would answer with its own page or error."""

from collections.abc import Iterator

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from starlette.routing import BaseRoute, Match, Route, compile_path
from starlette.types import Receive, Scope, Send

from ti_studio.web.server.errors import a1111_error


class UnknownAddress(BaseRoute):
    """The last route below some prefixes: it matches whatever has come so far."""

    def __init__(self, app: FastAPI, *prefixes: str) -> None:
        """Stands behind the routes of `app`, for paths that begin with one of the prefixes."""
        self._app = app
        self._prefixes = prefixes

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Matches every path below the prefixes."""
        known = scope["type"] == "http" and scope["path"].startswith(self._prefixes)
        return (Match.FULL if known else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers 404 or 405."""
        path, method = scope["path"], scope["method"]
        allowed = sorted(self._methods(path))
        if allowed:
            said = f"{path} can't be asked with {method}; expected {' or '.join(allowed)}."
            answer, headers = (405, "Method Not Allowed"), {"Allow": ", ".join(allowed)}
        else:
            said = f"There is nothing at {path}; /ti/docs lists what there is."
            answer, headers = (404, "Not Found"), {}
        status, kind = answer
        body = a1111_error(kind, said) if path.startswith("/sdapi/") else {"detail": said}
        await JSONResponse(body, status_code=status, headers=headers)(scope, receive, send)

    def _methods(self, path: str) -> set[str]:
        """Returns what a path's own route can be asked. A later one with a parameter may match it too, by chance."""
        for template, methods in self._templates():
            if compile_path(template)[0].match(path):
                return methods
        return set()

    def _templates(self) -> Iterator[tuple[str, set[str]]]:
        """Yields the paths of the routes, in their order, with their methods."""
        for template, methods in self._app.openapi()["paths"].items():
            yield template, {method.upper() for method in methods}
        for route in self._app.routes:  # those that the description leaves out
            if isinstance(route, Route):
                yield route.path, set(route.methods or ())
