"""The web application: the REST routes and the page, behind one guard."""

from collections.abc import Iterable

import gradio as gr
from fastapi import FastAPI
from gradio.routes import App
from starlette.routing import Mount

from ti_studio import __version__
from ti_studio.web.assets import Assets
from ti_studio.web.embeddings_routes import embeddings_routes
from ti_studio.web.errors import answer_errors
from ti_studio.web.guard import Guard
from ti_studio.web.jobs_routes import jobs_routes
from ti_studio.web.page import TITLE, build_page, theme
from ti_studio.web.services import Services

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def create_app(services: Services, *, auth: Iterable[tuple[str, str]] = (), hosts: Iterable[str] = LOOPBACK) -> FastAPI:
    """Returns the server: REST under `/ti/`, the page everywhere else.

    Args:
        services: what it serves.
        auth: user names and passwords; none: no login is asked for.
        hosts: the names it answers to, which keeps other sites' pages out of a server on loopback; none: any name.
    """
    accounts = list(auth)
    app = FastAPI(title=TITLE, version=__version__, openapi_url="/ti/openapi.json", docs_url=None, redoc_url=None)
    app.add_middleware(Guard, accounts=accounts, hosts=list(hosts))
    answer_errors(app)
    app.include_router(embeddings_routes(services))
    app.include_router(jobs_routes(services))
    assets = Assets.shipped()
    assets.serve(app)
    gr.mount_gradio_app(
        app,
        build_page(services),
        path="/",
        auth=accounts or None,
        theme=theme(),
        head=assets.head(),
        show_error=True,
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        allowed_paths=[str(services.folders.outputs / "txt2img")],
    )
    app.state.page = next(route.app for route in app.routes if isinstance(route, Mount) and isinstance(route.app, App))
    return app
