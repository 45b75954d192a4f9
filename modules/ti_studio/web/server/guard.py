"""Who may ask: the page's own login in front of everything but the login itself, and nothing for other sites' pages."""

import base64
import binascii
import secrets
from collections.abc import Iterable
from http import HTTPStatus
from urllib.parse import urlsplit

from fastapi.responses import JSONResponse
from gradio.routes import App
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from ti_studio.web.server.errors import refusal

SDAPI = "/sdapi/"
SAFE_METHODS = frozenset({"GET", "HEAD"})
OWN_SITE = frozenset({"same-origin", "none"})
BEFORE_LOGIN = frozenset(
    {
        *("/", "/login", "/login/", "/logout", "/theme.css", "/favicon.ico", "/manifest.json", "/robots.txt"),
        *("/pwa_icon", "/gradio_api/theme.css", "/gradio_api/login_check", "/gradio_api/login_check/"),
    }
)
"""What the page needs before anybody is logged in; `/` is the login itself then."""
SHIPPED_WITH_GRADIO = ("/assets/", "/static/", "/svelte/", "/pwa_icon/")
"""Files of the package, the same on every machine."""
ORDERS_BEFORE_LOGIN = frozenset({"/login", "/login/"})


class Guard:
    """Stands before everything that the server answers: the studio's routes, the page's, and those of extensions."""

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
        refused = self._refusal(HTTPConnection(scope)) if scope["type"] in ("http", "websocket") else None
        if refused is None:
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await refused(scope, receive, send)

    def _refusal(self, asked: HTTPConnection) -> JSONResponse | None:
        path = str(asked.scope["path"])
        host = _hostname(asked)
        if self.hosts and host not in self.hosts:
            expected = ", ".join(sorted(self.hosts))
            message = f"This server is not called {host!r}; expected one of {expected}."
            return refusal(path, HTTPStatus.BAD_REQUEST, message)
        if not _from_own_site(asked):
            message = "Another site's page asked for this; only the studio's own page may."
            return refusal(path, HTTPStatus.FORBIDDEN, message)
        if self._is_locked(path, _method(asked)) and not (self._has_password(asked) or _is_logged_in(asked)):
            message = "Not logged in: open the page and log in, or send the account by HTTP Basic."
            # Programs are told how to log in. The page's own requests are not: the browser would ask with a box of its
            # own.
            headers = {"WWW-Authenticate": "Basic"} if path.startswith(SDAPI) else None
            return refusal(path, HTTPStatus.UNAUTHORIZED, message, headers)
        return None

    def _is_locked(self, path: str, method: str) -> bool:
        if path.startswith(SDAPI):
            return bool(self.accounts or self.api_accounts)
        return bool(self.accounts) and not _is_for_everybody(path, method)

    def _has_password(self, asked: HTTPConnection) -> bool:
        scheme, _, credentials = asked.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            user, _, password = base64.b64decode(credentials, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return False
        expected = [accounts[user] for accounts in (self.accounts, self.api_accounts) if user in accounts]
        return any(secrets.compare_digest(password.encode(), each.encode()) for each in expected)


def _is_for_everybody(path: str, method: str) -> bool:
    if method not in SAFE_METHODS:
        return path in ORDERS_BEFORE_LOGIN
    return path in BEFORE_LOGIN or path.startswith(SHIPPED_WITH_GRADIO)


def _hostname(asked: HTTPConnection) -> str | None:
    """Returns the name that the server is asked by, without the port."""
    try:
        return urlsplit(f"//{asked.headers.get('host', '')}").hostname
    except ValueError:
        return None


def _method(asked: HTTPConnection) -> str:
    """Returns what is asked; a WebSocket can do anything."""
    return str(asked.scope.get("method", "WEBSOCKET"))


def _from_own_site(asked: HTTPConnection) -> bool:
    """Tells whether the studio's own page asks, somebody at the browser, or a program. A browser says where a request
    comes from; a program that says nothing is none, and no page can trick it.

    Other sites may link to the page, and nothing else: they get none of its pictures, files and answers.
    """
    is_safe = _method(asked) in SAFE_METHODS
    site = asked.headers.get("sec-fetch-site")
    if site is not None:
        return site in OWN_SITE or (is_safe and asked.headers.get("sec-fetch-mode") == "navigate")
    # Browsers say it of every connection to HTTPS or this machine, but not of plain HTTP to another one.
    origin = asked.headers.get("origin")
    if origin is None and not is_safe:
        origin = asked.headers.get("referer")
    return origin is None or _is_own(origin, asked)


def _is_own(address: str, asked: HTTPConnection) -> bool:
    """Tells whether an address is this server's, as it is called itself or by the proxy before it. (No page can make a
    browser send a proxy's header without asking for leave first, which is refused.)"""
    try:
        netloc = urlsplit(address).netloc
    except ValueError:
        return False
    return bool(netloc) and netloc in (asked.headers.get("host"), asked.headers.get("x-forwarded-host"))


def _is_logged_in(asked: HTTPConnection) -> bool:
    """Looks for the cookie that Gradio's login page sets; `create_app` leaves the page's app in the state."""
    page: App = asked.scope["app"].state.page
    names = (f"access-token-{page.cookie_id}", f"access-token-unsecure-{page.cookie_id}")
    return any(asked.cookies.get(name) in page.tokens for name in names)
