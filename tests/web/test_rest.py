"""What holds for REST as a whole: the description, the page that shows it, and what is answered where nothing is."""

import base64
from html.parser import HTMLParser
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from tests.web.conftest import Client
from tests.web.server.test_guard import basic
from ti_studio.folders import Folders
from ti_studio.models.checkpoint.checkpoints import CheckpointInfo
from ti_studio.web.server.reference import reference_page


class Page(HTMLParser):
    """The texts and the addresses of a page."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.addresses: set[str] = set()
        self.tags: set[str] = set()
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes an element."""
        self.tags.add(tag)
        for name, value in attrs:
            (self.ids if name == "id" else self.addresses if name in ("href", "src") else set()).add(value or "")


def operations(specification: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Every operation of an OpenAPI description by `GET /path`."""
    paths = specification["paths"].items()
    return {f"{method.upper()} {path}": each for path, methods in paths for method, each in methods.items()}


def test_the_description_has_every_route_with_its_own_id_words_and_answers(client: Client) -> None:
    specification = client().get("/ti/openapi.json").json()
    known = operations(specification)
    assert {
        "POST /ti/jobs",
        "GET /ti/jobs/{job_id}/events/stream",
        "POST /ti/txt2img",
        "POST /sdapi/v1/txt2img",
    } <= set(known)
    ids = [each["operationId"] for each in known.values()]
    assert len(set(ids)) == len(ids)
    tags = {tag["name"] for tag in specification["tags"]}
    for name, each in known.items():
        assert each.get("description"), name
        assert set(each["tags"]) <= tags, name
        for answer in each["responses"].values():
            assert answer["description"], name


def test_the_page_of_the_description_is_complete_and_asks_no_other_machine(client: Client) -> None:
    studio = client()
    specification = studio.get("/ti/openapi.json").json()
    source = studio.get("/ti/docs").text
    page = Page(source)
    for each in operations(specification).values():
        assert each["operationId"] in page.ids
    for name in specification["components"]["schemas"]:
        assert f"model-{name}" in page.ids
    links = {address for address in page.addresses if address.startswith("#")}
    assert {address[1:] for address in links} <= page.ids
    assert page.addresses - links == {"openapi.json"}
    assert "&quot;embedding_name&quot;: &quot;trizebra&quot;" in source  # a model's example
    assert "With A1111&#x27;s learning-rate schedule" in source  # a route's
    assert not page.tags & {"script", "link", "img", "iframe"}


def test_what_the_description_says_is_shown_as_text(client: Client) -> None:
    specification = client().get("/ti/openapi.json").json()
    specification["components"]["schemas"]["JobView"]["description"] = "<script>alert(1)</script>"
    assert "script" not in Page(reference_page(specification)).tags


@pytest.mark.parametrize("path", ["/ti/nothing", "/ti/jobs/", "/sdapi/v1/nothing", "/sdapi/v2/txt2img"])
def test_where_no_route_is_the_answer_is_not_the_page(client: Client, path: str) -> None:
    answer = client().get(path)
    assert (answer.status_code, "nothing at" in answer.json()["detail"]) == (404, True)
    assert ("errors" in answer.json()) is path.startswith("/sdapi/")


def test_another_method_than_a_route_has_is_answered_with_those_it_has(client: Client) -> None:
    studio = client()
    for method, path, allowed in (
        ("POST", "/ti/presets", "GET"),
        ("PUT", "/ti/jobs", "GET, POST"),
        ("GET", "/sdapi/v1/txt2img", "POST"),
        ("TRACE", "/sdapi/v1/options", "GET, POST"),
        ("PATCH", "/ti/jobs/some-id", "DELETE, GET"),
    ):
        answer = studio.request(method, path)
        assert (answer.status_code, answer.headers["allow"]) == (405, allowed), path
        assert method in answer.json()["detail"]


def test_programs_have_accounts_of_their_own(client: Client) -> None:
    bot, ann = basic("bot", "x:y"), basic("ann", "sesame")
    both = client(auth=[("ann", "sesame")], api_auth=[("bot", "x:y")])
    for path in ("/sdapi/v1/options", "/ti/jobs"):
        assert [both.get(path, headers=headers).status_code for headers in ({}, bot, ann)] == [401, 200, 200]
    assert both.get("/config", headers=bot).status_code == 401  # the page has its own login
    alone = client(api_auth=[("bot", "x:y")])
    refused = alone.get("/sdapi/v1/options")
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Basic")
    assert set(refused.json()) == {"error", "detail", "body", "errors"}
    assert alone.get("/sdapi/v1/options", headers=basic("bot", "")).status_code == 401
    assert alone.get("/sdapi/v1/options", headers=bot).status_code == 200
    assert alone.get("/ti/jobs").status_code == 200  # which the page uses, that has no login
    assert alone.post("/sdapi/v1/skip", headers={**bot, "Origin": "http://evil.example"}).status_code == 403


class TestPainting:
    """`/ti/txt2img`."""

    @pytest.fixture
    def folders(self, folders: Folders, tiny_checkpoint: CheckpointInfo) -> Folders:
        """Those of the others, with a checkpoint that paints in milliseconds."""
        return Folders.under(folders.data, checkpoints=tiny_checkpoint.path.parent)

    def test_pictures_come_with_their_seeds_and_are_kept_when_asked(self, client: Client, folders: Folders) -> None:
        studio = client()
        request = {"prompt": "a dog, <lora:x:1>", "steps": 2, "count": 2, "seed": 4}
        told = studio.post("/ti/txt2img", json=request).json()
        assert [(picture["seed"], picture["path"]) for picture in told["pictures"]] == [(4, None), (5, None)]
        assert told["notices"] == ["<lora:x:1> was left out of the prompt: only embeddings are used here."]
        with Image.open(BytesIO(base64.b64decode(told["pictures"][1]["image"]))) as image:
            assert image.info["parameters"] == told["pictures"][1]["infotext"]
        kept = studio.post("/ti/txt2img?save=true", json=request).json()["pictures"][0]
        assert kept["path"].startswith(str(folders.outputs))
        assert kept["image"] == told["pictures"][0]["image"]

    def test_what_can_not_be_painted_is_refused(self, client: Client) -> None:
        studio = client()
        for address, body, status in (
            ("", {"prompt": "a dog", "sampler": "Nope"}, 404),
            ("?checkpoint=missing", {"prompt": "a dog"}, 404),
            ("", {"prompt": "a dog", "steps": 0}, 422),
            ("", {"promt": "a dog"}, 422),
        ):
            assert studio.post(f"/ti/txt2img{address}", json=body).status_code == status, body
        assert studio.get("/ti/txt2img/progress").json()["painting"] is False
        assert [studio.post(f"/ti/txt2img/{order}").status_code for order in ("interrupt", "skip")] == [204, 204]
