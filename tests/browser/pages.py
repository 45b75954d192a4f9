"""The steps that tests take on the page, and the elements that they look up."""

from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.browser.studio import Studio
from tests.checkpoints import demo_side

SOON = 20_000
"""Milliseconds for what needs no model, on a machine that is busy."""
PATIENCE = 150_000
"""Milliseconds for what loads a model or trains."""


def open_studio(page: Page, studio: Studio, tab: str = "txt2img") -> Page:
    """Opens the page at a tab and waits until its modules have drawn their parts."""
    page.goto(studio.url)
    expect(page.locator("#ti_prompt textarea")).to_be_visible(timeout=60_000)
    expect(page.get_by_role("spinbutton", name="number input for Width").first).to_have_value(
        str(demo_side()), timeout=SOON
    )
    expect(page.locator("#ti_cards input[type=search]")).to_be_attached(timeout=SOON)
    if tab != "txt2img":
        page.get_by_role("tab", name=tab).click()
    if tab == "Train":
        expect(page.locator("#ti_job_actions button").first).to_be_visible(timeout=SOON)
    return page


def control(page: Page, elem_id: str) -> Locator:
    """Returns the input box of a control."""
    return page.locator(f"#{elem_id}").locator("textarea, input[type=text], input[type=number]").first


def fill(page: Page, elem_id: str, text: str) -> None:
    """Types a text into a control and leaves it."""
    box = control(page, elem_id)
    box.fill(text)
    box.blur()


def fill_training(page: Page, name: str, dataset: Path | str, *, max_steps: int = 40, preview_every: int = 0) -> None:
    """Fills in the Train tab for a training without validations, which makes all its steps."""
    expect(page.get_by_role("button", name="Train Embedding")).to_be_enabled(timeout=SOON)
    fill(page, "ti_name", name)
    fill(page, "ti_initialization_text", "triangle")
    fill(page, "ti_dataset_directory", str(dataset))
    fill(page, "ti_batch_size", "1")
    fill(page, "ti_max_steps", str(max_steps))
    fill(page, "ti_save_every", "0")
    fill(page, "ti_preview_every", str(preview_every))
    fill(page, "ti_preview_count", "1")
    advanced(page, "validation_every", "0")
    advanced(page, "patience", "0")
    page.locator("#ti_keep_best input").uncheck()


def advanced(page: Page, field: str, text: str) -> None:
    """Types a text into a control of the Train tab's Advanced section."""
    if control(page, f"ti_{field}").is_hidden():
        page.locator("#ti_advanced > button").click()
    expect(control(page, f"ti_{field}")).to_be_visible(timeout=SOON)
    fill(page, f"ti_{field}", text)


def badge(page: Page) -> Locator:
    """Returns the badge with the training's state in the monitor."""
    return page.locator("#ti_monitor .ti-head .ti-badge")


def open_cards(page: Page) -> None:
    """Opens the extra-networks picker."""
    if page.locator("#ti_cards").is_hidden():
        page.get_by_role("button", name="Extra networks").click()
    expect(page.locator("#ti_cards")).to_be_visible()


def card(page: Page, word: str) -> Locator:
    """Returns the card of an embedding that can be used."""
    return page.locator("#ti_cards button.ti-card").filter(has=page.get_by_text(word, exact=True))


def prompt(page: Page) -> Locator:
    """Returns the prompt box."""
    return page.locator("#ti_prompt textarea")


def negative_prompt(page: Page) -> Locator:
    """Returns the negative prompt box."""
    return page.locator("#ti_negative_prompt textarea")


def infotext(page: Page) -> Locator:
    """Returns the box with a picture's generation parameters."""
    return page.locator("#ti_infotext textarea")


def generate(page: Page, *, steps: int = 3) -> None:
    """Generates a picture in a few steps and waits for it."""
    page.get_by_role("spinbutton", name="number input for Sampling steps").fill(str(steps))
    page.get_by_role("button", name="Generate", exact=True).click()
    expect(page.locator(".ti-progress")).to_contain_text("1 picture in", timeout=PATIENCE)
    expect(page.get_by_role("button", name="Generate", exact=True)).to_be_visible(timeout=SOON)


def toast(page: Page) -> Locator:
    """Returns the pop-up with an error message."""
    return page.get_by_test_id("toast-body")
