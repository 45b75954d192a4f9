"""Who may ask: the page's own login in front of every REST route, and no orders from other sites' pages."""

import base64
import binascii
import secrets
from collections.abc import Iterable
from urllib.parse import urlsplit

from fastapi import Request
from fastapi.responses import JSONResponse
from gradio.routes import App
from starlette.types import ASGIApp, Receive, Scope, Send

PREFIX = "/ti/"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
OWN_SITE = frozenset({"same-origin", "none"})


class Guard:
    """Stands before every `/ti/` route, so that a route added later is guarded too."""

    def __init__(self, app: ASGIApp, *, accounts: Iterable[tuple[str, str]], hosts: Iterable[str]) -> None:
        """Makes the guard.

        Args:
            app: what is guarded.
            accounts: user names and passwords; none: no login is asked for.
            hosts: the names this server answers to, against pages that point their own name at this machine; none: any.
        """
        self.app = app
        self.accounts = dict(accounts)
        self.hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers what is not allowed, and passes the rest on."""
        refusal = self._refusal(Request(scope)) if scope["type"] == "http" else None
        await (refusal or self.app)(scope, receive, send)

    def _refusal(self, request: Request) -> JSONResponse | None:
        if self.hosts and request.url.hostname not in self.hosts:
            expected = ", ".join(sorted(self.hosts))
            return _refuse(400, f"This server is not called {request.url.hostname!r}; expected one of {expected}.")
        if not request.url.path.startswith(PREFIX):
            return None
        if request.method not in SAFE_METHODS and not _from_own_site(request):
            return _refuse(403, "Another site's page asked for this; only the studio's own page may.")
        if self.accounts and not (self._has_password(request) or _is_logged_in(request)):
            return _refuse(401, "Not logged in: open the page and log in, or send the account by HTTP Basic.")
        return None

    def _has_password(self, request: Request) -> bool:
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            user, _, password = base64.b64decode(credentials, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return False
        expected = self.accounts.get(user, "")
        return bool(expected) and secrets.compare_digest(password.encode(), expected.encode())


def _refuse(status: int, detail: str) -> JSONResponse:
    return JSONResponse({"detail": detail}, status_code=status)


def _from_own_site(request: Request) -> bool:
    """A browser says where an order comes from; a program that says nothing is none, and no page can trick it."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in OWN_SITE
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")


def _is_logged_in(request: Request) -> bool:
    """Looks for the cookie that Gradio's login page sets; `create_app` leaves the page's app in the state."""
    page: App = request.scope["app"].state.page
    names = (f"access-token-{page.cookie_id}", f"access-token-unsecure-{page.cookie_id}")
    return any(request.cookies.get(name) in page.tokens for name in names)
