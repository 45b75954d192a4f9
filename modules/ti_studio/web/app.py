"""The web server: the REST routes and the page behind one guard, on a port, with the queue of trainings kept going."""

import contextlib
import sys
import threading
import webbrowser
from collections.abc import Iterable
from dataclasses import replace
from functools import partial

import gradio as gr
from fastapi import FastAPI
from gradio.routes import App
from starlette.routing import Mount

from ti_studio import __version__
from ti_studio.embeddings.cards.card_index import CardIndex
from ti_studio.embeddings.cards.file_operations import EmbeddingFiles
from ti_studio.embeddings.library.library import Library
from ti_studio.extensions.host import ExtensionHost
from ti_studio.folders import Folders, repository_root
from ti_studio.generation.service import Txt2ImgService
from ti_studio.jobs.queue import Jobs
from ti_studio.prompts.limits import PromptLimits
from ti_studio.server_options import ServerOptions
from ti_studio.web.routes.card_edits import card_edits_routes
from ti_studio.web.routes.cards import cards_routes
from ti_studio.web.routes.embeddings import check_not_in_training, embeddings_routes
from ti_studio.web.routes.extensions import extensions_routes
from ti_studio.web.routes.generation import generation_routes
from ti_studio.web.routes.jobs import jobs_routes
from ti_studio.web.routes.presets import presets_routes
from ti_studio.web.routes.prompts import prompts_routes
from ti_studio.web.routes.softening import softening_routes
from ti_studio.web.routes.suggestions import suggestions_routes
from ti_studio.web.routes.tools import tools_routes
from ti_studio.web.sdapi.routes import sdapi_routes
from ti_studio.web.server.allocator import give_back, keep_few_arenas
from ti_studio.web.server.assets import Assets
from ti_studio.web.server.bodies import Bodies
from ti_studio.web.server.errors import ErrorView, answer_errors
from ti_studio.web.server.extension_files import ExtensionFiles
from ti_studio.web.server.guard import Guard
from ti_studio.web.server.not_found import UnknownAddress
from ti_studio.web.server.reference import DESCRIPTION, TAGS, operation_id, serve_reference
from ti_studio.web.server.running import Server, listen, tending
from ti_studio.web.server.serial_executor import SerialExecutor
from ti_studio.web.server.services import Services
from ti_studio.web.server.uploads import GIGABYTE, Uploads
from ti_studio.web.server.watching import Watchdog
from ti_studio.web.ui.page import TITLE, build_page, theme

LOOPBACK = ("127.0.0.1", "localhost", "::1")
INSIDE = '<meta name="ti-host" content="webui">'
"""By this the page's modules know that they are inside another WebUI's page."""


def create_app(
    services: Services,
    *,
    auth: Iterable[tuple[str, str]] | None = None,
    api_auth: Iterable[tuple[str, str]] = (),
    hosts: Iterable[str] = LOOPBACK,
    extensions: ExtensionHost | None = None,
    below: str = "",
) -> FastAPI:
    """Returns the server: REST under `/ti/` and, in A1111's shapes, `/sdapi/`; the page everywhere else.

    Args:
        services: what it serves.
        auth: user names and passwords; None: no login is asked for.
        api_auth: further ones for programs, which `/sdapi/` asks for even if the page has no login.
        hosts: the names it answers to, which keeps other sites' pages out of a server on loopback; none: any name.
        extensions: those that are loaded; None: there are none, and no tab of them.
        below: where another WebUI's proxy shows it, `/ti-studio`; it is asked without that. Empty: it stands alone.
    """
    if services.uploads is not None:
        services.uploads.use()
    extensions = extensions or ExtensionHost(services.folders.data, is_absent=True)
    extensions.callbacks.call("before_ui")
    accounts = list(auth or ())
    app = FastAPI(
        title=TITLE,
        version=__version__,
        description=DESCRIPTION,
        openapi_url="/ti/openapi.json",
        openapi_tags=TAGS,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=operation_id,
        responses={status: {"model": ErrorView} for status in (400, 401, 403, 408, 413, 422, 429)},
    )
    app.add_middleware(Watchdog)
    app.add_middleware(Bodies, uploads=services.uploads, after_large=give_back)
    app.add_middleware(Guard, accounts=accounts, hosts=list(hosts), api_accounts=list(api_auth))
    answer_errors(app)
    assets, files = Assets.shipped(), ExtensionFiles(tuple(extensions.active))
    _add_routes(app, services, extensions)
    app.include_router(files.routes())
    assets.serve(app)
    page = build_page(services, extensions, inside=bool(below))
    gr.mount_gradio_app(
        app,
        page,
        path="/",
        auth=accounts or None,
        theme=theme(),
        head=(INSIDE if below else "") + assets.head() + files.head(),
        root_path=below or None,
        show_error=True,
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        allowed_paths=[str(services.folders.outputs / "txt2img")],
    )
    mount = next(route for route in app.routes if isinstance(route, Mount) and isinstance(route.app, App))
    app.state.page = mount.app
    _let_extensions_add_routes(app, mount, page, extensions)
    return app


def _let_extensions_add_routes(app: FastAPI, mount: Mount, page: gr.Blocks, extensions: ExtensionHost) -> None:
    """Tells extensions that the server is complete. The routes that they add go before the page, which answers every
    address, and behind the guard of the studio's own routes."""
    routes = app.router.routes
    before = list(routes)
    extensions.callbacks.call("app_started", page, app)
    app.state.extension_routes = [route for route in routes if route not in before]
    routes.remove(mount)
    routes += [UnknownAddress(app, "/ti/", "/sdapi/"), mount]


def _add_routes(app: FastAPI, services: Services, extensions: ExtensionHost) -> None:
    executor = SerialExecutor()
    embedding_files = EmbeddingFiles(
        services.library, services.txt2img.last_used, partial(check_not_in_training, services)
    )
    for routes in (
        embeddings_routes(services),
        cards_routes(services, CardIndex(services.txt2img.last_used)),
        card_edits_routes(services, embedding_files),
        jobs_routes(services),
        generation_routes(services, executor),
        presets_routes(services),
        prompts_routes(services),
        suggestions_routes(services, executor),
        sdapi_routes(services, executor, extensions),
        extensions_routes(extensions),
        tools_routes(services),
        softening_routes(services, executor),
    ):
        app.include_router(routes)
    serve_reference(app)


def serve(options: ServerOptions, extensions: ExtensionHost) -> None:
    """Serves the studio until it is interrupted. Trainings that run then go on, and are found again by the next server.

    Raises:
        PortTaken: another program listens on the port.
    """
    keep_few_arenas()
    services = build_services(options, extensions)
    listener = listen(options.host, options.port, "Choose another with --port.")
    address = f"http://127.0.0.1:{options.port}/"
    with extensions.loaded():
        app = create_app(
            services,
            auth=options.gradio_auth,
            api_auth=options.api_auth,
            hosts=() if options.listen else LOOPBACK,
            extensions=extensions,
        )
        server = Server(app, lambda: _announce(address, options), services.txt2img.interrupt)
        # The first look at thousands of files takes seconds; it need not wait for the first picture.
        threading.Thread(target=services.library.refresh, name="first-look", daemon=True).start()
        with tending(services.jobs), contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[listener])
    sys.stdout.write("Stopped.\n")


def build_services(options: ServerOptions, extensions: ExtensionHost) -> Services:
    """Makes the folders and everything that the server works with; loads no checkpoint yet."""
    folders = Folders.under(
        options.data_dir or repository_root(),
        embeddings=options.embeddings_dir,
        checkpoints=options.ckpt_dir,
        dataset_root=options.dataset_root,
    )
    if options.listen and folders.dataset_root is None:
        folders = replace(folders, dataset_root=folders.outputs / "datasets")
    folders.make()
    library = Library(folders.embeddings, folders.cache)
    checkpoint = str(options.ckpt) if options.ckpt else None
    limits = PromptLimits(options.max_prompt_characters, options.max_prompt_chunks)
    txt2img = Txt2ImgService(folders, library, checkpoint, extensions.watcher, limits)
    extensions.state.attach(txt2img)
    uploads = Uploads.of(folders, options.upload_quota * GIGABYTE)
    return Services(folders, library, Jobs(folders, txt2img.find, make_room=txt2img.release), txt2img, uploads)


def _announce(address: str, options: ServerOptions) -> None:
    sys.stdout.write(f"Textual Inversion Studio listens on {address}\n")
    if options.listen:
        sys.stdout.write(f"and on every other address of this machine, port {options.port}.\n")
    sys.stdout.flush()
    if not options.no_browser:
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
