"""The extension inside A1111's and Forge's real stacks: its tab in a real browser, and both sides' crashes."""

import hashlib
import os
import re
import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import psutil
import pytest
import torch
from playwright.sync_api import FrameLocator, Locator, Page, expect

from tests.browser.pages import PATIENCE, SOON
from tests.checkpoints import demo_side, demo_width
from tests.hosts.environments import KINDS
from tests.hosts.host import Host
from ti_studio.embeddings.embedding import Embedding
from ti_studio.embeddings.formats.files import write_embedding

MakeHost = Callable[..., Host]
GONE_SECONDS = 120
STARTED_WITH = {"a1111": ("--api",), "forge": ("--api", "--subpath", "sd")}
"""What lies between browser and host: A1111's middlewares for its REST, and a web server that takes the path off."""
OPEN_TO_OTHERS = [
    ("a1111", "--listen"),
    ("forge", "--share"),
    ("a1111", "--ngrok", "token"),
    ("forge", "--server-name", "0.0.0.0"),
]

BADGE = "#ti_monitor .ti-head .ti-badge"


def open_tab(page: Page, address: str) -> FrameLocator:
    """Opens the studio's tab in the host's page and returns the studio's own, which opens at its Train tab."""
    page.goto(address)
    show_tab(page, "Textual Inversion Studio")
    studio = page.frame_locator("#ti_studio_place iframe")
    expect(studio.locator("#ti_job_actions button").first).to_be_visible(timeout=PATIENCE)
    return studio


def show_tab(page: Page, name: str) -> None:
    """Shows one of the host's own tabs; in Gradio 3 they are plain buttons."""
    page.locator("#tabs button").filter(has_text=re.compile(rf"^\s*{name}\s*$")).first.click()


def fill(studio: FrameLocator, elem_id: str, text: str) -> None:
    """Types into a control of the studio."""
    box = studio.locator(f"#{elem_id}").locator("textarea, input[type=text], input[type=number]").first
    box.fill(text)
    box.blur()


def begin_training(studio: FrameLocator, name: str, dataset: Path, *, max_steps: int) -> None:
    """Fills in the Train tab as a person does, and presses Train."""
    fill(studio, "ti_name", name)
    fill(studio, "ti_initialization_text", "circle")
    fill(studio, "ti_dataset_directory", str(dataset))
    fill(studio, "ti_batch_size", "1")
    fill(studio, "ti_max_steps", str(max_steps))
    fill(studio, "ti_save_every", "0")
    fill(studio, "ti_preview_every", "0")
    studio.locator("#ti_advanced > button").click()
    for field in ("validation_every", "patience"):
        expect(studio.locator(f"#ti_{field} input").first).to_be_visible(timeout=SOON)
        fill(studio, f"ti_{field}", "0")
    studio.locator("#ti_keep_best input").uncheck()
    studio.get_by_role("button", name="Train Embedding").click()


def wait_until(true: Callable[[], bool], what: str) -> None:
    """Waits for something that another process does."""
    end = time.monotonic() + GONE_SECONDS
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.1)


def training(host: Host) -> dict[str, Any]:
    """Returns what the studio says of its training."""
    report: dict[str, Any] = host.get("ti-studio/ti/jobs/current")["job"]
    return report


def train_by_rest(host: Host, dataset: Path, **more: object) -> httpx.Response:
    """Asks for a short training of `bluetent7` and returns the answer."""
    wanted = {"name": "bluetent7", "dataset_directory": str(dataset), "max_steps": 2, "batch_size": 1, **more}
    return httpx.post(f"{host.url}ti-studio/ti/jobs", json=wanted, timeout=GONE_SECONDS)


def encoded(host: Host, prompt: str, negative: str = "") -> dict[str, list[str]]:
    """Returns what the host knows of the words of a picture's prompts, in both its passes."""
    known: dict[str, list[str]] = host.get(f"stand-in/txt2img?prompt={quote(prompt)}&negative_prompt={quote(negative)}")
    return known


def known_as_they_are_now(host: Host) -> dict[str, str]:
    """Returns what a host that has read its folder anew knows of it: a digest of each file, by word."""
    files = host.embeddings.glob("*.safetensors")
    return {path.stem: hashlib.sha256(path.read_bytes()).hexdigest()[:10] for path in files}


def very_word(host: Host, word: str) -> str:
    """Returns what a host's prompts say of a word that it has read as its file is now."""
    return f"{word} {known_as_they_are_now(host).get(word)}"


def has_the_very_word(host: Host, word: str) -> bool:
    """Tells whether the prompts, the REST list and the cards of a host all have a word as its file is now."""
    now, said = known_as_they_are_now(host), [very_word(host, word)]
    lists = [host.get("sdapi/v1/embeddings"), host.get("stand-in/state")["cards"]]
    return lists == [now, now] and encoded(host, word, word) == dict.fromkeys(("c", "uc", "hr_c", "hr_uc"), said)


def is_free(port: int) -> bool:
    """Tells whether nothing listens on a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def first_event(host: Host) -> bytes:
    """Returns the first event of a stream of the studio's that goes on; a compressing middleware would keep it back."""
    address = f"{host.url}ti-studio/gradio_api/heartbeat/some-session"
    with httpx.stream("GET", address, headers={"Accept-Encoding": "gzip"}, timeout=20) as answer:
        return next(answer.iter_raw())


def has_loaded(picture: Locator) -> bool:
    """Tells whether a picture's file was received and is one."""
    return bool(picture.evaluate("image => image.complete && image.naturalWidth > 0"))


def packing_of(picture: Locator) -> str | None:
    """Returns how a picture's file comes, of a host that would compress it."""
    packing: str | None = picture.evaluate("async image => (await fetch(image.src)).headers.get('content-encoding')")
    return packing


def check_what_a_training_shows(host: Host, studio: FrameLocator) -> None:
    """Looks at the notice of a training that runs, and at the thumbnails of its pictures."""
    expect(studio.locator("#ti_monitor .ti-notices")).to_contain_text("The WebUI freed its memory for this training")
    assert host.get("stand-in/state")["device"] == "cpu"
    thumbnail = studio.locator("#ti_thumbnails img").first
    assert has_loaded(thumbnail) and packing_of(thumbnail) == "identity"


def listening_port(process: psutil.Process) -> int:
    """Returns the port that a process listens on, and that nobody but this machine reaches."""
    (connection,) = [made for made in process.net_connections("tcp") if made.status == psutil.CONN_LISTEN]
    assert connection.laddr.ip == "127.0.0.1"
    return int(connection.laddr.port)


@pytest.mark.parametrize("kind", KINDS)
def test_a_word_is_trained_in_the_tab_stopped_resumed_and_known_to_the_hosts_next_prompt(
    kind: str, make_host: MakeHost, address: Callable[[Host], str], page: Page, drawings: Path
) -> None:
    host = make_host(kind, *STARTED_WITH[kind])
    host.start()
    assert host.wait_until_ready()["state"] == "ready"
    (studio_process,) = host.studios()
    port = listening_port(studio_process)

    assert first_event(host).startswith(b"data:")
    wait_until(lambda: not host.connections(port), "the studio is told that nobody listens to its events any more")
    url = address(host)
    assert encoded(host, "bluetent7", "bluetent7")["c"] == []
    studio = open_tab(page, url)
    expect(studio.locator("#ti_checkpoint input")).to_have_value("demo", timeout=SOON)
    another = open_tab(page.context.new_page(), url)
    begin_training(studio, "bluetent7", drawings, max_steps=60)
    badge = studio.locator(BADGE)
    expect(badge).to_have_text("running", timeout=PATIENCE)
    expect(another.locator(BADGE)).to_have_text("running", timeout=SOON)
    check_what_a_training_shows(host, studio)
    studio.get_by_role("button", name="Stop", exact=True).click()
    expect(badge).to_have_text("stopped", timeout=PATIENCE)
    expect(another.locator(BADGE)).to_have_text("stopped", timeout=SOON)
    page.context.pages[-1].close()
    assert not list(host.embeddings.iterdir())

    for start in (2, 3):
        page.locator("#settings_restart_gradio").evaluate("button => button.click()")
        host.wait_for("Startup time: ready", times=start)
        page.goto(url)
    assert host.studios() == [studio_process]

    studio = open_tab(page, url)
    studio.get_by_role("button", name="Resume").click()
    expect(badge).to_have_text("finished", timeout=PATIENCE)
    assert (host.embeddings / "bluetent7.safetensors").is_file()
    wait_until(lambda: has_the_very_word(host, "bluetent7"), "the host has it wherever it keeps words")

    studio.locator("#ti_monitor").get_by_role("button", name="Use in txt2img").click()
    expect(page.locator("#txt2img_prompt textarea")).to_have_value("bluetent7")
    page.locator("#txt2img_generate").click()
    expect(page.locator("#html_info_txt2img textarea")).to_have_value(
        f"used: {very_word(host, 'bluetent7')}", timeout=SOON
    )
    assert host.get("stand-in/state")["device"] == "cuda"

    host.kill()
    wait_until(lambda: not studio_process.is_running(), "the studio ends with its host")
    assert is_free(port)
    expect(page.locator("#ti_studio_place")).to_contain_text("The WebUI does not answer", timeout=SOON)


@pytest.mark.parametrize(("kind", "flags"), [(kind, flags) for kind, *flags in OPEN_TO_OTHERS], ids=str)
def test_a_host_that_others_reach_trains_what_lies_below_the_studios_datasets_and_nothing_else(
    kind: str, flags: list[str], make_host: MakeHost, drawings: Path
) -> None:
    host = make_host(kind, *flags)
    host.start()
    host.wait_until_ready()
    kept = shutil.copytree(drawings, host.extension / "outputs" / "datasets" / "drawings")

    assert train_by_rest(host, drawings).status_code == 403
    submitted = train_by_rest(host, kept)
    assert submitted.status_code == 201, submitted.text


@pytest.mark.parametrize("kind", KINDS)
def test_a_prompt_that_is_asked_for_again_is_encoded_with_the_word_as_it_was_trained_meanwhile(
    kind: str, make_host: MakeHost, drawings: Path
) -> None:
    host = make_host(kind, "--api")
    host.start()
    host.wait_until_ready()
    train_by_rest(host, drawings)
    wait_until(lambda: has_the_very_word(host, "bluetent7"), "the host has the first training's word")
    before = encoded(host, "bluetent7", "bluetent7")

    assert train_by_rest(host, drawings, overwrite=True).status_code == 201
    wait_until(lambda: encoded(host, "bluetent7", "bluetent7") != before, "the host has read the word again")
    wait_until(lambda: training(host)["status"] == "finished", "the training comes to its end")
    wait_until(lambda: has_the_very_word(host, "bluetent7"), "the host has the second training's word everywhere")


def test_the_hosts_login_and_tls_guard_the_studio_and_its_cards_and_completion_write_into_the_hosts_prompts(
    make_host: MakeHost, page: Page, certificate: tuple[str, ...]
) -> None:
    host = make_host("a1111", "--gradio-auth", "ann:secret", *certificate, ti_studio_completion=True)
    rows = torch.randn(2, demo_width(), generator=torch.Generator().manual_seed(1)) * 0.02
    for word in ("quietowl", "grimfog"):
        write_embedding(Embedding(name=word, vectors={"clip_l": rows}), host.embeddings / f"{word}.safetensors")
    host.start()
    for path in ("ti-studio/", "ti-studio/ti/embeddings", "ti-studio-bridge/status"):
        assert httpx.get(host.url + path, verify=False).status_code == 401

    page.goto(host.url)
    page.get_by_label("username").fill("ann")
    page.get_by_label("password").fill("secret")
    page.get_by_role("button", name="Login").click()
    expect(page.locator("#txt2img_prompt textarea")).to_be_visible(timeout=SOON)
    studio = open_tab(page, host.url)
    expect(studio.locator("body")).not_to_have_class(re.compile("dark"))
    page.evaluate("document.body.classList.add('dark')")
    expect(studio.locator("body")).to_have_class(re.compile("dark"))
    studio.get_by_role("tab", name="txt2img").click()
    expect(studio.get_by_role("spinbutton", name="number input for Width").first).to_have_value(
        str(demo_side()), timeout=SOON
    )
    studio.get_by_role("button", name="Extra networks").click()
    owl = studio.locator(".ti-card-cell").filter(has_text="quietowl")
    owl.get_by_role("button", name="Use in txt2img").click()
    fog = studio.locator(".ti-card-cell").filter(has_text="grimfog")
    fog.get_by_role("button", name="Use as negative").click()
    expect(page.locator("#txt2img_prompt textarea")).to_have_value("quietowl")
    expect(page.locator("#txt2img_neg_prompt textarea")).to_have_value("grimfog")
    expect(owl.get_by_role("button", name="Use in txt2img")).to_have_attribute("aria-pressed", "true")

    show_tab(page, "txt2img")
    prompt = page.locator("#txt2img_prompt textarea")
    prompt.fill("")
    prompt.press_sequentially("a gri")
    expect(page.locator("#ti_completions li")).to_contain_text("grimfog", timeout=SOON)
    prompt.press("Enter")
    expect(prompt).to_have_value("a grimfog")


def test_the_studio_answers_the_proxy_alone_below_any_path_and_comes_back_after_a_crash_of_either_side(
    make_host: MakeHost, drawings: Path
) -> None:
    host = make_host("forge", "--subpath", "sd")
    host.start()
    host.wait_until_ready()
    (studio,) = host.studios()

    behind_another = {"X-Forwarded-Host": "pictures.example", "X-Forwarded-Proto": "https"}
    assert host.get("ti-studio/config", behind_another)["root"] == "https://pictures.example/sd/ti-studio"
    assert httpx.get(f"http://127.0.0.1:{listening_port(studio)}/ti/embeddings").status_code == 403
    foreign = {"Sec-Fetch-Site": "cross-site"}
    assert httpx.post(f"{host.url}ti-studio-bridge/start", headers=foreign).status_code == 403

    sent = os.urandom(20_000_000)
    with httpx.Client(base_url=host.url, timeout=60) as client:
        uploaded = client.post("ti-studio/gradio_api/upload", files={"files": ("great file.bin", sent)})
        (path,) = uploaded.json()
        assert Path(path).is_relative_to(host.extension), "what is uploaded goes with the extension"
        assert client.get(f"ti-studio/gradio_api/file={quote(path)}").content == sent

    studio.kill()
    wait_until(lambda: bool(host.studios()) and host.studios() != [studio], "another studio is started")
    assert host.wait_until_ready()["state"] == "ready"

    endless = {"name": "bluetent7", "dataset_directory": str(drawings), "max_steps": 100_000}
    assert httpx.post(f"{host.url}ti-studio/ti/jobs", json=endless, timeout=60).status_code == 201
    wait_until(lambda: training(host)["status"] == "running", "the training runs")
    host.kill()
    host.start()
    host.wait_until_ready()
    assert training(host)["status"] == "running"


def test_a_studio_that_can_not_start_says_why_and_the_host_works(make_host: MakeHost, page: Page) -> None:
    host = make_host("forge", ti_studio_environment="/no/such/environment", ti_studio_autostart=False)
    host.start()

    page.goto(host.url)
    show_tab(page, "Textual Inversion Studio")
    place = page.locator("#ti_studio_place")
    expect(place).to_contain_text("The studio is not running.", timeout=SOON)
    place.get_by_role("button", name="Start the studio").click()
    expect(place).to_contain_text("There is no Python at /no/such/environment/bin/python", timeout=SOON)
    expect(place.get_by_role("button", name="Try again")).to_be_visible()
    show_tab(page, "Settings")
    for label in (
        "Start the studio together",
        "Complete embeddings' names",
        "Port of the studio",
        "Folder of a Python",
    ):
        expect(page.get_by_label(label)).to_be_visible()
