"""The studio's side of life inside another WebUI, over real pipes."""

import asyncio
import json
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from tests.checkpoints import DEMO
from ti_studio.folders import Folders
from ti_studio.generation.service import Txt2ImgService
from ti_studio.jobs.folder import JobFolder
from ti_studio.jobs.queue import Jobs
from ti_studio.models.checkpoint.checkpoints import CheckpointInfo
from ti_studio.training.config.request import TrainRequest
from ti_studio.web import hosted
from ti_studio.web.app import INSIDE, create_app
from ti_studio.web.hosted import HostNotifier, SecretGuard, hosted_services
from ti_studio.web.server.host_channel import HostChannel, HostSetup
from ti_studio.web.server.services import Services

ENDED_BY_THEN = 20.0
"""Seconds; what has not ended by then waits for ever."""


class Host:
    """The other end of the pipes: answers by `answers`, and notes what it is told."""

    def __init__(self) -> None:
        self.answers: dict[str, dict[str, Any]] = {}
        self.told: list[dict[str, Any]] = []
        to_child, to_host = os.pipe(), os.pipe()
        self._out = os.fdopen(to_child[1], "wb")
        self._in = os.fdopen(to_host[0], "rb")
        self.channel = HostChannel(os.fdopen(to_child[0], "rb"), os.fdopen(to_host[1], "wb"))
        self.ended = threading.Event()
        self.channel.follow(self.ended.set)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        for line in self._in:
            message = json.loads(line)
            self.told.append(message)
            if message.get("ask") in self.answers:
                self._out.write(json.dumps({**self.answers[message["ask"]], "id": message["id"]}).encode() + b"\n")
                self._out.flush()

    def end(self) -> None:
        """Goes away."""
        self._out.close()


@pytest.fixture
def host() -> Iterator[Host]:
    """A host that answers nothing yet."""
    made = Host()
    yield made
    made.end()
    assert made.ended.wait(20)


@pytest.fixture
def setup(tmp_path: Path) -> HostSetup:
    """What a host says first."""
    folders = {"embeddings": tmp_path / "embeddings", "checkpoints": tmp_path / "checkpoints"}
    message = {"secret": "s", "port": 0, "root_path": "/ti-studio", "data": str(tmp_path), "network": False}
    return HostSetup.of({**message, **{name: str(path) for name, path in folders.items()}})


def test_nobody_without_the_secret_is_answered() -> None:
    app = FastAPI()
    app.add_middleware(SecretGuard, secret="hush")
    app.get("/")(lambda: "in")

    with TestClient(app) as client:
        assert client.get("/").status_code == 403
        assert client.get("/", headers={hosted.SECRET_HEADER: "hus"}).status_code == 403
        assert client.get("/", headers={hosted.SECRET_HEADER: "hush"}).json() == "in"


def test_the_hosts_checkpoint_is_chosen_until_another_one_is(
    host: Host, setup: HostSetup, tiny_checkpoint: CheckpointInfo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosted, "SAME_CHECKPOINTS_SECONDS", 0.0)
    strange = tmp_path / "flux.safetensors"
    strange.write_bytes(b"not a checkpoint")
    host.answers["checkpoints"] = {"files": [str(DEMO), str(strange)], "chosen": str(DEMO)}
    txt2img = hosted_services(setup, host.channel).txt2img

    assert [info.path for info in txt2img.checkpoints()] == [DEMO]
    assert txt2img.checkpoint.path == DEMO
    txt2img.select(str(tiny_checkpoint.path))
    assert txt2img.checkpoint.path == tiny_checkpoint.path
    host.answers["checkpoints"]["chosen"] = str(strange)
    assert txt2img.checkpoint.path == tiny_checkpoint.path
    host.answers["checkpoints"]["chosen"] = str(DEMO)
    assert txt2img.checkpoint.path == DEMO


def test_the_demo_is_offered_beside_the_hosts_own_checkpoints_and_once(
    host: Host, setup: HostSetup, tiny_checkpoint: CheckpointInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosted, "SAME_CHECKPOINTS_SECONDS", 0.0)
    host.answers["checkpoints"] = {"files": [str(tiny_checkpoint.path)], "chosen": str(tiny_checkpoint.path)}
    txt2img = hosted_services(setup, host.channel).txt2img

    assert [info.path for info in txt2img.checkpoints()] == [tiny_checkpoint.path, DEMO]
    assert txt2img.checkpoint.path == tiny_checkpoint.path
    assert txt2img.select(str(DEMO)).path == DEMO
    assert txt2img.checkpoint.path == DEMO

    host.answers["checkpoints"] = {"files": [str(DEMO)], "chosen": None}
    assert [info.path for info in txt2img.checkpoints()] == [DEMO]
    host.answers["checkpoints"] = {"files": [], "chosen": None}
    assert [info.path for info in txt2img.checkpoints()] == [DEMO]


def finished(work: Callable[[], None]) -> bool:
    """Tells whether work comes to its end; what never does is left in a thread that keeps nothing alive."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(ENDED_BY_THEN)
    return not thread.is_alive()


def test_a_host_that_others_reach_has_its_chosen_checkpoint_followed_too(
    host: Host, setup: HostSetup, tiny_checkpoint: CheckpointInfo
) -> None:
    files = [str(DEMO), str(tiny_checkpoint.path)]
    host.answers["checkpoints"] = {"files": files, "chosen": str(tiny_checkpoint.path)}
    found: list[Path] = []

    def ask(question: Callable[[Txt2ImgService], CheckpointInfo]) -> Callable[[], None]:
        txt2img = hosted_services(replace(setup, network=True), host.channel).txt2img
        return lambda: found.append(question(txt2img).path)

    assert finished(ask(lambda txt2img: txt2img.find(str(DEMO))))
    assert finished(ask(lambda txt2img: txt2img.checkpoint))
    assert finished(ask(lambda txt2img: txt2img.checkpoints()[0]))
    assert found == [DEMO, tiny_checkpoint.path, DEMO]


def test_a_training_says_whether_the_host_freed_its_memory(
    host: Host, setup: HostSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_room = hosted_services(setup, host.channel).jobs._make_room
    freed = "The WebUI freed its memory for this training; its next picture loads the model again."
    host.answers["free_memory"] = {"freed": True}
    assert make_room() == freed
    host.answers["free_memory"] = {"freed": False}
    assert make_room() is None
    host.answers["free_memory"] = {}  # of a bridge from before an update
    assert make_room() == freed

    host.answers["free_memory"] = {"problem": "RuntimeError: no device"}
    assert make_room() == "The WebUI did not free its memory for this training: RuntimeError: no device."

    host.answers.clear()
    monkeypatch.setattr(hosted, "MEMORY_SECONDS", 0.1)
    assert make_room() == "The WebUI did not free its memory for this training: it was busy."


def test_what_making_room_says_is_told_in_the_training(services: Services, folders: Folders, dataset: Path) -> None:
    jobs = Jobs(folders, make_room=lambda: "The WebUI freed its memory.")
    job = jobs.submit(TrainRequest(name="noted", dataset_directory=str(dataset), max_steps=1))

    assert jobs.get(job.id).summary()["warnings"] == ["The WebUI freed its memory."]


def test_the_host_is_told_of_files_that_trainings_have_made_since(
    host: Host, services: Services, finished_job: JobFolder
) -> None:
    news = HostNotifier(services.jobs, services.library, host.channel)
    news.look()
    assert host.told == []

    finished_job.append({"event": "saved", "step": 2, "path": "snapshots/blue-cat-000002.safetensors"})
    news.look()
    news.look()
    host.channel.ask("nothing", 0.2)  # what was told before has arrived by then
    assert [message for message in host.told if "event" in message] == [{"event": "embeddings"}]


def test_the_host_is_told_of_words_that_come_into_the_library_after_the_first_look(
    host: Host, services: Services, add_embedding: Callable[..., Path]
) -> None:
    add_embedding("there-before", width=16)
    news = HostNotifier(services.jobs, services.library, host.channel)
    news.look()
    news.first_look()
    news.look()
    host.channel.ask("nothing", 0.2)  # what was told before has arrived by then
    assert [message for message in host.told if "event" in message] == []

    add_embedding("merged", width=16)
    services.library.refresh()
    news.look()
    news.look()
    host.channel.ask("nothing", 0.2)
    assert [message for message in host.told if "event" in message] == [{"event": "embeddings"}]


def test_others_than_this_machine_may_only_train_on_pictures_below_the_outputs(host: Host, setup: HostSetup) -> None:
    assert hosted_services(setup, host.channel).folders.dataset_root is None

    open_to_others = hosted_services(replace(setup, network=True), host.channel)
    assert open_to_others.folders.dataset_root == setup.data / "outputs" / "datasets"


def test_the_page_knows_that_it_is_inside_another_one_and_where(services: Services) -> None:
    async def build() -> FastAPI:
        return create_app(services, hosts=(), below="/sd/ti-studio")

    with TestClient(asyncio.run(build()), base_url="https://pictures.example") as client:
        config = client.get("/config").json()

    assert config["root"] == "https://pictures.example/sd/ti-studio"
    assert INSIDE in config["head"]
