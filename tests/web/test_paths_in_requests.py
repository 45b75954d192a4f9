"""No field of any request leads to a file that the server does not let others reach, whatever is written into it."""

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from fastapi import FastAPI
from PIL import Image

from tests.web.conftest import Client
from ti_studio.embeddings.library.library import Library
from ti_studio.folders import Folders
from ti_studio.generation.service import Txt2ImgService
from ti_studio.jobs.queue import Jobs
from ti_studio.path_fields import SCHEMA_KEY, Place
from ti_studio.web.server.services import Services
from ti_studio.web.ui.datasets import describe_dataset

SECRET = "root:$6$nobody-may-read-this:19000"
NO_PATHS = {
    *("alt", "author", "branch", "caption_extension", "caption_prefix", "caption_separator", "caption_suffix"),
    *(
        "class_tokens",
        "clip_grad_value",
        "class_word",
        "current",
        "description",
        "embedding",
        "embeddings",
        "embedding_id",
        "emphasis",
    ),
    *("force_task_id", "form", "hr_negative_prompt", "hr_prompt", "hr_sampler_name", "hr_scheduler", "hr_upscaler"),
    *("id_task", "image", "infotext", "init_text", "initialization_text", "item_id", "job_id", "keep_tokens_separator"),
    *("latent_sampling_method", "learn_rate", "learning_rate", "lr_scheduler", "lr_scheduler_args"),
    *("metadata_author", "metadata_description", "metadata_license", "metadata_merged_from", "metadata_preprocessor"),
    *("metadata_tags", "metadata_title", "metadata_trigger_phrase", "metadata_usage_hint"),
    *("negative_prompt", "notes", "optimizer", "optimizer_args", "preview_negative_prompt", "preview_prompt"),
    *("preview_prompts", "preview_sampler_name", "prompt", "query", "sampler", "sampler_index", "sampler_name"),
    *("scheduler", "script_name", "secondary_separator", "styles", "tags", "trash", "url", "v", "word"),
}
"""The fields with text of any kind in it that name no file: texts, and ids that are looked up among those there are.
Whoever adds a field either gives it a type of `ti_studio.path_fields`, or says here that it is none."""
NOT_HEEDED = {"log_directory", "firstpass_image", "hr_checkpoint_name", "refiner_checkpoint"}
"""Fields of A1111's that would name a file there; here nothing is done with them but to refuse or to pass them over."""

COMPARED = {("embeddings_list_cards", "folder")}
"""Paths that are only compared with those of entries in the library."""

Schema = dict[str, Any]


def texts_in(schema: Schema, models: Schema) -> Iterator[tuple[str, Schema]]:
    """Yields the name and the schema of everything in a body that takes any text."""
    for name, each in schema.get("properties", {}).items():
        yield from ((name, part) for part in text_parts(each, models))
        yield from itertools.chain.from_iterable(texts_in(part, models) for part in parts_of(each, models))


def parts_of(schema: Schema, models: Schema) -> Iterator[Schema]:
    """Yields a schema and all that it is put together from, references resolved."""
    resolved = models[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    yield resolved
    below = [*resolved.get("anyOf", []), *resolved.get("prefixItems", [])]
    below += [resolved[name] for name in ("items",) if name in resolved]
    for each in below:
        yield from parts_of(each, models)


def text_parts(schema: Schema, models: Schema) -> Iterator[Schema]:
    for part in parts_of(schema, models):
        if part.get("type") == "string" and not {"enum", "const", "pattern"} & part.keys():
            yield {SCHEMA_KEY: schema.get(SCHEMA_KEY), **part}


def texts_of_all_requests(description: Schema) -> Iterator[tuple[str, str, str | None]]:
    """Yields the operation, the name and the place of each text in any request of the API."""
    models = description["components"]["schemas"]
    for methods in description["paths"].values():
        for operation in methods.values():
            asked = operation["operationId"]
            for parameter in operation.get("parameters", []):
                for part in text_parts(parameter["schema"], models):
                    yield asked, parameter["name"], part[SCHEMA_KEY]
            for content in operation.get("requestBody", {}).get("content", {}).values():
                for whole in parts_of(content["schema"], models):
                    for name, part in texts_in(whole, models):
                        yield asked, name, part[SCHEMA_KEY]


@pytest.fixture
def guarded(folders: Folders) -> Iterator[Services]:
    """The studio as others than this machine's people reach it."""
    folders = replace(folders, dataset_root=folders.outputs / "datasets")
    (folders.outputs / "datasets").mkdir()
    library = Library(folders.embeddings)
    txt2img = Txt2ImgService(folders, library)
    yield Services(folders, library, Jobs(folders, txt2img.find), txt2img)


@pytest.fixture
def studio(guarded: Services, monkeypatch: pytest.MonkeyPatch, client: Client, services: Services) -> Any:
    """A client of that server."""
    for name in ("folders", "library", "jobs", "txt2img"):
        object.__setattr__(services, name, getattr(guarded, name))
    return client(hosts=[])


def test_every_text_of_every_request_says_where_it_leads_or_is_known_to_lead_nowhere(client: Client) -> None:
    app = client().app
    assert isinstance(app, FastAPI)
    found = list(texts_of_all_requests(app.openapi()))
    assert len(found) > 100
    marked = {name for _, name, place in found if place is not None}
    unmarked = {(asked, name) for asked, name, place in found if place is None} - COMPARED
    assert not {(asked, name) for asked, name in unmarked if name not in NO_PATHS | NOT_HEEDED}
    assert {"dataset_directory", "template", "vae", "checkpoint", "initialization_file", "mask_directory"} <= marked
    assert {"metadata_file", "directory", "data_root", "template_filename", "sd_model_checkpoint", "folder"} <= marked
    assert {place for _, _, place in found} - {None} == {place.value for place in Place}


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file outside of everything, with a line that nobody is to see, although it could be a template."""
    path = tmp_path / "shadow.txt"
    path.write_text(f"{SECRET} [name]\n")
    return path


def ways_to(secret: Path, folder: Path) -> list[str]:
    """Returns what an attacker would write to get from a folder to a file."""
    up = "../" * len(folder.parts)
    plain = str(secret).lstrip("/")
    return [
        str(secret),
        f"{up}{plain}",
        f"./{up}{plain}",
        f"a/../{up}{plain}",
        f"/proc/self/root/{plain}",
        f"/proc/self/cwd/{up}{plain}",
        f"//{plain}",
        f"file://{secret}",
        f"~root/{up}{plain}",
        "~nobody-here/x",
        f"{secret}\0.txt",
        str(secret).replace("/", "\\"),
        f"\\\\127.0.0.1\\share\\{secret.name}",
        f"\\\\?\\C:\\{secret.name}",
        f"%2e%2e%2f{plain}",
        "..%00/" + plain,
        "/dev/zero",
        "/dev/stdin",
        "\ud800",
        "x" * 5000,
        f"{'y' * 300}/{plain}",
    ]


TRAINING: list[Callable[[str], Schema]] = [
    lambda path: {"template": path},
    lambda path: {"vae": path},
    lambda path: {"checkpoint": path},
    lambda path: {"initialization_file": path},
    lambda path: {"mask_directory": path},
    lambda path: {"metadata_file": path},
    lambda path: {"dataset_directory": path},
    lambda path: {"folders": [{"directory": path}]},
    lambda path: {"folders": [{"directory": "pictures", "metadata_file": path}]},
    lambda path: {"folders": [{"directory": "pictures", "mask_directory": path}]},
    lambda path: {"more_words": [{"name": "other", "initialization_file": path}]},
    lambda path: {"name": path},
    lambda path: {"more_words": [{"name": path}]},
]


def test_no_path_of_a_training_leads_out_and_no_answer_says_what_is_there(
    studio: Any, guarded: Services, secret: Path
) -> None:
    root = guarded.folders.dataset_root
    assert root is not None
    (root / "pictures").mkdir()
    Image.new("RGB", (128, 128), "red").save(root / "pictures" / "a.png")
    for path, field in itertools.product(ways_to(secret, root), TRAINING):
        body = {"name": "zzzz", "dataset_directory": "pictures", **field(path)}
        answer = studio.post("/ti/jobs", content=json.dumps(body), headers={"Content-Type": "application/json"})
        assert 400 <= answer.status_code < 500, (field(path), answer.text)
        assert SECRET not in answer.text and "root:" not in answer.text, (field(path), answer.text)
    assert guarded.jobs.list() == []


BODIES: dict[str, Callable[[str], Schema]] = {
    "/sdapi/v1/train/embedding": lambda path: {
        "embedding_name": "zzzz",
        "data_root": "pictures",
        "template_filename": path,
    },
    "/sdapi/v1/create/embedding": lambda path: {"name": path},
    "/sdapi/v1/options": lambda path: {"sd_model_checkpoint": path},
    "/sdapi/v1/txt2img": lambda path: {"override_settings": {"sd_model_checkpoint": path}},
    "/ti/tools/convert": lambda path: {"embedding": "{id}", "name": path},
    "/ti/tools/merge": lambda path: {"embeddings": ["{id}"], "name": path},
    "/ti/embeddings/{id}/rename": lambda path: {"name": path},
    "/ti/embeddings/{id}/duplicate": lambda path: {"name": path},
    "/ti/embeddings/{id}/move": lambda path: {"folder": path},
    "/ti/extensions": lambda path: {"url": path, "name": path},
    "/ti/trash/{path}/restore": lambda _: {},
}


def test_no_other_request_leads_out_either(
    studio: Any, guarded: Services, secret: Path, add_embedding: Callable[..., Path]
) -> None:
    embedding = add_embedding("cat")
    before = embedding.read_bytes(), sorted(map(str, secret.parent.iterdir()))
    identity = studio.get("/ti/embeddings").json()["embeddings"][0]["id"]
    for path, (address, body) in itertools.product(ways_to(secret, guarded.folders.embeddings), BODIES.items()):
        filled = json.dumps(body(path)).replace("{id}", identity)
        asked = address.replace("{id}", identity).replace("{path}", quote(path.encode(errors="replace"), safe=""))
        answer = studio.post(asked, content=filled, headers={"Content-Type": "application/json"})
        moved = address.endswith("/move") and answer.status_code == 200
        assert moved or 400 <= answer.status_code < 500, (address, path, answer.text)
        assert SECRET not in answer.text, (address, path)
        identity = studio.get("/ti/embeddings").json()["embeddings"][0]["id"]
    assert sorted(map(str, secret.parent.iterdir())) == before[1]
    assert [path.read_bytes() for path in guarded.folders.embeddings.rglob("cat.safetensors")] == [before[0]]


def test_the_pages_own_look_at_a_folder_does_not_lead_out(guarded: Services, secret: Path) -> None:
    assert guarded.folders.dataset_root is not None
    for path in ways_to(secret, guarded.folders.dataset_root):
        told, pictures = describe_dataset(guarded.folders, path, (64, 64))
        assert pictures == [] and len(told["problems"]) == 1
        assert SECRET not in told["problems"][0]


def test_addresses_of_files_lead_nowhere_else(studio: Any, secret: Path, guarded: Services) -> None:
    up = "..%2f" * 12
    plain = str(secret).lstrip("/").replace("/", "%2f")
    for address in (
        f"/gradio_api/file={secret}",
        f"/gradio_api/file={up}{plain}",
        f"/gradio_api/file=/proc/self/root{secret}",
        f"/static/{up}{plain}",
        f"/assets/{up}{plain}",
        f"/svelte/{up}{plain}",
        f"/ti/static/x/{up}{plain}",
        f"/ti/extension-files/{up}{plain}",
        f"/ti/jobs/{up}{plain}/request",
        f"/ti/jobs/x/previews/{up}{plain}",
        f"/ti/jobs/x/snapshots/{up}{plain}",
        f"/ti/embeddings/{up}{plain}/file",
        f"/gradio_api/file={guarded.folders.outputs}/txt2img/../../../{secret.name}",
        "/gradio_api/file=http://127.0.0.1:1/",
        "/gradio_api/proxy=http://127.0.0.1:1/",
    ):
        answer = studio.get(address)
        assert 400 <= answer.status_code < 500, (address, answer.status_code)
        assert SECRET not in answer.text
