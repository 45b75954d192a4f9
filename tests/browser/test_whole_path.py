"""From a folder of pictures to a picture of the new word, in a real browser, with the real server and trainer."""

import io
import re
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.pages import (
    PATIENCE,
    SOON,
    badge,
    card,
    fill_training,
    generate,
    infotext,
    open_cards,
    open_studio,
    prompt,
)
from tests.browser.studio import Studio
from tests.checkpoints import demo_side


def test_a_word_is_trained_stopped_resumed_finished_and_used_by_its_card(
    page: Page, studio: Studio, drawings: Path
) -> None:
    open_studio(page, studio, "Train")
    fill_training(page, "bluetent7", drawings, max_steps=60, preview_every=10)
    expect(page.locator(".ti-summary")).to_contain_text("6 pictures, 1 file can't be used:", timeout=PATIENCE)
    expect(page.locator(".ti-summary")).to_contain_text("notes.pdf: is not a picture")

    page.get_by_role("button", name="Train Embedding").click()
    expect(badge(page)).to_have_text("running", timeout=PATIENCE)
    expect(page.locator("#ti_monitor")).to_contain_text("60")
    expect(page.locator(".ti-plot-smooth")).to_have_attribute("d", _several_points(), timeout=PATIENCE)
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(badge(page)).to_have_text("stopped", timeout=PATIENCE)
    stopped_at = studio.get("jobs/current")["job"]["step"]
    assert 0 < stopped_at < 60
    assert not (studio.embeddings / "bluetent7.safetensors").exists()

    page.get_by_role("button", name="Resume").click()
    expect(badge(page)).to_have_text("finished", timeout=PATIENCE)
    expect(page.locator("#ti_monitor")).to_contain_text("Step 60 / 60")
    expect(page.locator("#ti_monitor")).to_contain_text(f"Saved as {studio.embeddings / 'bluetent7.safetensors'}")
    expect(page.get_by_role("heading", name="Previews at step 60")).to_be_visible()
    expect(page.locator(".ti-facts dt", has_text="Smoothed loss")).to_be_visible()
    expect(page.locator(".ti-facts dt", has_text="Validation loss")).to_be_hidden()
    preview = page.locator(".ti-preview img").first
    expect(preview).to_have_js_property("complete", True)
    assert preview.evaluate("image => image.naturalWidth") == demo_side()

    page.get_by_role("tab", name="txt2img").click()
    prompt(page).fill("a photo of")
    open_cards(page)
    new = card(page, "bluetent7")
    expect(new).to_contain_text("2 vectors · step 60", timeout=SOON)
    assert new.locator("img").evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    new.click()
    expect(prompt(page)).to_have_value("a photo of bluetent7")
    expect(new).to_have_attribute("aria-pressed", "true")
    generate(page)
    expect(infotext(page)).to_have_value(_text("a photo of bluetent7\n", 'TI hashes: "bluetent7:'))

    image = page.locator("#ti_gallery img").first
    saved = Image.open(io.BytesIO(page.request.get(image.get_attribute("src") or "").body()))
    assert saved.text["parameters"] == infotext(page).input_value()  # type: ignore[attr-defined]


def test_a_training_survives_a_reload_of_the_page_and_a_restart_of_the_server(
    page: Page, own_studio: Callable[..., Studio], drawings: Path
) -> None:
    studio = own_studio()
    open_studio(page, studio, "Train")
    fill_training(page, "steadfast", drawings, max_steps=100_000)
    page.get_by_role("button", name="Train Embedding").click()
    expect(badge(page)).to_have_text("running", timeout=PATIENCE)

    open_studio(page, studio, "Train")
    expect(page.get_by_role("heading", name="steadfast")).to_be_visible(timeout=SOON)
    expect(badge(page)).to_have_text("running")
    before = studio.get("jobs/current")["job"]

    assert studio.stop() == 0
    expect(page.locator("#ti_monitor")).to_contain_text("The server does not answer", timeout=SOON)
    studio.start()
    after = studio.get("jobs/current")["job"]
    assert (after["id"], after["status"]) == (before["id"], "running")
    assert after["step"] > before["step"]
    # Gradio loads the page anew when it meets another server, and then shows its first tab.
    expect(page.get_by_text("The server does not answer")).to_have_count(0, timeout=SOON)

    open_studio(page, studio, "Train")
    fill_training(page, "second", drawings, max_steps=5)
    page.get_by_role("button", name="Train Embedding").click()
    expect(page.locator("#ti_train_status")).to_contain_text(
        "Another training runs. second waits as number 1", timeout=SOON
    )
    expect(page.locator(".ti-jobs")).to_contain_text("queued, number 1", timeout=SOON)
    expect(page.get_by_role("heading", name="steadfast")).to_be_visible()


def _several_points() -> "re.Pattern[str]":
    return re.compile(r"^M[^L]+(L[^L]+){3,}$")


def _text(*parts: str) -> "re.Pattern[str]":
    return re.compile(".*".join(re.escape(part) for part in parts), re.DOTALL)
