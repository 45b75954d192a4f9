"""Who may ask: the page's own login in front of every REST route, and no orders from other sites' pages."""

import base64
import binascii
import secrets
from collections.abc import Iterable
from http import HTTPStatus
from urllib.parse import urlsplit

from fastapi import Request
from fastapi.responses import JSONResponse
from gradio.routes import App
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send

from ti_studio.web.errors import a1111_error

SDAPI = "/sdapi/"
PREFIXES = ("/ti/", SDAPI)
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
OWN_SITE = frozenset({"same-origin", "none"})


class Guard:
    """Stands before all routes below `/ti/` and `/sdapi/` and those of extensions: later ones are guarded too."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        accounts: Iterable[tuple[str, str]],
        hosts: Iterable[str],
        api_accounts: Iterable[tuple[str, str]] = (),
    ) -> None:
        """Makes the guard.

        Args:
            app: what is guarded.
            accounts: user names and passwords of the page's login; none: it is not asked for.
            api_accounts: further ones, for programs. Where there are only these, `/sdapi/` alone asks for one: the page
                works with `/ti/`, and asks for no login.
            hosts: the names this server answers to, against pages that point their own name at this machine; none: any.
        """
        self.app = app
        self.accounts = dict(accounts)
        self.api_accounts = dict(api_accounts)
        self.hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers what is not allowed, and passes the rest on."""
        refusal = self._refusal(Request(scope)) if scope["type"] == "http" else None
        await (refusal or self.app)(scope, receive, send)

    def _refusal(self, request: Request) -> JSONResponse | None:
        if self.hosts and request.url.hostname not in self.hosts:
            expected = ", ".join(sorted(self.hosts))
            found = f"This server is not called {request.url.hostname!r}; expected one of {expected}."
            return _refuse(400, found, request)
        if not (request.url.path.startswith(PREFIXES) or is_extensions(request)):
            return None
        if request.method not in SAFE_METHODS and not _from_own_site(request):
            return _refuse(403, "Another site's page asked for this; only the studio's own page may.", request)
        if self._is_locked(request) and not (self._has_password(request) or _is_logged_in(request)):
            return _refuse(401, "Not logged in: open the page and log in, or send the account by HTTP Basic.", request)
        return None

    def _is_locked(self, request: Request) -> bool:
        return bool(self.accounts or (self.api_accounts and request.url.path.startswith(SDAPI)))

    def _has_password(self, request: Request) -> bool:
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            user, _, password = base64.b64decode(credentials, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return False
        expected = [accounts[user] for accounts in (self.accounts, self.api_accounts) if user in accounts]
        return any(secrets.compare_digest(password.encode(), each.encode()) for each in expected)


def _refuse(status: int, detail: str, request: Request) -> JSONResponse:
    """Tells programs how to log in. The page's own requests are not told: the browser would ask with a box of its
    own."""
    if not request.url.path.startswith(SDAPI):
        return JSONResponse({"detail": detail}, status_code=status)
    headers = {"WWW-Authenticate": "Basic"} if status == HTTPStatus.UNAUTHORIZED else None
    return JSONResponse(a1111_error("HTTPException", detail), status_code=status, headers=headers)


def _from_own_site(request: Request) -> bool:
    """A browser says where an order comes from; a program that says nothing is none, and no page can trick it."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in OWN_SITE
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")


def is_extensions(request: Request) -> bool:
    """Tells whether an extension's route answers. They have any name; `create_app` leaves them in the state."""
    routes: list[BaseRoute] = getattr(request.scope["app"].state, "extension_routes", [])
    return any(route.matches(request.scope)[0] is not Match.NONE for route in routes)


def _is_logged_in(request: Request) -> bool:
    """Looks for the cookie that Gradio's login page sets; `create_app` leaves the page's app in the state."""
    page: App = request.scope["app"].state.page
    names = (f"access-token-{page.cookie_id}", f"access-token-unsecure-{page.cookie_id}")
    return any(request.cookies.get(name) in page.tokens for name in names)
