"""Access control: the login, the host names, and protection against other sites' pages (CSRF, DNS rebinding)."""

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
"""Paths that need no login, because the login page uses them; `/` is the login page itself."""
SHIPPED_WITH_GRADIO = ("/assets/", "/static/", "/svelte/", "/pwa_icon/")
"""Files of the Gradio package, the same on every machine."""
ORDERS_BEFORE_LOGIN = frozenset({"/login", "/login/"})


class Guard:
    """Middleware before all routes: the studio's, the page's and those of extensions."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        accounts: Iterable[tuple[str, str]],
        hosts: Iterable[str],
        api_accounts: Iterable[tuple[str, str]] = (),
    ) -> None:
        """Wraps `app`.

        Args:
            app: answers the requests that are allowed.
            accounts: user names and passwords for the page's login; none disables it.
            api_accounts: further accounts, for programs. Without `accounts`, only `/sdapi/` requires one of them.
            hosts: the host names that the server accepts, against DNS rebinding; none accepts any.
        """
        self.app = app
        self.accounts = dict(accounts)
        self.api_accounts = dict(api_accounts)
        self.hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuses requests that are not allowed and passes the others on."""
        refused = self._refusal(HTTPConnection(scope)) if scope["type"] in ("http", "websocket") else None
        if refused is None:
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await refused(scope, receive, send)

    def _refusal(self, connection: HTTPConnection) -> JSONResponse | None:
        path = str(connection.scope["path"])
        host = _hostname(connection)
        if self.hosts and host not in self.hosts:
            expected = ", ".join(sorted(self.hosts))
            detail = f"This server is not called {host!r}; expected one of {expected}."
            return refusal(path, HTTPStatus.BAD_REQUEST, detail)
        if not _from_own_site(connection):
            detail = "Another site's page sent this request; only the studio's own page may."
            return refusal(path, HTTPStatus.FORBIDDEN, detail)
        if self._is_locked(path, _method(connection)) and not (
            self._has_password(connection) or _is_logged_in(connection)
        ):
            detail = "Not logged in: open the page and log in, or send the account by HTTP Basic."
            # Not for the page's own requests: the browser would open its own password box.
            headers = {"WWW-Authenticate": "Basic"} if path.startswith(SDAPI) else None
            return refusal(path, HTTPStatus.UNAUTHORIZED, detail, headers)
        return None

    def _is_locked(self, path: str, method: str) -> bool:
        if path.startswith(SDAPI):
            return bool(self.accounts or self.api_accounts)
        return bool(self.accounts) and not _is_for_everybody(path, method)

    def _has_password(self, connection: HTTPConnection) -> bool:
        scheme, _, credentials = connection.headers.get("authorization", "").partition(" ")
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


def _hostname(connection: HTTPConnection) -> str | None:
    """Returns the host name that the request is addressed to, without the port."""
    try:
        return urlsplit(f"//{connection.headers.get('host', '')}").hostname
    except ValueError:
        return None


def _method(connection: HTTPConnection) -> str:
    """Returns the HTTP method. A WebSocket has none and counts as unsafe."""
    return str(connection.scope.get("method", "WEBSOCKET"))


def _from_own_site(connection: HTTPConnection) -> bool:
    """Returns whether a request comes from the studio's page, the address bar or a program, not from another site.

    Browsers send the origin of a request, and pages can't suppress it; programs usually send none. Other sites may
    link to the page, but they can't load its pictures and files or call its routes.
    """
    is_safe = _method(connection) in SAFE_METHODS
    site = connection.headers.get("sec-fetch-site")
    if site is not None:
        return site in OWN_SITE or (is_safe and connection.headers.get("sec-fetch-mode") == "navigate")
    # Browsers send Sec-Fetch-Site to HTTPS and to this machine, but not over plain HTTP to another machine.
    origin = connection.headers.get("origin")
    if origin is None and not is_safe:
        origin = connection.headers.get("referer")
    return origin is None or _is_own(origin, connection)


def _is_own(address: str, connection: HTTPConnection) -> bool:
    """Returns whether an address has this server's host, or the host that the proxy before it reports.

    A page can't forge the proxy's header: the browser would send a preflight request first, which is refused.
    """
    try:
        host = urlsplit(address).netloc
    except ValueError:
        return False
    return bool(host) and host in (connection.headers.get("host"), connection.headers.get("x-forwarded-host"))


def _is_logged_in(connection: HTTPConnection) -> bool:
    """Returns whether the request has a valid cookie of Gradio's login. The page in the app's state has the tokens."""
    page: App = connection.scope["app"].state.page
    names = (f"access-token-{page.cookie_id}", f"access-token-unsecure-{page.cookie_id}")
    return any(connection.cookies.get(name) in page.tokens for name in names)
