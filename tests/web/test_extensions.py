"""Extensions in the application: routes, files, tabs, settings, login."""

import asyncio
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from tests.web.conftest import Client
from ti_studio.extensions.host import ExtensionHost
from ti_studio.folders import Folders
from ti_studio.server_options import ServerOptions
from ti_studio.web.app import create_app
from ti_studio.web.server.services import Services

SAMPLES = Path(__file__).parents[1] / "extensions" / "samples"
MARKUP = "broken <img src=x onerror=window.hacked=1>"

Extended = Callable[..., tuple[TestClient, ExtensionHost]]


@pytest.fixture
def add(folders: Folders) -> Callable[..., None]:
    """Puts sample extensions into the data folder, under other names where those are given."""

    def add_all(*names: str, **renamed: str) -> None:
        for name in (*names, *renamed):
            shutil.copytree(SAMPLES / name, folders.data / "extensions" / renamed.get(name, name))

    return add_all


@pytest.fixture
def extended(services: Services) -> Iterator[Extended]:
    """Makes a client of an application with the extensions that are there, and their host."""
    loading = []

    async def build(host: ExtensionHost, options: dict[str, Any]) -> FastAPI:
        return create_app(services, extensions=host, **options)

    def made(*, auth: Any = None, **flags: Any) -> tuple[TestClient, ExtensionHost]:
        host = ExtensionHost(services.folders.data, ServerOptions(**flags))
        host.read_flags(host.server.extension_flags)
        block = host.loaded()
        block.__enter__()
        loading.append(block)
        app = asyncio.run(build(host, {"auth": auth}))
        return TestClient(app, base_url="http://127.0.0.1:7860", raise_server_exceptions=False), host

    yield made
    for block in reversed(loading):
        block.__exit__(None, None, None)


def of_config(client: TestClient, kind: str) -> list[dict[str, Any]]:
    """Returns the properties of the page's components of a kind."""
    return [part["props"] for part in client.get("/config").json()["components"] if part["type"] == kind]


def test_tabs_settings_and_routes_are_there_and_failures_are_named(
    add: Callable[..., None], extended: Extended
) -> None:
    add("framer", "greeter", broken=MARKUP)
    client, _ = extended(extension_flags=("--greeting", "Good day"))

    tabs = [tab["label"] for tab in of_config(client, "tabitem")]
    assert tabs[:2] == ["txt2img", "Train"]
    assert tabs[tabs.index("Greeter") + 1] == "Settings"
    assert {"Framer", "Broken <img src=x onerror=window.hacked=1>", "Extensions (1 failed)"} <= set(tabs)
    assert client.get("/greeter/hello?name=Ann").json()["greeting"] == "Good day, Ann!"
    assert client.get("/").status_code == 200
    as_in_a1111 = client.get("/sdapi/v1/extensions").json()
    assert [(each["name"], each["enabled"]) for each in as_in_a1111] == [
        (MARKUP, True), ("framer", True), ("greeter", True)
    ]  # fmt: skip
    listed = {extension["name"]: extension for extension in client.get("/ti/extensions").json()["extensions"]}
    assert listed["framer"]["problems"] == listed["greeter"]["problems"] == []
    told = "\n".join(listed[MARKUP]["problems"])
    for part in (
        "metadata.ini can't be read",
        "scripts/a_missing.py failed",
        "The callback before_ui failed: SystemExit",
        "The callback ui_tabs failed: ValueError",
        "The callback ui_tabs returned str as a tab; expected (Blocks, title, elem_id)",
        "Showing the setting 'broken_slider' failed: TypeError",
        "Showing the setting 'broken_kind' failed: TypeError: its default is of type dict and it names no component",
        "The callback app_started failed: AttributeError: modules.shared.sd_model: the studio's checkpoint",
    ):
        assert part in told
    assert [box["elem_id"] for box in of_config(client, "textbox") if "broken_text" in (box["elem_id"] or "")]


def test_two_tabs_of_one_id_are_one(folders: Folders, extended: Extended) -> None:
    path = folders.data / "extensions" / "one" / "scripts" / "a.py"
    path.parent.mkdir(parents=True)
    path.write_text(
        "import gradio as gr\nfrom modules import script_callbacks\ndef tabs():\n    with gr.Blocks() as a: pass\n"
        "    with gr.Blocks() as b: pass\n    return [(a, 'A', 'same'), (b, 'B', 'same')]\n"
        "script_callbacks.on_ui_tabs(tabs)\n"
    )
    client, host = extended()

    assert "A" in [tab["label"] for tab in of_config(client, "tabitem")]
    assert host.boundary.problems("one") == [
        "The callback ui_tabs returned a tab with the id 'same', which another tab has."
    ]


def test_the_login_stands_before_the_routes_of_extensions(add: Callable[..., None], extended: Extended) -> None:
    add("greeter")
    client, _ = extended(auth=[("ann", "secret")])

    assert client.get("/greeter/hello").status_code == 401
    assert client.get("/greeter/hello", auth=("ann", "secret")).status_code == 200
    away = {"Origin": "https://elsewhere.example"}
    assert client.post("/greeter/hello", auth=("ann", "secret"), headers=away).status_code == 403
    assert client.post("/greeter/hello", auth=("ann", "secret")).json() == {"changed": True}
    assert client.get("/greeter/nothing").status_code == 401


def test_scripts_and_styles_are_served_and_nothing_else_of_an_extension(
    add: Callable[..., None], extended: Extended
) -> None:
    add("framer", "greeter", broken=MARKUP)
    client, host = extended()
    head = client.get("/config").json()["head"]

    assert "broken.js" in head
    assert "onerror=" not in head and "<img" not in head
    for address, kind in (
        ("framer/framer.js", "text/javascript"),
        ("framer/later.mjs", "text/javascript"),
        ("greeter/style.css", "text/css"),
        ("base.js", "text/javascript"),
    ):
        answer = client.get(f"/ti/extension-files/{address}")
        assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, kind)
    for address in ("framer/framer.py", "greeter/install.py", "greeter/../../config.json", "greeter/%2e%2e/x", ""):
        assert client.get(f"/ti/extension-files/{address}").status_code == 404
    assert host.extensions


def test_the_page_of_a_studio_without_extensions_is_as_it_was(extended: Extended) -> None:
    client, _ = extended()

    tabs = [tab["label"] for tab in of_config(client, "tabitem")]
    assert (tabs[0], tabs[-1], "Settings" in tabs) == ("txt2img", "Extensions", False)
    assert "extension-files" not in client.get("/config").json()["head"]
    assert client.get("/ti/extensions").json()["extensions"] == []


def test_enabling_is_for_the_next_start_and_unknown_names_are_refused(
    add: Callable[..., None], extended: Extended, folders: Folders
) -> None:
    add("framer", "greeter")
    client, _ = extended()

    answer = client.put("/ti/extensions", json={"enabled": {"greeter": False}}).json()

    assert {(entry["name"], entry["enabled"], entry["loaded"]) for entry in answer["extensions"]} == {
        ("framer", True, True),
        ("greeter", False, True),
    }
    assert answer["restart_needed"]
    assert json.loads((folders.data / "config.json").read_text())["disabled_extensions"] == ["greeter"]
    refused = client.put("/ti/extensions", json={"enabled": {"../x": True}})
    assert (refused.status_code, "There is no extension '../x'" in refused.json()["detail"]) == (404, True)
    assert not client.put("/ti/extensions", json={"enabled": {"greeter": True}}).json()["restart_needed"]


def test_looking_at_the_list_does_not_log_its_failures_again(
    add: Callable[..., None], extended: Extended, caplog: pytest.LogCaptureFixture
) -> None:
    add("broken")
    client, _ = extended()
    caplog.clear()

    assert client.get("/ti/extensions").json()["extensions"][0]["problems"]
    assert caplog.records == []


def test_with_listen_extensions_are_only_shown(add: Callable[..., None], extended: Extended, folders: Folders) -> None:
    add("greeter")
    client, _ = extended(listen=True)

    assert "--enable-insecure-extension-access" in client.get("/ti/extensions").json()["only_shown"]
    for answer in (
        client.put("/ti/extensions", json={"enabled": {"greeter": False}}),
        client.post("/ti/extensions", json={"url": "https://example.org/x.git"}),
    ):
        assert (answer.status_code, answer.json()["detail"][:14]) == (403, "With --listen ")
    assert not (folders.data / "config.json").exists()
    lifted, _ = extended(listen=True, enable_insecure_extension_access=True)
    assert lifted.put("/ti/extensions", json={"enabled": {"greeter": False}}).status_code == 200


def test_what_is_no_address_is_refused(extended: Extended) -> None:
    client, _ = extended()

    answer = client.post("/ti/extensions", json={"url": " ext::sh "})

    assert (answer.status_code, "is no address of a repository" in answer.json()["detail"]) == (422, True)


def test_options_are_what_scripts_have_in_opts(add: Callable[..., None], extended: Extended) -> None:
    add("framer", "greeter")
    client, host = extended()
    host.options.apply({"framer_width": 3})

    assert client.get("/ti/options").json()["framer_width"] == 3


def test_inside_another_webui_its_extensions_and_settings_are_left_alone(
    client: Client, add: Callable[..., None], folders: Folders
) -> None:
    add("greeter")
    settings = folders.data / "config.json"
    settings.write_text("{its own")
    studio = client()

    assert "Extensions" not in [tab["label"] for tab in of_config(studio, "tabitem")]
    assert studio.get("/ti/extensions").json()["extensions"] == []
    assert studio.put("/ti/extensions", json={"enabled": {}}).status_code == 403
    assert studio.get("/ti/extension-files/greeter/style.css").status_code == 404
    assert (settings.read_text(), sorted(path.name for path in folders.data.glob("config*"))) == (
        "{its own",
        ["config.json"],
    )
