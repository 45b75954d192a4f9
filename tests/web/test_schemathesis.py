"""schemathesis against the whole of REST: what it makes up from the description is answered as the description says."""

import asyncio
import importlib.util
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import uvicorn
from PIL import Image

from ti_studio.embeddings.embedding import Embedding
from ti_studio.embeddings.formats.files import write_embedding
from ti_studio.embeddings.library.library import Library
from ti_studio.folders import Folders
from ti_studio.generation.events import GenerationEvent
from ti_studio.generation.request import GenerateRequest
from ti_studio.generation.service import Txt2ImgService
from ti_studio.jobs.progress import JobStatus
from ti_studio.jobs.queue import Jobs
from ti_studio.models.checkpoint.checkpoints import CheckpointInfo
from ti_studio.models.loading import Model
from ti_studio.training.config.request import TrainRequest
from ti_studio.training.suggestions.ranking import Suggestions
from ti_studio.web.app import create_app
from ti_studio.web.routes import suggestions
from ti_studio.web.server.running import listen
from ti_studio.web.server.services import Services

MOST_JOBS = 5
SAYS_MORE_THAN_A_SCHEMA_CAN = {
    "jobs_submit_job": "options that exclude each other, schedules, names",
    "sdapi_txt2img": "values that would make another picture, samplers, n_iter times batch_size",
    "sdapi_set_options": "options that are not here",
    "sdapi_create": "names",
    "sdapi_train": "names, schedules",
    "sdapi_png_info": "what is a picture",
    "txt2img_paint": "clip skip against the checkpoint's layers",
    "embeddings_rename_embedding": "names",
    "embeddings_duplicate_embedding": "names",
    "embeddings_move_embedding": "names of folders",
    "embeddings_replace_preview": "what is a picture",
    "tools_convert": "names",
    "tools_convert_for_download": "names",
    "tools_merge": "names, weights",
    "tools_soften_to_file": "names",
}
"""Operations that may answer 422 to what their schema allows, and what about. All others must take it."""
CONFIGURATION = f"""
[checks]
# pydantic reads 1 from "1" and false from 0, which A1111's clients and hand-written requests count on.
negative_data_rejection.enabled = false

[[operations]]
# It fetches from the network, whatever address it is given.
include-operation-id = "extensions_install"
enabled = false

[[operations]]
include-operation-id = {json.dumps(list(SAYS_MORE_THAN_A_SCHEMA_CAN))}

[operations.checks]
positive_data_acceptance.expected-statuses = ["2xx", "400", "403", "404", "409", "422"]

[[operations]]
# Every field by itself takes eight hundred requests for these two; they are asked at random instead.
include-operation-id = ["sdapi_txt2img", "sdapi_train"]
phases.coverage.enabled = false
generation.max-examples = 40
"""


class Quick(Txt2ImgService):
    """Paints one step of one small picture, whatever is asked."""

    def generate(self, request: GenerateRequest, folder: Path | None = None, **how: Any) -> Iterator[GenerationEvent]:
        """Paints less than that."""
        less = {"steps": 1, "count": 1, "width": 32, "height": 32}
        return super().generate(request.model_copy(update=less), folder, **how)

    def try_out(self, words: Sequence[Embedding], request: GenerateRequest, checkpoint: str) -> list[Image.Image]:
        """Paints less than that with one of the words."""
        return super().try_out(words[:1], request.model_copy(update={"steps": 1}), checkpoint)


class Still(Jobs):
    """Checks and queues trainings, and stops each before it starts; keeps the last few."""

    def tend(self) -> None:
        """Starts nothing."""
        for job in self.list():
            if job.status is JobStatus.QUEUED:
                self.stop(job.id)
        for job in self.list()[MOST_JOBS:]:
            self.remove(job.id)


@pytest.fixture
def studio(tmp_path: Path, root: Path, tiny_checkpoint: CheckpointInfo) -> Services:
    """A studio with a checkpoint, a data set, an embedding and a training."""
    shutil.copytree(root / "examples", tmp_path / "datasets" / "examples")
    folders = Folders.under(
        tmp_path / "data", checkpoints=tiny_checkpoint.path.parent, dataset_root=tmp_path / "datasets"
    )
    folders.make()
    write_embedding(Embedding("word", {"clip_l": torch.ones(2, 16)}, step=5), folders.embeddings / "word.safetensors")
    library = Library(folders.embeddings)
    jobs = Still(folders)
    jobs.submit(TrainRequest(name="other", dataset_directory="examples/trizebra"))
    return Services(folders, library, jobs, Quick(folders, library))


@pytest.fixture
def address(studio: Services, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where the studio is served; suggestions are looked for no longer than a moment."""

    def hurried(model: Model, wanted: suggestions.SuggestionRequest) -> Suggestions:
        return unhurried(model, wanted.model_copy(update={"seconds": 0.1}))

    unhurried = suggestions._suggestions
    monkeypatch.setattr(suggestions, "_suggestions", hurried)
    listener = listen("127.0.0.1", 0, "")

    async def serve() -> None:
        await server.serve([listener])

    async def build() -> uvicorn.Server:
        return uvicorn.Server(uvicorn.Config(create_app(studio), log_level="critical"))

    server = asyncio.run(build())
    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.mark.skipif(importlib.util.find_spec("schemathesis") is None, reason="schemathesis needs Python 3.11")
def test_schemathesis_finds_nothing(address: str, tmp_path: Path) -> None:
    configuration = tmp_path / "schemathesis.toml"
    configuration.write_text(CONFIGURATION)
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(configuration), "run"]
    options = ["--max-examples", "3", "--seed", "1", "--no-color", "--generation-database", "none"]

    found = subprocess.run(
        [*command, f"{address}/ti/openapi.json", *options], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert found.returncode == 0, found.stdout + found.stderr
    assert "Tested: " in found.stdout
