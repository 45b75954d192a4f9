"""`/ti/suggestions`: initialization texts for a folder of pictures."""

import asyncio
from dataclasses import replace
from pathlib import Path

from fastapi import FastAPI
from fastapi.testclient import TestClient

from tests.web.conftest import Client
from ti_studio.web.app import create_app
from ti_studio.web.server.services import Services


def test_texts_are_suggested_with_their_losses(client: Client, services: Services, dataset: Path) -> None:
    studio = client()
    body = {"dataset_directory": str(dataset), "current": "red tree", "seconds": 0, "count": 4}
    answer = studio.post("/ti/suggestions", json=body)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    losses = [each["loss"] for each in found["best"]]
    assert len(losses) == 4
    assert losses == sorted(losses)
    assert found["current"]["text"] == "red tree"
    assert (found["pictures"], found["complete"]) == (2, False)
    loaded = services.txt2img.loaded
    assert loaded is not None
    assert loaded.title == "demo"


def test_a_folder_that_is_not_there_and_wrong_numbers_are_refused_in_a_sentence(client: Client, tmp_path: Path) -> None:
    studio = client()
    missing = studio.post("/ti/suggestions", json={"dataset_directory": str(tmp_path / "nothing"), "seconds": 0})
    assert missing.status_code == 404
    assert "There is no folder" in missing.json()["detail"]
    for wrong in ({"count": 0}, {"longest": 3}, {"seconds": -1}):
        body = {"dataset_directory": str(tmp_path), **wrong}
        assert studio.post("/ti/suggestions", json=body).status_code == 422, wrong


def test_on_a_guarded_server_only_the_folder_of_datasets_is_looked_at(services: Services, dataset: Path) -> None:
    guarded = replace(services.folders, dataset_root=services.folders.outputs / "datasets")

    async def build() -> FastAPI:
        return create_app(replace(services, folders=guarded))

    studio = TestClient(asyncio.run(build()), base_url="http://127.0.0.1:7860")
    refused = studio.post("/ti/suggestions", json={"dataset_directory": str(dataset), "seconds": 0})
    assert refused.status_code == 403
    assert services.txt2img.loaded is None
