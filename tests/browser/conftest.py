"""A real browser for the tests in this folder. They are marked `browser`, and skipped with the reason without one."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from tests import chromium
from tests.browser.studio import Studio

HERE = Path(__file__).parent
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks every test of this folder."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("browser")


def launch() -> Iterator[Browser]:
    """Yields a Chromium; skips the test if there is none."""
    executable = chromium.find()
    if executable is None:
        pytest.skip(os.environ.get(chromium.PROBLEM) or chromium.MISSING)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=executable, args=CHROMIUM_FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests of this folder."""
    yield from launch()


@pytest.fixture
def console_errors() -> list[str]:
    """The errors that the test's pages have written to the console so far."""
    return []


@pytest.fixture
def open_page(browser: Browser, console_errors: list[str]) -> Iterator[Callable[..., Page]]:
    """Opens an empty page in a fresh context: `open_page(dark=True, width=390, height=844)`.

    An error that a page's script did not catch fails the test at its end.
    """
    contexts, uncaught = [], []

    def note(message: ConsoleMessage) -> None:
        if message.type == "error":
            console_errors.append(message.text)

    def open_one(*, dark: bool = False, width: int = 1280, height: int = 900) -> Page:
        context = browser.new_context(
            color_scheme="dark" if dark else "light", viewport={"width": width, "height": height}
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", note)
        page.on("pageerror", lambda error: uncaught.append(str(error)))
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert not uncaught, f"the page's script failed: {uncaught}"


@pytest.fixture
def page(open_page: Callable[..., Page]) -> Page:
    """An empty page, light, 1280 × 900."""
    return open_page()


@pytest.fixture(scope="package")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """The running studio that these tests share; each test uses different names in it."""
    running = Studio(tmp_path_factory.mktemp("studio"))
    running.start()
    yield running
    running.end()


@pytest.fixture
def own_studio(tmp_path: Path) -> Iterator[Callable[..., Studio]]:
    """Starts a studio for one test: `own_studio("--gradio-auth", "ann:secret")`."""
    started = []

    def start(*flags: str) -> Studio:
        running = Studio(tmp_path / "studio", flags)
        started.append(running)
        running.start()
        return running

    yield start
    for running in started:
        running.end()


@pytest.fixture
def drawings(tmp_path: Path) -> Path:
    """A folder of six captioned drawings, and one file that is not a picture."""
    folder = tmp_path / "drawings"
    folder.mkdir()
    for index in range(6):
        picture = Image.new("RGB", (96, 80), "white")
        shift = index * 3
        ImageDraw.Draw(picture).polygon([(20 + shift, 66), (44, 10 + shift), (84 - shift, 66)], fill=(40, 60, 200))
        picture.save(folder / f"{index:02d}-a blue tent.png")
    (folder / "notes.pdf").write_text("not a picture")
    return folder
