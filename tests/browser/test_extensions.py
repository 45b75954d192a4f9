"""Extensions in the real server: tabs, settings, scripts and their errors, in a real browser."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.pages import SOON, control, fill, open_studio
from tests.browser.studio import Studio

SAMPLES = Path(__file__).parents[1] / "extensions" / "samples"
MARKUP = "broken <img src=x onerror=window.hacked=1>"


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A running studio with two extensions that work and one that does not."""
    running = Studio(tmp_path_factory.mktemp("extended"), ("--greeting", "Good day"))
    for name, folder in (("greeter", "greeter"), ("framer", "framer"), ("broken", MARKUP)):
        shutil.copytree(SAMPLES / name, running.data / "extensions" / folder)
    running.start()
    yield running
    running.end()


def row(page: Page, name: str) -> Locator:
    """Returns the extension's row in the table."""
    return page.locator("#ti_extensions tbody tr").filter(has=page.get_by_text(name, exact=True))


def width(page: Page) -> Locator:
    """Returns the input box of framer's setting."""
    return page.locator("#setting_framer_width input[type=number]")


def test_a_tab_its_button_its_route_and_its_style_work(page: Page, extended: Studio) -> None:
    open_studio(page, extended, "Greeter")
    fill(page, "greeter_name", "Ann")
    page.locator("#greeter_greet").click()
    expect(control(page, "greeter_answer")).to_have_value("Good day, Ann!", timeout=SOON)
    assert control(page, "greeter_answer").evaluate("box => getComputedStyle(box).fontStyle") == "italic"
    answer = page.request.get(f"{extended.url}greeter/hello?name=Bob").json()
    assert (answer["greeting"], answer["basedir"]) == ("Good day, Bob!", str(extended.data / "extensions" / "greeter"))


def test_scripts_run_in_order_and_a_broken_one_stops_no_other(page: Page, extended: Studio) -> None:
    open_studio(page, extended)
    expect(page.locator("#framer_mark")).to_have_text("frame: 0", timeout=SOON)
    assert page.evaluate("framerOrder") == ["framer.js", "later.mjs"]


def test_broken_parts_are_named_and_their_texts_are_never_markup(page: Page, extended: Studio) -> None:
    open_studio(page, extended, "Extensions (1 failed)")
    expect(row(page, MARKUP)).to_contain_text("loaded, with errors", timeout=SOON)
    expect(row(page, MARKUP)).to_contain_text("install.py ended with status 1: <b>nothing</b> can be installed")
    expect(row(page, MARKUP)).to_contain_text("ValueError: <img src=x onerror=window.hacked=1>")
    expect(row(page, "framer")).to_contain_text("on_cfg_denoiser has no effect")
    expect(row(page, "framer").get_by_role("checkbox")).to_be_checked()
    box = row(page, "framer").get_by_role("checkbox")
    assert box.evaluate("box => getComputedStyle(box).appearance") == "auto", "a ticked box would look like any other"
    page.get_by_role("tab", name="Settings").click()
    page.get_by_role("tab", name="Broken").click()
    expect(control(page, "setting_broken_text")).to_have_value("fine")
    expect(page.locator("#settings_broken")).to_contain_text("Bad slider can't be shown; see Extensions.")
    assert page.evaluate("window.hacked") is None
    assert "Extension greeter" not in extended.log.read_text()
    assert f"Extension {MARKUP}: scripts/a_missing.py failed" in extended.log.read_text()


def test_a_setting_and_a_choice_of_extensions_survive_a_restart(page: Page, extended: Studio) -> None:
    open_studio(page, extended, "Settings")
    page.get_by_role("tab", name="Framer").click()
    apply = page.get_by_role("button", name="Apply settings")
    expect(apply).to_be_enabled(timeout=SOON)
    width(page).fill("7")
    width(page).blur()
    apply.click()
    expect(page.locator("#settings_result")).to_have_text("1 setting changed: framer_width.", timeout=SOON)
    expect(page.locator("#framer_mark")).to_have_text("frame: 7", timeout=SOON)
    page.get_by_role("tab", name="Extensions").click()
    row(page, MARKUP).get_by_role("checkbox").uncheck()
    page.locator("#ti_extensions").get_by_role("button", name="Apply").click()
    expect(page.locator("#ti_extensions")).to_contain_text("Restart the server to load", timeout=SOON)

    assert extended.stop() == 0
    extended.start()

    open_studio(page, extended, "Settings")
    expect(width(page)).to_have_value("7", timeout=SOON)
    expect(page.get_by_role("tab", name="Broken")).to_have_count(0)
    page.get_by_role("tab", name="Extensions", exact=True).click()
    expect(row(page, MARKUP)).to_contain_text("disabled", timeout=SOON)
    expect(row(page, MARKUP).get_by_role("checkbox")).not_to_be_checked()


def test_no_extension_overflows_a_narrow_window(page: Page, extended: Studio) -> None:
    open_studio(page, extended)
    for name, content in (("Greeter", "#greeter_name"), ("Settings", "#settings"), ("Extensions", "#ti_extensions tr")):
        page.set_viewport_size({"width": 1280, "height": 800})
        page.get_by_role("tab", name=name).click()
        expect(page.locator(content).first).to_be_visible(timeout=SOON)
        page.set_viewport_size({"width": 420, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= 420
