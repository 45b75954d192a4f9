"""Prompts on the page: token counters, completion of names, and reading infotexts."""

from pathlib import Path

import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from playwright.sync_api import Locator, Page, expect

from tests.browser.pages import SOON, control, open_studio
from tests.browser.studio import Studio
from tests.checkpoints import demo_width
from ti_studio.embeddings.embedding import Embedding
from ti_studio.embeddings.formats.files import file_sha256, write_embedding


def keep(studio: Studio, word: str, vectors: int = 2) -> Path:
    """Puts an embedding that fits the demo checkpoint into the library."""
    path = studio.embeddings / f"{word}.safetensors"
    write_embedding(Embedding(word, {"clip_l": torch.randn(vectors, demo_width())}), path)
    return path


def prompt(page: Page) -> Locator:
    return control(page, "ti_prompt")


def counter(page: Page, box: str = "ti_prompt") -> Locator:
    return page.locator(f"#{box} .ti-tokens")


def test_the_counters_follow_the_typing_and_count_an_embeddings_vectors(page: Page, studio: Studio) -> None:
    keep(studio, "count-five", vectors=5)
    open_studio(page, studio)

    prompt(page).press_sequentially("a tree")
    expect(counter(page)).to_have_text("2/75", timeout=SOON)
    place = counter(page).bounding_box()
    assert place is not None
    x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
    assert page.evaluate("([x, y]) => document.elementFromPoint(x, y).className", [x, y]) == "ti-tokens"
    prompt(page).press_sequentially(" <embedding:count-five> BREAK b")
    expect(counter(page)).to_have_text("76/150", timeout=SOON)
    control(page, "ti_negative_prompt").fill("blur, [bad:ugly nasty:0.5]")
    expect(counter(page, "ti_negative_prompt")).to_have_text("4/75", timeout=SOON)


def test_names_are_completed_by_keyboard(page: Page, studio: Studio) -> None:
    for word in ("quokka-a", "quokka-b", "my quokka (2)"):
        keep(studio, word)
    open_studio(page, studio)
    options = page.locator("#ti_completions li")
    prompt(page).press_sequentially("a photo of quok")

    expect(options).to_have_count(3, timeout=SOON)
    prompt(page).press("ArrowDown")
    expect(options.nth(1)).to_have_attribute("aria-selected", "true")
    prompt(page).press("Enter")
    expect(prompt(page)).to_have_value("a photo of quokka-b")
    expect(page.locator("#ti_completions")).to_be_hidden()

    prompt(page).press_sequentially(", quok")
    prompt(page).press("ArrowUp")
    prompt(page).press("Tab")
    expect(prompt(page)).to_have_value("a photo of quokka-b, <embedding:my quokka (2)>")
    prompt(page).press_sequentially(" <embedding:quo")
    expect(options).to_have_count(3)
    prompt(page).press("Escape")
    expect(page.locator("#ti_completions")).to_be_hidden()
    expect(prompt(page)).to_have_value("a photo of quokka-b, <embedding:my quokka (2)> <embedding:quo")


def test_names_are_completed_by_click_but_not_during_text_composition(page: Page, studio: Studio) -> None:
    keep(studio, "wombat-style")
    open_studio(page, studio)
    prompt(page).focus()
    prompt(page).evaluate("box => box.dispatchEvent(new InputEvent('input', { bubbles: true, isComposing: true }))")
    expect(page.locator("#ti_completions")).to_be_hidden()
    prompt(page).press_sequentially("wom")

    page.locator("#ti_completions li", has_text="wombat-style").click()

    expect(prompt(page)).to_have_value("wombat-style")
    expect(prompt(page)).to_be_focused()


def test_a_pasted_infotext_fills_in_the_form_and_reports_embeddings_that_differ(page: Page, studio: Studio) -> None:
    digest = file_sha256(keep(studio, "numbat-new"))[:12]
    open_studio(page, studio)
    prompt(page).fill(
        "a numbat-old\nNegative prompt: blur\nSteps: 7, Sampler: Euler a, CFG scale: 3.5, Seed: 99, Size: 64x64, "
        f'TI hashes: "numbat-old: {digest}"'
    )

    page.get_by_role("button", name="Read generation parameters from the prompt").click()

    expect(prompt(page)).to_have_value("a numbat-old", timeout=SOON)
    expect(control(page, "ti_negative_prompt")).to_have_value("blur")
    expect(control(page, "ti_seed")).to_have_value("99")
    expect(page.locator("#ti_steps input[type=number]")).to_have_value("7")
    expect(page.locator("#ti_progress")).to_contain_text(
        "The embedding numbat-old is not there; numbat-new.safetensors is the same file under another name."
    )


def test_a_picture_dropped_on_the_prompt_is_read(page: Page, studio: Studio, tmp_path: Path) -> None:
    information = PngInfo()
    information.add_text("parameters", "a dropped tree\nSteps: 9, Sampler: DDIM, CFG scale: 2, Seed: 5, Size: 64x64")
    path = tmp_path / "picture.png"
    Image.new("RGB", (8, 8)).save(path, pnginfo=information)
    open_studio(page, studio)
    dropped = page.evaluate_handle(
        """bytes => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], "picture.png", { type: "image/png" }));
            return data;
        }""",
        list(path.read_bytes()),
    )

    page.locator("#ti_prompt").dispatch_event("drop", {"dataTransfer": dropped})

    expect(prompt(page)).to_have_value("a dropped tree", timeout=SOON)
    expect(control(page, "ti_seed")).to_have_value("5")


def test_a_picture_without_an_infotext_is_refused_with_a_message(page: Page, studio: Studio, tmp_path: Path) -> None:
    path = tmp_path / "plain.png"
    Image.new("RGB", (8, 8)).save(path)
    open_studio(page, studio)

    page.locator("#ti_open_picture").locator("xpath=..").locator("input[type=file]").set_input_files(path)

    expect(page.get_by_text("The picture does not say how it was made")).to_be_visible(timeout=SOON)
