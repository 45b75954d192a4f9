"""Shows the studio below the WebUI's own address: a reverse proxy with the WebUI's login before it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import anyio
import httpx
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from ti_studio_bridge.bridge import Bridge
from ti_studio_bridge.child import Child
from ti_studio_bridge.plan import PREFIX

SECRET_HEADER = "x-ti-studio-secret"
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
HOP_BY_HOP = frozenset(
    {
        *(
            "connection",
            "keep-alive",
            "proxy-authenticate",
            "proxy-authorization",
            "te",
            "trailer",
            "transfer-encoding",
        ),
        "upgrade",
    }
)
NOT_FOR_THE_STUDIO = HOP_BY_HOP | {"cookie", "authorization", "content-length", SECRET_HEADER}
"""The login is the WebUI's, and none of the studio's business."""
NOT_FOR_THE_BROWSER = HOP_BY_HOP | {"content-length", "date", "server", "set-cookie"}
OWN_SITE = frozenset({"same-origin", "none"})
LOOK_SECONDS = 30.0
"""A request that takes longer than this has the studio asked for a sign of life, again and again."""
REFUSAL_SECONDS = 30.0
SILENT = (
    "The studio does not answer any more. Start the WebUI again; trainings go on meanwhile. What the studio has said "
    "is in {log}."
)
NOT_TO_BE_PACKED = ("text/event-stream", "image/", "application/octet-stream", "application/zip")
"""Events, which a compressing WebUI would keep back until there are many, and what would only take its time."""


def add_routes(app: Any, bridge: Bridge, *, completion: bool) -> None:
    """Adds the studio to the WebUI's server, before Gradio's routes, of which some take any path.

    Args:
        app: the WebUI's FastAPI application.
        bridge: knows the studio.
        completion: whether the WebUI's own prompt boxes complete embeddings' names.
    """
    client = httpx.AsyncClient(
        timeout=httpx.Timeout(None, connect=5.0),
        limits=httpx.Limits(max_connections=None),
        follow_redirects=False,
        trust_env=False,
    )

    async def studio(request: Request) -> Response:
        return _refusal(app, request) or await _pass_on(client, bridge, request)

    async def status(request: Request) -> Response:
        return _refusal(app, request) or JSONResponse({**bridge.status.as_json(), "completion": completion})

    async def start(request: Request) -> Response:
        if request.headers.get("sec-fetch-site", "none") not in OWN_SITE:
            return JSONResponse({"detail": "Another site's page asked for this."}, status_code=403)
        refusal = _refusal(app, request)
        if refusal is None:
            await run_in_threadpool(bridge.start)
        return refusal or JSONResponse(bridge.status.as_json())

    app.router.routes[:0] = [
        Route(f"{PREFIX}-bridge/status", status, methods=["GET"], include_in_schema=False),
        Route(f"{PREFIX}-bridge/start", start, methods=["POST"], include_in_schema=False),
        Route(f"{PREFIX}/{{path:path}}", studio, methods=METHODS, include_in_schema=False),
    ]


def _refusal(app: Any, request: Request) -> Response | None:
    """Asks for the login of the WebUI's page, where it has one: Gradio's cookie holds a token that `app` knows."""
    if getattr(app, "auth", None) is None:
        return None
    tokens = [value for name, value in request.cookies.items() if name.startswith("access-token")]
    if any(token in app.tokens for token in tokens):
        return None
    return JSONResponse({"detail": "Not logged in: open the WebUI and log in there."}, status_code=401)


async def _pass_on(client: httpx.AsyncClient, bridge: Bridge, request: Request) -> Response:
    child = bridge.child
    if child is None:
        return JSONResponse({"detail": bridge.status.text}, status_code=503)
    asked = client.build_request(
        request.method,
        httpx.URL(child.url, raw_path=_path(request)),
        headers=_for_the_studio(request, child.secret),
        content=request.stream()
        if "content-length" in request.headers or "transfer-encoding" in request.headers
        else None,
    )
    try:
        answer = await _sent(client, asked, child)
    except httpx.TimeoutException:
        return JSONResponse({"detail": SILENT.format(log=child.log)}, status_code=504)
    except httpx.TransportError:  # it has just ended
        return JSONResponse({"detail": "The studio has ended unexpectedly."}, status_code=503)
    return _answered(answer)


async def _sent(client: httpx.AsyncClient, asked: httpx.Request, child: Child) -> httpx.Response:
    """Sends a request, and waits for as long as the studio lives, which has limits of its own for what it does.

    Raises:
        httpx.TimeoutException: it does not even refuse a request any more.
        httpx.TransportError: it has ended.
    """
    sending = asyncio.ensure_future(client.send(asked, stream=True))
    try:
        while not sending.done():
            await asyncio.wait({sending}, timeout=LOOK_SECONDS)
            if not sending.done():
                await client.get(child.url, timeout=REFUSAL_SECONDS)  # without the secret
        return sending.result()
    finally:
        sending.cancel()


def _path(request: Request) -> bytes:
    """Returns the path and query below PREFIX, spelt as the browser spelt them."""
    raw: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    path = b"/" + raw.partition(b"?")[0].partition(PREFIX.encode() + b"/")[2]
    query: bytes = request.scope["query_string"]
    return path + b"?" + query if query else path


def _for_the_studio(request: Request, secret: str) -> list[tuple[bytes, bytes]]:
    headers = [(name, value) for name, value in request.headers.raw if name.decode("latin-1") not in NOT_FOR_THE_STUDIO]
    if "x-forwarded-proto" not in request.headers:
        headers.append((b"x-forwarded-proto", request.url.scheme.encode()))
    return [*headers, (SECRET_HEADER.encode(), secret.encode())]


def _answered(answer: httpx.Response) -> Response:
    async def body() -> AsyncIterator[bytes]:
        try:
            async for part in answer.aiter_raw():
                yield part
        finally:
            with anyio.CancelScope(shield=True):  # a browser that goes away cancels this
                await answer.aclose()

    response = StreamingResponse(body(), status_code=answer.status_code)
    response.raw_headers = [
        (name.lower(), value)
        for name, value in answer.headers.raw
        if name.decode("latin-1").lower() not in NOT_FOR_THE_BROWSER
    ]
    if answer.headers.get("content-type", "").startswith(NOT_TO_BE_PACKED):
        # The WebUI's own compression leaves encoded answers alone.
        response.headers.setdefault("content-encoding", "identity")
    return response
