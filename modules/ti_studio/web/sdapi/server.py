"""`/sdapi/v1/memory` and `cmd-flags`."""

import psutil
from fastapi import APIRouter

from ti_studio.models.memory import gpu_memory
from ti_studio.web.server.services import Services
from ti_studio.web.server.views import View


class RoomView(View):
    """Memory, in bytes."""

    free: int
    used: int
    total: int


class CudaView(View):
    """A GPU's memory."""

    system: RoomView | None = None
    """Of the whole GPU, by all processes."""
    error: str | None = None
    """Why there is nothing to tell."""


class MemoryView(View):
    """How much memory there is."""

    ram: RoomView
    """Of this process."""
    cuda: CudaView


class FlagsView(View):
    """The flags of the command line that say where things are. Accounts and the like are not told."""

    data_dir: str
    embeddings_dir: str
    ckpt_dir: str
    textual_inversion_templates_dir: str
    api: bool = True
    nowebui: bool = False


def server_routes(services: Services) -> APIRouter:
    """Returns the routes about the server itself."""
    router = APIRouter()

    @router.get("/memory")
    def memory() -> MemoryView:
        """Tells how much memory is used."""
        used, total = psutil.Process().memory_info().rss, psutil.virtual_memory().total
        gpu = gpu_memory()
        if gpu is None:
            cuda = CudaView(error="unavailable")
        else:
            cuda = CudaView(system=RoomView(free=gpu.free, used=gpu.total - gpu.free, total=gpu.total))
        return MemoryView(ram=RoomView(free=total - used, used=used, total=total), cuda=cuda)

    @router.get("/cmd-flags")
    def cmd_flags() -> FlagsView:
        """Tells where things are."""
        folders = services.folders
        return FlagsView(
            data_dir=str(folders.data),
            embeddings_dir=str(folders.embeddings),
            ckpt_dir=str(folders.checkpoints),
            textual_inversion_templates_dir=str(folders.templates),
        )

    return router
