"""The real application on real services, in folders of its own and with the demo checkpoint; no server, no browser."""

import asyncio
import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image

from tests.checkpoints import demo_width
from ti_studio.embeddings.embedding import Embedding
from ti_studio.embeddings.formats.files import write_embedding
from ti_studio.embeddings.library.library import Library
from ti_studio.folders import Folders
from ti_studio.generation.service import Txt2ImgService
from ti_studio.jobs.folder import JobFolder, JobPaths
from ti_studio.jobs.queue import Jobs
from ti_studio.training.config.request import TrainRequest
from ti_studio.web.app import create_app
from ti_studio.web.server.running import Server, listen
from ti_studio.web.server.services import Services

Client = Callable[..., TestClient]


@pytest.fixture
def folders(tmp_path: Path, root: Path) -> Folders:
    """An installation's folders, made."""
    made = Folders.under(tmp_path / "data", checkpoints=root / "models" / "Stable-diffusion")
    made.make()
    return made


@pytest.fixture
def services(folders: Folders) -> Iterator[Services]:
    """The studio; its training processes end with the test."""
    library = Library(folders.embeddings)
    yield Services(folders, library, Jobs(folders), Txt2ImgService(folders, library))
    for noted in folders.outputs.glob("train/*/worker.json"):
        with contextlib.suppress(psutil.NoSuchProcess):
            worker = psutil.Process(json.loads(noted.read_text())["pid"])
            worker.kill()


@pytest.fixture
def client(services: Services) -> Client:
    """Makes a client: `client()`, or `client(auth=[("ann", "secret")])` for a server with a login."""

    async def build(options: dict[str, Any]) -> FastAPI:
        return create_app(services, **options)

    def made(**options: Any) -> TestClient:
        # Outside a running event loop Gradio makes one of its own and never closes it.
        app = asyncio.run(build(options))
        return TestClient(app, base_url="http://127.0.0.1:7860", raise_server_exceptions=False)

    return made


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """A folder with two pictures."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for index in range(2):
        Image.new("RGB", (64, 64), (index * 90, 40, 200)).save(folder / f"{index}-a blue square.png")
    return folder


@pytest.fixture
def finished_job(services: Services, dataset: Path) -> JobFolder:
    """A training that went well, as its folder says."""
    request = TrainRequest(name="blue-cat", dataset_directory=str(dataset), max_steps=3)
    place = JobPaths(checkpoint="", checkpoints="", embeddings="", dataset=str(dataset), template="", created=1.0)
    job = JobFolder.create(services.folders.outputs / "train", request, place)
    started = {"pictures": 2, "checkpoint": "demo", "device": "cpu", "precision": "fp32"}
    job.append({"event": "started", "step": 0, "max_steps": 3, **started})
    for step, loss in ((1, 0.5), (2, float("nan")), (3, 0.25)):
        numbers = {"loss": loss, "learning_rate": 0.005, "grad_norm": 0.1, "vector_norm": 0.4}
        job.append({"event": "step", "step": step, **numbers})
    job.append({"event": "validated", "step": 2, "loss": 0.375, "best": 0.375, "best_step": 2, "vector_norms": {}})
    (job.path / "previews").mkdir()
    Image.new("RGB", (8, 8), "blue").save(job.path / "previews" / "000003-0.png")
    shown = {"path": "previews/000003-0.png", "prompt": "a photo of blue-cat", "seed": 1, "index": 0}
    job.append({"event": "previewed", "step": 3, **shown})
    job.append({"event": "finished", "step": 3, "path": str(services.folders.embeddings / "blue-cat.safetensors")})
    return job


@pytest.fixture
def add_embedding(folders: Folders) -> Callable[..., Path]:
    """Writes an embedding into the library, for the demo checkpoint or as wide as `add_embedding("cat", width=768)`."""

    def add(name: str, *, width: int | None = None, folder: str = "") -> Path:
        path = folders.embeddings / folder / f"{name}.safetensors"
        path.parent.mkdir(exist_ok=True)
        write_embedding(Embedding(name=name, vectors={"clip_l": torch.ones(2, width or demo_width())}, step=5), path)
        return path

    return add


@pytest.fixture
def serving(services: Services) -> Iterator[Callable[..., int]]:
    """Serves the studio on loopback, by the server's own protocol: `serving()` returns the port. What attacks it comes
    over real sockets."""
    servers: list[tuple[Server, threading.Thread]] = []

    async def build(options: dict[str, Any]) -> FastAPI:
        return create_app(services, **options)

    def start(**options: Any) -> int:
        listener = listen("127.0.0.1", 0, "")
        began = threading.Event()
        server = Server(asyncio.run(build(options)), began.set, services.txt2img.interrupt)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        servers.append((server, thread))
        assert began.wait(60)
        return int(listener.getsockname()[1])

    yield start
    for server, thread in servers:
        server.should_exit = True
        thread.join(60)
