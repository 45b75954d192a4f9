"""`/sdapi/v1/`: the library, training by A1111's body, and what the server says of itself."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.web.conftest import Client
from ti_studio.embeddings.formats.files import read_embedding
from ti_studio.folders import Folders
from ti_studio.jobs.progress import JobStatus
from ti_studio.web.sdapi.training_body import TrainBody
from ti_studio.web.server.services import Services

# All that A1111's train/embedding wants.
WHOLE_BODY: dict[str, Any] = {
    **{"id_task": "task(1)", "embedding_name": "newword", "learn_rate": "0.005:1, 1e-3", "batch_size": 1},
    **{"gradient_step": 1, "log_directory": "textual_inversion", "training_width": 32, "training_height": 32},
    **{"varsize": False, "steps": 2, "clip_grad_mode": "norm", "clip_grad_value": "0.5", "shuffle_tags": True},
    **{"tag_drop_out": 0.1, "latent_sampling_method": "once", "use_weight": False, "create_image_every": 0},
    **{"save_embedding_every": 1, "template_filename": "style_filewords.txt", "preview_from_txt2img": True},
    **{"save_image_with_stored_embedding": True, "preview_prompt": "a [name]", "preview_negative_prompt": ""},
    **{"preview_steps": 20, "preview_sampler_name": "Euler a", "preview_cfg_scale": 7, "preview_seed": -1},
    **{"preview_width": 32, "preview_height": 32},
}


def test_the_library_is_listed_by_what_can_be_used(client: Client, add_embedding: Callable[..., Path]) -> None:
    studio = client()
    add_embedding("small", width=16)
    add_embedding("small", width=16, folder="z-other")
    add_embedding("large", width=768)
    (add_embedding("small", width=16).parent / "broken.pt").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    told = studio.get("/sdapi/v1/embeddings").json()
    assert set(told["loaded"]) == {"small"}
    assert told["loaded"]["small"] == {
        **{"step": 5, "sd_checkpoint": None, "sd_checkpoint_name": None},
        **{"shape": 16, "vectors": 2, "reason": None},
    }
    assert set(told["skipped"]) == {"large", "broken", "z-other/small.safetensors"}
    assert told["skipped"]["large"]["reason"] == "its vectors are 768 wide; the checkpoint needs 16"
    assert told["skipped"]["z-other/small.safetensors"]["reason"] == "the word is taken by small.safetensors"
    assert studio.post("/sdapi/v1/refresh-embeddings").json() is None


def test_an_embedding_is_created_and_not_overwritten_unasked(client: Client, folders: Folders) -> None:
    studio = client()
    body = {"name": "newword", "num_vectors_per_token": 3, "overwrite_old": False, "init_text": "dog"}
    path = folders.embeddings / "newword.safetensors"
    answer = studio.post("/sdapi/v1/create/embedding", json=body)
    assert answer.json() == {"info": f"create embedding filename: {path}"}
    assert read_embedding(path).vectors["clip_l"].shape == (3, 16)
    again = studio.post("/sdapi/v1/create/embedding", json=body)
    assert (again.status_code, "taken by newword.safetensors" in again.json()["detail"]) == (409, True)
    assert studio.post("/sdapi/v1/create/embedding", json={**body, "overwrite_old": True}).status_code == 200
    assert studio.post("/sdapi/v1/create/embedding", json={"name": "a/b"}).status_code == 422


def test_a1111s_whole_body_becomes_a_request(tmp_path: Path) -> None:
    body = TrainBody(**{**WHOLE_BODY, "data_root": str(tmp_path)})
    assert body.values(None) == {
        **{"name": "newword", "dataset_directory": str(tmp_path), "learning_rate": "0.005:1, 1e-3", "batch_size": 1},
        **{"gradient_accumulation_steps": 1, "width": 32, "height": 32, "max_steps": 2, "max_grad_norm": 0.5},
        **{"shuffle_caption": True, "caption_tag_dropout_rate": 0.1, "alpha_mask": False, "preview_every": 0},
        **{"save_every": 1, "template": "style_filewords.txt", "preview_prompts": "a [name]"},
        **{"initialization_text": "*", "vectors_per_token": 1, "latent_sampling": "once"},
    }
    by_value = TrainBody(embedding_name="x", data_root="x", clip_grad_mode="value", clip_grad_value="0.2").values(None)
    assert (by_value["max_grad_norm"], by_value["max_grad_value"]) == (0.0, 0.2)
    told = list(body.notices())
    assert [sentence.split()[0] for sentence in told] == [
        *("log_directory", "preview_steps", "preview_sampler_name", "preview_cfg_scale", "preview_width"),
        *("preview_height",),
    ]


def test_a_training_answers_when_it_is_over_and_goes_on_from_an_embedding(
    client: Client, dataset: Path, folders: Folders
) -> None:
    studio = client()
    body = {**WHOLE_BODY, "data_root": str(dataset)}
    answer = studio.post("/sdapi/v1/train/embedding", json=body)
    path = folders.embeddings / "newword.safetensors"
    assert answer.json()["info"] == f"train embedding complete: filename: {path} error: None", answer.text
    first = read_embedding(path)
    assert (first.step, first.vectors["clip_l"].shape) == (2, (1, 16))
    again = {"embedding_name": "NEWWORD", "data_root": str(dataset)}
    answer = studio.post("/sdapi/v1/train/embedding?wait=false", json=again)
    request = studio.get(f"/ti/jobs/{answer.json()['job_id']}/request").json()
    assert (request["name"], request["initialization_file"]) == ("newword", str(path))
    assert (request["overwrite"], request["vectors_per_token"]) == (True, 1)


def test_an_interrupt_ends_the_training_that_is_waited_for_and_no_other(
    client: Client, services: Services, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services.jobs, "tend", lambda: None)
    studio = client()
    other = studio.post("/ti/jobs", json={"name": "other", "dataset_directory": str(dataset)}).json()["id"]
    body = {"embedding_name": "newword", "data_root": str(dataset)}
    started = studio.post("/sdapi/v1/train/embedding?wait=false", json={**body, "embedding_name": "third"}).json()
    assert started["info"] == f"train embedding queued: job {started['job_id']}"
    answers: list[Any] = []
    waiting = threading.Thread(target=lambda: answers.append(studio.post("/sdapi/v1/train/embedding", json=body)))
    waiting.start()
    while waiting.is_alive():
        assert studio.post("/sdapi/v1/interrupt").status_code == 200
        waiting.join(0.1)
    assert (answers[0].status_code, "was stopped at step 0 of 500" in answers[0].json()["detail"]) == (409, True)
    assert {job.request.name: job.status for job in services.jobs.list()} == {
        **{"other": JobStatus.QUEUED, "third": JobStatus.QUEUED, "newword": JobStatus.STOPPED},
    }
    assert services.jobs.get(other).status is JobStatus.QUEUED


WRONG = (
    ({"data_root": "/no/such/folder"}, 404, "There is no folder /no/such/folder"),
    ({"data_root": None}, 422, "Data root: field required"),
    ({"learn_rate": "0.005:nope"}, 422, "'nope' is not a whole number of steps"),
    ({"clip_grad_mode": "all"}, 422, "Clip grad mode: input should be 'disabled', 'norm' or 'value'; found 'all'."),
    ({"clip_grad_mode": "norm", "clip_grad_value": "0.1:10, 0.2"}, 422, "schedules of it are not here"),
    ({"batch_size": 0}, 422, "Batch size"),
    ({"optimizer": "lion"}, 422, "extra inputs are not permitted"),
    ({"embedding_name": "large"}, 422, "The embedding large can't be trained on: its vectors are 768 wide"),
)


def test_a_training_that_can_not_work_is_refused(
    client: Client, dataset: Path, services: Services, add_embedding: Callable[..., Path]
) -> None:
    studio = client()
    add_embedding("large", width=768)
    for wrong, status, said in WRONG:
        body = {"embedding_name": "newword", "data_root": str(dataset), **wrong}
        answer = studio.post("/sdapi/v1/train/embedding", json=body)
        told = answer.json()["detail"]
        assert (answer.status_code, said in told) == (status, True), told
    assert services.jobs.list() == []


def test_the_server_tells_where_things_are_and_no_secrets(client: Client, folders: Folders) -> None:
    account = ("ann", "open:sesame")
    studio: TestClient = client(auth=[account], api_auth=[("bot", "hush")])
    studio.auth = account
    flags = studio.get("/sdapi/v1/cmd-flags")
    assert flags.json()["embeddings_dir"] == str(folders.embeddings)
    assert "sesame" not in flags.text
    assert "hush" not in flags.text
    memory = studio.get("/sdapi/v1/memory").json()
    assert memory["ram"]["free"] + memory["ram"]["used"] == memory["ram"]["total"]
    (model,) = studio.get("/sdapi/v1/sd-models").json()
    assert (model["title"], model["model_name"]) == ("tiny", "tiny")
    assert studio.get("/sdapi/v1/options").json()["sd_model_checkpoint"] == "tiny"


def test_what_there_is_not_is_an_empty_list_or_not_found(client: Client) -> None:
    studio = client()
    for name in ("sd-vae", "upscalers", "loras", "hypernetworks", "face-restorers", "prompt-styles"):
        assert studio.get(f"/sdapi/v1/{name}").json() == [], name
    for name in ("img2img", "extra-single-image", "interrogate", "train/hypernetwork"):
        answer = studio.post(f"/sdapi/v1/{name}", json={"image": ""})
        assert (answer.status_code, answer.json()["error"]) == (404, "NotFound"), name
