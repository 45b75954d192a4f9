"""A real browser for the tests in this folder. They are marked `browser` and skipped, with the reason, without one."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from tests import chromium

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks every test of this folder."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("browser")


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests of this folder."""
    executable = chromium.find()
    if executable is None:
        pytest.skip(os.environ.get(chromium.PROBLEM) or chromium.MISSING)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def console_errors() -> list[str]:
    """What the test's pages have written to the console as errors, so far."""
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
