"""All routes below `/sdapi/v1/`."""

from fastapi import APIRouter

from ti_studio.extensions.host import ExtensionHost
from ti_studio.web.sdapi.absent import absent_routes
from ti_studio.web.sdapi.embeddings import embeddings_routes
from ti_studio.web.sdapi.errors import refusals
from ti_studio.web.sdapi.extensions import extensions_routes
from ti_studio.web.sdapi.models import models_routes
from ti_studio.web.sdapi.options import Options, options_routes
from ti_studio.web.sdapi.pictures import pictures_routes
from ti_studio.web.sdapi.progress import progress_routes
from ti_studio.web.sdapi.samplers import samplers_routes
from ti_studio.web.sdapi.server import server_routes
from ti_studio.web.sdapi.training import Trainings, training_routes
from ti_studio.web.sdapi.txt2img import txt2img_routes
from ti_studio.web.server.serial_executor import SerialExecutor
from ti_studio.web.server.services import Services


def sdapi_routes(services: Services, executor: SerialExecutor, extensions: ExtensionHost) -> APIRouter:
    """Returns the routes that A1111's clients know.

    Args:
        services: what they serve.
        turns: the queue of long work.
        extensions: those that the server has loaded.
    """
    router = APIRouter(prefix="/sdapi/v1", tags=["sdapi"], responses=refusals(400, 401, 403, 408, 413, 422, 429))
    options, trainings = Options(services.txt2img), Trainings(services.jobs)
    for routes in (
        txt2img_routes(services, options, executor),
        progress_routes(services, trainings),
        options_routes(options, services.txt2img),
        models_routes(services),
        samplers_routes(),
        embeddings_routes(services, executor),
        training_routes(services, trainings),
        pictures_routes(),
        server_routes(services),
        extensions_routes(extensions),
        absent_routes(),
    ):
        router.include_router(routes)
    return router
