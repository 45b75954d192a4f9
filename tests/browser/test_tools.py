"""The Embeddings tab in a real browser: selection, inspection, conversion, merging and softening."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Locator, Page, expect

from tests.browser.pages import PATIENCE, SOON, card, open_cards, open_studio
from tests.browser.studio import Studio
from tests.checkpoints import demo_width
from ti_studio.embeddings.embedding import Embedding
from ti_studio.embeddings.formats.files import read_embedding, write_embedding

LONG = "a-long-name-" * 7
MARKUP = "<img src=x onerror=window.hacked=1>"


def put(studio: Studio, word: str, value: float, width: int | None = None) -> None:
    """Puts an embedding of two vectors into the running studio's folder."""
    metadata = {"ti_studio.request": '{"max_steps": 400}', "note": MARKUP, MARKUP: "x"}
    rows = torch.full((2, width or demo_width()), value)
    write_embedding(Embedding(word, {"clip_l": rows}, 250, metadata), studio.embeddings / f"{word}.safetensors")


def choose(page: Page, word: str) -> None:
    """Adds an embedding by typing a part of its name."""
    box = page.get_by_role("combobox", name="Add an embedding")
    box.fill(word)
    expect(page.locator("#ti_search_results li[aria-selected=true]")).to_contain_text(word, timeout=SOON)
    box.press("Enter")
    expect(chosen(page, word)).to_be_visible()


def chosen(page: Page, word: str) -> Locator:
    return page.locator("#ti_tools .ti-selected li").filter(has=page.get_by_text(word, exact=True))


def panel(page: Page) -> Locator:
    return page.get_by_role("region", name="Inspection")


def test_an_embedding_is_inspected_and_its_metadata_is_never_markup(page: Page, studio: Studio) -> None:
    put(studio, "looked-into", 0.02)
    put(studio, "of-another-kind", 0.02, width=768)
    open_studio(page, studio, "Embeddings")
    choose(page, "looked-into")
    expect(panel(page)).to_contain_text("250", timeout=SOON)
    expect(panel(page).locator("tbody tr")).to_have_count(2)
    expect(panel(page).locator("tbody tr").first.locator(".ti-neighbour")).to_have_count(5, timeout=PATIENCE)
    for title, text in (("What the file says", MARKUP), ("Training request", "400")):
        panel(page).locator("summary", has_text=title).click()
        expect(panel(page).locator("details[open] dd", has_text=text).first).to_be_visible()
    choose(page, "of-another-kind")
    expect(panel(page)).to_contain_text("Expected a checkpoint of its kind", timeout=PATIENCE)
    assert page.evaluate("window.hacked") is None


def test_an_embedding_is_downloaded_and_saved_under_a_new_name(page: Page, studio: Studio, tmp_path: Path) -> None:
    put(studio, "to-convert", 0.25)
    open_studio(page, studio, "Embeddings")
    expect(page.get_by_role("button", name="Download")).to_be_disabled()
    choose(page, "to-convert")
    page.get_by_label("Format").select_option("png")
    expect(page.get_by_role("button", name="Save to the library")).to_be_visible()
    page.get_by_label("Format").select_option("diffusers")
    expect(page.get_by_role("button", name="Save to the library")).to_be_hidden()
    page.get_by_label("Format").select_option("png")
    with page.expect_download(timeout=SOON) as download:
        page.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename == "to-convert.png"
    download.value.save_as(tmp_path / "card.png")
    assert torch.equal(read_embedding(tmp_path / "card.png").vectors["clip_l"], torch.full((2, demo_width()), 0.25))

    page.get_by_label("Format").select_option("pt")
    page.get_by_role("button", name="Save to the library").click()
    expect(page.locator("#ti_tools").get_by_role("alert")).to_contain_text(
        "is taken by to-convert.safetensors", timeout=SOON
    )
    page.get_by_label("Name", exact=True).fill("converted-once")
    page.get_by_role("button", name="Save to the library").click()
    expect(chosen(page, "converted-once")).to_be_visible(timeout=SOON)
    assert torch.equal(
        read_embedding(studio.embeddings / "converted-once.pt").vectors["clip_l"], torch.full((2, demo_width()), 0.25)
    )


def test_a_switch_leaves_the_metadata_out_of_new_files(page: Page, studio: Studio, tmp_path: Path) -> None:
    put(studio, "to-share", 0.25)
    open_studio(page, studio, "Embeddings")
    choose(page, "to-share")
    for name, described in (("shared-whole", True), ("shared-bare", False)):
        switch = page.get_by_label("Say in new files how they were made")
        switch.set_checked(described)
        expect(switch).to_have_css("appearance", "auto")  # Gradio's own style shows no tick
        with page.expect_download(timeout=SOON) as download:
            page.get_by_role("button", name="Download").click()
        download.value.save_as(tmp_path / f"{name}.safetensors")
        page.get_by_label("Name", exact=True).fill(name)
        page.get_by_role("button", name="Save to the library").click()
        expect(chosen(page, name)).to_be_visible(timeout=SOON)
        chosen(page, "to-share").get_by_text("to-share", exact=True).click()
        for folder in (studio.embeddings, tmp_path):
            metadata = read_embedding(folder / f"{name}.safetensors").metadata
            assert ("ti_studio.request" in metadata) is described
        page.get_by_label("Name", exact=True).fill("")


def test_embeddings_are_merged_and_the_new_card_appears_immediately(page: Page, studio: Studio) -> None:
    put(studio, "merge-one", 0.1)
    put(studio, "merge-two", 0.3)
    open_studio(page, studio)
    open_cards(page)
    page.get_by_role("tab", name="Embeddings").click()
    choose(page, "merge-one")
    expect(page.get_by_role("button", name="Merge", exact=True)).to_be_disabled()
    choose(page, "merge-two")
    page.get_by_label("How", exact=True).select_option("average")
    page.get_by_label("Weight of merge-one").fill("2")
    page.get_by_label("Weight of merge-two").fill("-1")
    page.get_by_label("Name of the new word").fill("merged-word")
    page.get_by_role("button", name="Merge", exact=True).click()
    expect(chosen(page, "merged-word")).to_be_visible(timeout=SOON)
    expect(panel(page).get_by_role("heading")).to_have_text("merged-word", timeout=SOON)
    merged = read_embedding(studio.embeddings / "merged-word.safetensors")
    assert merged.vectors["clip_l"][0, 0].item() == pytest.approx(2 * 0.1 - 0.3, abs=1e-6)
    page.get_by_role("tab", name="txt2img").click()
    expect(card(page, "merged-word")).to_be_visible(timeout=SOON)

    page.get_by_role("tab", name="Embeddings").click()
    page.get_by_label("How", exact=True).select_option("slerp")
    expect(page.get_by_role("button", name="Merge", exact=True)).to_be_disabled()
    page.get_by_role("button", name="Leave out merged-word").click()
    expect(page.get_by_role("button", name="Merge", exact=True)).to_be_enabled()
    expect(panel(page).get_by_role("heading")).to_have_text("merge-two", timeout=SOON)


def test_nothing_overflows_a_narrow_dark_page(open_page: Callable[..., Page], studio: Studio) -> None:
    put(studio, LONG, 0.1)
    page = open_studio(open_page(dark=True, width=420), studio, "Embeddings")
    choose(page, LONG)
    expect(panel(page).locator(".ti-neighbour").first).to_be_visible(timeout=PATIENCE)
    assert page.evaluate("document.documentElement.scrollWidth") <= 420
    assert re.fullmatch(r"rgb\(.*\)", page.evaluate("getComputedStyle(document.querySelector('#ti_tools h2')).color"))


def test_a_word_is_previewed_at_five_strengths_and_softened(page: Page, studio: Studio) -> None:
    put(studio, "too-strong", 0.9)
    open_studio(page, studio, "Embeddings")
    tools = page.locator("#ti_tools")
    soften = tools.get_by_role("button", name="Soften", exact=True)
    expect(soften).to_be_disabled()
    choose(page, "too-strong")
    tools.get_by_role("button", name="Previews").click()
    expect(tools.get_by_role("alert")).to_contain_text("Expected a class word", timeout=PATIENCE)
    tools.get_by_label("Class word").fill("star")
    tools.get_by_role("button", name="Previews").click()
    strengths = tools.get_by_role("group", name="Previews of the strengths").get_by_role("button")
    expect(strengths).to_have_count(5, timeout=PATIENCE)
    tools.get_by_role("button", name="Strength 0.5").press("Enter")
    expect(tools.get_by_role("button", name="Strength 0.5")).to_have_attribute("aria-pressed", "true")
    expect(tools.get_by_label("Strength", exact=True)).to_have_value("0.5")
    tools.get_by_label("Name of the softened word").fill("softer")
    soften.click()
    expect(tools.get_by_text("softer.safetensors is in the library.")).to_be_visible(timeout=PATIENCE)
    rows = read_embedding(studio.embeddings / "softer.safetensors").vectors["clip_l"]
    assert (rows.norm(dim=-1) < 0.9 * demo_width() ** 0.5).all()
    expect(chosen(page, "softer")).to_be_visible()
