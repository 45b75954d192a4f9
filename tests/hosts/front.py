"""A web server before a host that was started with `--subpath`: it takes the path off and passes everything on."""

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Iterator

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from tests.browser.studio import free_port

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


@contextlib.contextmanager
def front(inner: str, subpath: str) -> Iterator[str]:
    """Serves what is at the address `inner` below a path of its own; yields the address there."""
    client = httpx.AsyncClient(timeout=None, trust_env=False)

    async def pass_on(request: Request) -> Response:
        query = f"?{request.url.query}" if request.url.query else ""
        headers = [(name, value) for name, value in request.headers.raw if name.decode() not in HOP_BY_HOP]
        address = f"{inner}{request.path_params['path']}{query}"
        content = request.stream() if "content-length" in request.headers else None
        try:
            answer = await client.send(
                client.build_request(request.method, address, headers=headers, content=content), stream=True
            )
        except httpx.TransportError:
            return Response("Bad Gateway", 502)

        async def body() -> AsyncIterator[bytes]:
            async with contextlib.aclosing(answer):  # type: ignore[type-var]
                async for part in answer.aiter_raw():
                    yield part

        response = StreamingResponse(body(), answer.status_code)
        response.raw_headers = [pair for pair in answer.headers.raw if pair[0].lower().decode() not in HOP_BY_HOP]
        return response

    @contextlib.asynccontextmanager
    async def closing(_: Starlette) -> AsyncIterator[None]:
        async with client:
            yield

    port = free_port()
    route = Route(f"/{subpath}/{{path:path}}", pass_on, methods=["GET", "HEAD", "POST", "PUT", "DELETE"])
    app = Starlette(routes=[route], lifespan=closing)
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()))
    thread.start()
    try:
        while not server.started:
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/{subpath}/"
    finally:
        server.should_exit = True
        thread.join()
