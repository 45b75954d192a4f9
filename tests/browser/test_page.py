"""The page as a whole, in a real browser: errors, interruption, results, layout and login."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser.pages import (
    PATIENCE,
    SOON,
    badge,
    control,
    fill,
    fill_training,
    generate,
    open_studio,
    prompt,
    toast,
)
from tests.browser.studio import Studio

MARKUP = "<img src=x onerror=window.hacked=1>"


BAD_INPUT = (
    ("ti_name", "", "The name is empty"),
    ("ti_name", "../escape", "has / in it"),
    ("ti_name", MARKUP, MARKUP),
    ("ti_learning_rate", "0.005:100, nan", "at character 12"),
    ("ti_learning_rate", "0.1:2:3", "2 colons"),
    ("ti_dataset_directory", "/no/such/folder", "There is no folder /no/such/folder"),
    ("ti_batch_size", "0", "Batch size: input should be greater than or equal to 1; found 0"),
)


def test_invalid_input_shows_an_error_and_changes_nothing(page: Page, studio: Studio, drawings: Path) -> None:
    before = [job["id"] for job in studio.get("jobs")]
    open_studio(page, studio, "Train")
    fill_training(page, "never-trained", drawings)
    for field, value, message in BAD_INPUT:
        valid = control(page, field).input_value()
        fill(page, field, value)
        page.get_by_role("button", name="Train Embedding").click()
        expect(toast(page)).to_contain_text(message, timeout=PATIENCE)
        page.get_by_test_id("toast-close").click()
        expect(toast(page)).to_have_count(0, timeout=SOON)
        fill(page, field, valid)
    assert page.evaluate("window.hacked") is None
    assert [job["id"] for job in studio.get("jobs")] == before


def test_interrupt_stops_the_generation_and_keeps_finished_pictures(page: Page, studio: Studio) -> None:
    open_studio(page, studio)
    prompt(page).fill("a red circle")
    page.get_by_role("spinbutton", name="number input for Batch count").fill("64")
    page.get_by_role("spinbutton", name="number input for Sampling steps").fill("30")
    prompt(page).press("Control+Enter")
    expect(page.locator(".ti-progress")).to_contain_text("Step", timeout=PATIENCE)
    expect(page.get_by_role("button", name="Generate", exact=True)).to_be_hidden()
    page.keyboard.press("Escape")
    expect(page.locator(".ti-progress")).to_contain_text("of 64 pictures finished", timeout=PATIENCE)
    expect(page.get_by_role("button", name="Generate", exact=True)).to_be_visible(timeout=SOON)


def test_pictures_stay_when_a_slow_browser_receives_several_messages_at_once(page: Page, studio: Studio) -> None:
    open_studio(page, studio)
    prompt(page).fill("a red circle")
    generate(page)
    open_studio(page, studio, "Train")  # afresh, now that no loading keeps the messages apart
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": 8})
    page.get_by_role("tab", name="txt2img").click()
    prompt(page).fill("a red circle")
    generate(page)
    expect(page.locator("#ti_gallery img")).to_have_count(1, timeout=SOON)


def test_several_pictures_are_arranged_in_a_square(page: Page, studio: Studio) -> None:
    open_studio(page, studio)
    prompt(page).fill("a red circle")
    page.get_by_role("spinbutton", name="number input for Batch count").fill("5")
    page.get_by_role("spinbutton", name="number input for Sampling steps").fill("2")
    page.get_by_role("button", name="Generate", exact=True).click()
    expect(page.locator("#ti_gallery img")).to_have_count(5, timeout=PATIENCE)
    columns = page.locator("#ti_gallery .grid-container").evaluate("grid => getComputedStyle(grid).gridTemplateColumns")
    assert len(columns.split()) == 3


def test_the_last_seed_is_reused_and_reset_to_random(page: Page, studio: Studio) -> None:
    open_studio(page, studio)
    page.get_by_role("spinbutton", name="number input for Sampling steps").fill("2")
    page.get_by_role("button", name="Generate", exact=True).click()
    expect(page.locator(".ti-progress")).to_contain_text("1 picture in", timeout=PATIENCE)
    parameters = page.locator("#ti_infotext textarea").input_value()
    page.get_by_role("button", name="Reuse last seed").click()
    seed = page.locator("#ti_seed input")
    expect(seed).not_to_have_value("-1", timeout=SOON)
    assert f"Seed: {seed.input_value()}," in parameters
    page.get_by_role("button", name="Random seed").click()
    expect(seed).to_have_value("-1", timeout=SOON)


def test_the_page_contacts_no_other_server(page: Page, studio: Studio, console_errors: list[str]) -> None:
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    open_studio(page, studio, "Train")
    hosts = {urlsplit(url).netloc for url in requested if urlsplit(url).scheme not in ("data", "blob")}
    assert hosts == {urlsplit(studio.url).netloc}
    assert console_errors == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_nothing_overflows_a_narrow_window(open_page: Callable[..., Page], studio: Studio, dark: bool) -> None:
    page = open_studio(open_page(dark=dark, width=420), studio)
    for tab in ("Train", "txt2img"):
        page.get_by_role("tab", name=tab).click()
        assert page.evaluate("document.documentElement.scrollWidth") <= 420


def test_pictures_uploaded_from_the_browser_become_the_dataset(page: Page, studio: Studio, drawings: Path) -> None:
    open_studio(page, studio, "Train")
    fill(page, "ti_name", "sent-here")
    page.locator("#ti_train_settings input[type=file]").set_input_files(sorted(drawings.glob("*.png")))
    expect(page.locator("#ti_dataset_directory").locator("input, textarea")).to_have_value(
        str(studio.data / "outputs" / "datasets" / "sent-here"), timeout=SOON
    )
    expect(page.locator(".ti-summary")).to_contain_text("6 pictures", timeout=PATIENCE)
    assert len(list((studio.data / "outputs" / "datasets" / "sent-here").glob("*.png"))) == 6


def test_a_login_guards_the_page_and_its_routes(page: Page, own_studio: Callable[..., Studio]) -> None:
    studio = own_studio("--gradio-auth", "ann:open sesame")
    assert page.request.get(f"{studio.url}ti/embeddings").status == 401
    page.goto(studio.url)
    page.get_by_label("username").fill("ann")
    page.get_by_label("password").fill("open sesame")
    page.get_by_role("button", name="Login").click()
    expect(prompt(page)).to_be_visible(timeout=60_000)
    assert page.request.get(f"{studio.url}ti/embeddings").status == 200
    page.get_by_role("tab", name="Train").click()
    expect(page.locator("#ti_monitor")).to_contain_text("No training yet", timeout=SOON)
    expect(badge(page)).to_be_hidden()
