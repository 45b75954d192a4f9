"""The studio inside another WebUI: served on loopback to that WebUI's proxy alone, for as long as it lives."""

import contextlib
import os
import secrets
import threading
import time
from pathlib import Path
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from ti_studio.embeddings.library.library import Library
from ti_studio.errors import StudioError
from ti_studio.folders import Folders
from ti_studio.generation.service import Txt2ImgService
from ti_studio.jobs.queue import Jobs
from ti_studio.models.checkpoint.checkpoints import (
    CheckpointInfo,
    find_candidates,
    find_checkpoint,
    identify,
    shipped_checkpoints,
)
from ti_studio.web.app import create_app
from ti_studio.web.server.allocator import keep_few_arenas
from ti_studio.web.server.assets import Assets
from ti_studio.web.server.host_channel import HostChannel, HostSetup
from ti_studio.web.server.running import Server, listen, tending
from ti_studio.web.server.services import Services
from ti_studio.web.server.uploads import Uploads

SECRET_HEADER = "x-ti-studio-secret"
MEMORY_SECONDS = 30.0
"""How long a training waits for the WebUI to free its memory: as long as the picture that is being made may take."""
CHECKPOINTS_SECONDS = 5.0
SAME_CHECKPOINTS_SECONDS = 2.0
END_SECONDS = 10.0
FREED = "The WebUI freed its memory for this training; its next picture loads the model again."
NOT_FREED = "The WebUI did not free its memory for this training: {why}."


def serve_hosted() -> None:
    """Serves until the WebUI that has started this process is gone. Trainings go on without both.

    Raises:
        PortTaken: another program listens on the port that the WebUI's settings name.
    """
    channel = HostChannel.on_standard_streams()
    setup = channel.setup()
    keep_few_arenas()
    services = hosted_services(setup, channel)
    app = create_app(services, hosts=(), below=setup.root_path)
    app.add_middleware(SecretGuard, secret=setup.secret)
    listener = listen("127.0.0.1", setup.port, "Choose another in the WebUI's settings, or 0 for any.")
    port = listener.getsockname()[1]
    modules = f"ti/static/{Assets.shipped().version}/studio/"
    server = Server(app, lambda: channel.tell(listening=port, modules=modules), services.txt2img.interrupt)
    news = HostNotifier(services.jobs, services.library, channel)

    def end() -> None:
        server.should_exit = True
        threading.Timer(END_SECONDS, os._exit, (1,)).start()

    channel.follow(end)
    threading.Thread(target=news.first_look, name="first-look", daemon=True).start()
    with tending(services.jobs, news.look), contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[listener])
    os._exit(0)  # a picture that is being painted in a thread would keep the process


def hosted_services(setup: HostSetup, channel: HostChannel) -> Services:
    """Makes everything that the server works with, in the WebUI's folders; loads no checkpoint."""
    root = setup.data / "outputs" / "datasets" if setup.network else None
    folders = Folders.under(setup.data, embeddings=setup.embeddings, checkpoints=setup.checkpoints, dataset_root=root)
    folders.make()
    library = Library(folders.embeddings, folders.cache)
    txt2img = HostTxt2Img(folders, library, channel)

    def make_room() -> str | None:
        txt2img.release()
        answer = channel.ask("free_memory", MEMORY_SECONDS)
        why = "it was busy" if answer is None else str(answer.get("problem") or "")
        if why:
            return NOT_FREED.format(why=why)
        # A bridge that was loaded before an update says nothing of it.
        return FREED if answer is None or answer.get("freed", True) else None

    return Services(folders, library, Jobs(folders, txt2img.find, make_room), txt2img, Uploads.of(folders))


class SecretGuard:
    """Lets in nobody but the WebUI's proxy, which asks for a login where the WebUI does."""

    def __init__(self, app: ASGIApp, *, secret: str) -> None:
        """Guards `app`."""
        self.app = app
        self.secret = secret.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes on what carries the secret."""
        if scope["type"] != "lifespan":
            given = Headers(scope=scope).get(SECRET_HEADER, "")
            if not secrets.compare_digest(given.encode(), self.secret):
                refusal = JSONResponse({"detail": "This server answers the WebUI that started it."}, status_code=403)
                await refusal(scope, receive, send)
                return
        await self.app(scope, receive, send)


class HostTxt2Img(Txt2ImgService):
    """Offers the WebUI's own list of checkpoints, and works with the one that is loaded there."""

    def __init__(self, folders: Folders, library: Library, channel: HostChannel) -> None:
        """Asks nothing yet."""
        super().__init__(folders, library)
        self._checkpoint_folder = folders.checkpoints
        self._channel = channel
        self._asking = threading.Lock()
        self._asked_at = float("-inf")
        self._files: list[Path] = []
        self._chosen: str | None = None

    def checkpoints(self) -> list[CheckpointInfo]:
        """Returns those of the WebUI's checkpoints that can be trained on, and the demo, which any machine trains."""
        self._follow_host()
        checkpoints = []
        for path in dict.fromkeys([*(self._files or find_candidates(self._checkpoint_folder)), *shipped_checkpoints()]):
            with contextlib.suppress(StudioError, OSError):
                checkpoints.append(identify(path, root=self._checkpoint_folder))
        return checkpoints

    @property
    def checkpoint(self) -> CheckpointInfo:
        """The WebUI's, until another one is chosen on the page or there."""
        self._follow_host()
        return super().checkpoint

    def _follow_host(self) -> None:
        """Asks the WebUI, unless it was asked just now. Nothing that is done while `_asking` is held may come here."""
        with self._asking:
            if time.monotonic() - self._asked_at < SAME_CHECKPOINTS_SECONDS:
                return
            answer = self._channel.ask("checkpoints", CHECKPOINTS_SECONDS)
            self._asked_at = time.monotonic()
            if answer is not None:
                self._take(answer)

    def _take(self, answer: dict[str, Any]) -> None:
        self._files = [Path(file).resolve() for file in answer.get("files", ())]
        chosen = answer.get("chosen")
        if chosen and chosen != self._chosen:
            self._chosen = chosen
            path = str(Path(chosen).resolve())
            # Not `select`, which asks what is offered: the WebUI offers what it has chosen. It may be of a family that
            # can't be trained.
            with contextlib.suppress(StudioError, OSError):
                find_checkpoint(self._checkpoint_folder, path)
                self._requested = path


class HostNotifier:
    """Tells the WebUI when files have come or changed, so that its next prompt knows the words."""

    def __init__(self, jobs: Jobs, library: Library, channel: HostChannel) -> None:
        """Takes what is there now as known: the WebUI has read its folder at its own start."""
        self._jobs = jobs
        self._library = library
        self._channel = channel
        self._made = self._made_by_trainings()
        self._version: int | None = None

    def first_look(self) -> None:
        """Looks at the library, which takes seconds if it is large; what changes there afterwards is told."""
        self._library.refresh()
        self._version = self._library.version

    def look(self) -> None:
        """Tells of what trainings have made, and of what the page has seen in the library, since the last look."""
        made, version = self._made_by_trainings(), self._library.version
        if made - self._made or self._version not in (None, version):
            self._channel.tell(event="embeddings")
        self._made = made
        self._version = None if self._version is None else version

    def _made_by_trainings(self) -> set[tuple[str, str]]:
        return {
            (job.id, str(path))
            for job in self._jobs.list()
            for path in (
                *filter(None, [job.progress.embedding]),
                *job.progress.more_embeddings,
                *(snapshot["path"] for snapshot in job.progress.snapshots),
            )
        }
