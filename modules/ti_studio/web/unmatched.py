"""What no REST route answers: 404, or 405 where there is a route and only its method is another. Without this the page,
which is mounted below them, would answer with its own page or error."""

from collections.abc import Iterable

from fastapi.responses import JSONResponse
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from ti_studio.web.errors import a1111_error

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


class Unmatched(BaseRoute):
    """The last route below some prefixes: it matches whatever has come so far."""

    def __init__(self, routes: Iterable[BaseRoute], *prefixes: str) -> None:
        """Stands behind routes.

        Args:
            routes: those before it, by which it knows what a path can be asked.
            prefixes: it answers for paths that begin with one of these.
        """
        self._routes = list(routes)
        self._prefixes = prefixes

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Matches every path below the prefixes."""
        known = scope["type"] == "http" and scope["path"].startswith(self._prefixes)
        return (Match.FULL if known else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers 404 or 405."""
        path, method = scope["path"], scope["method"]
        allowed = sorted(known for known in METHODS if self._answers({**scope, "method": known}))
        if allowed:
            said = f"{path} can't be asked with {method}; expected {' or '.join(allowed)}."
            answer, headers = (405, "Method Not Allowed"), {"Allow": ", ".join(allowed)}
        else:
            said = f"There is nothing at {path}; /ti/docs lists what there is."
            answer, headers = (404, "Not Found"), {}
        status, kind = answer
        body = a1111_error(kind, said) if path.startswith("/sdapi/") else {"detail": said}
        await JSONResponse(body, status_code=status, headers=headers)(scope, receive, send)

    def _answers(self, scope: Scope) -> bool:
        return any(route.matches(scope)[0] is Match.FULL for route in self._routes)
