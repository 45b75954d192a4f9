"""The extra-networks picker in a real browser."""

import hashlib
import re
import shutil
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Page, expect

from tests.browser.pages import (
    PATIENCE,
    SOON,
    card,
    generate,
    infotext,
    negative_prompt,
    open_cards,
    open_studio,
    prompt,
)
from tests.browser.studio import Studio
from tests.checkpoints import demo_width
from ti_studio.embeddings.embedding import Embedding
from ti_studio.embeddings.formats.files import write_embedding

HOSTILE = "<img src=x onerror=window.hacked=1> & \"b\" 'c'"


def drop(studio: Studio, word: str, *, width: int | None = None, vectors: int = 1, step: int | None = None) -> Path:
    """Puts a random embedding into the running studio's folder."""
    rows = torch.randn(vectors, width or demo_width(), generator=torch.Generator().manual_seed(len(word))) * 0.02
    path = studio.embeddings / f"{word}.safetensors"
    write_embedding(Embedding(name=word, vectors={"clip_l": rows}, step=step), path)
    return path


def test_a_new_file_is_usable_while_the_server_runs_and_keeps_working_when_renamed(page: Page, studio: Studio) -> None:
    open_studio(page, studio)
    open_cards(page)
    path = drop(studio, "dropped-in", vectors=3, step=700)
    page.locator("#ti_cards").get_by_role("button", name="Refresh").click()
    expect(card(page, "dropped-in")).to_contain_text("3 vectors · step 700", timeout=SOON)
    card(page, "dropped-in").click()
    generate(page)
    expect(infotext(page)).to_have_value(_has_hash_of("dropped-in"))

    path.rename(path.with_name("re-named.safetensors"))
    page.locator("#ti_cards").get_by_role("button", name="Refresh").click()
    expect(card(page, "re-named")).to_be_visible(timeout=SOON)
    expect(card(page, "dropped-in")).to_have_count(0)
    prompt(page).fill("a photo of re-named and dropped-in")
    generate(page)
    expect(infotext(page)).to_have_value(_has_hash_of("re-named"))
    assert "dropped-in:" not in infotext(page).input_value()


def test_a_second_click_removes_only_the_word(page: Page, studio: Studio) -> None:
    for word in ("owl", "owl-night"):
        drop(studio, word)
    open_studio(page, studio)
    open_cards(page)
    prompt(page).fill("owl-night, an owlet, (owl:1.2), at dusk")
    expect(card(page, "owl")).to_have_attribute("aria-pressed", "true", timeout=SOON)
    expect(card(page, "owl-night")).to_have_attribute("aria-pressed", "true")
    card(page, "owl").click()
    expect(prompt(page)).to_have_value("owl-night, an owlet, at dusk")
    expect(card(page, "owl")).to_have_attribute("aria-pressed", "false")
    expect(card(page, "owl-night")).to_have_attribute("aria-pressed", "true")


def test_the_picker_is_no_higher_than_its_cards(page: Page, studio: Studio) -> None:
    for number in range(30):
        drop(studio, f"roomy-{number}")
    drop(studio, "lonely")
    open_studio(page, studio)
    open_cards(page)
    search, panel = page.locator("#ti_cards input[type=search]"), page.locator("#ti_cards .ti-cards")
    search.fill("roomy")
    expect(card(page, "roomy-0")).to_be_visible(timeout=SOON)
    full = panel.bounding_box()

    search.fill("lonely")

    expect(page.locator("#ti_cards .ti-card")).to_have_count(1)
    single, lonely = panel.bounding_box(), card(page, "lonely").bounding_box()
    assert full is not None and single is not None and lonely is not None
    assert full["height"] > 2 * lonely["height"] > single["height"] >= lonely["height"]

    search.fill("roomy")

    expect(card(page, "roomy-0")).to_be_visible()
    again = panel.bounding_box()
    assert again == full


def test_the_word_is_inserted_at_the_caret_of_the_last_focused_prompt(page: Page, studio: Studio) -> None:
    drop(studio, "caretword")
    open_studio(page, studio)
    open_cards(page)
    prompt(page).fill("a photo of on a beach")
    prompt(page).evaluate("box => box.setSelectionRange(10, 10)")
    prompt(page).press("Shift")
    card(page, "caretword").click()
    expect(prompt(page)).to_have_value("a photo of caretword on a beach")

    negative_prompt(page).fill("blurry")
    card(page, "caretword").click()
    expect(negative_prompt(page)).to_have_value("blurry caretword")
    expect(prompt(page)).to_have_value("a photo of caretword on a beach")
    expect(card(page, "caretword")).to_contain_text("in the prompt and in the negative prompt")
    page.get_by_role("button", name="Generate", exact=True).press("Control+Enter")
    expect(infotext(page)).to_have_value(_has_text("Negative prompt: blurry caretword"), timeout=PATIENCE)


def test_an_unusable_card_is_greyed_with_the_reason_and_can_not_be_clicked(page: Page, studio: Studio) -> None:
    drop(studio, "toowide", width=768)
    (studio.embeddings / "broken-one.safetensors").write_bytes(b"no embedding")
    open_studio(page, studio)
    open_cards(page)
    greyed = page.locator("#ti_cards div.ti-card")
    for word, reason in (("toowide", "768"), ("broken-one", "Unreadable")):
        page.get_by_role("searchbox").fill(word)
        expect(greyed.filter(has_text=word)).to_contain_text(reason, timeout=SOON)
    page.get_by_role("searchbox").fill("toowide")
    greyed.filter(has_text="toowide").click()
    expect(prompt(page)).to_have_value("")


def test_the_second_of_two_files_with_the_same_word_is_used_by_its_path(page: Page, studio: Studio) -> None:
    (studio.embeddings / "sub").mkdir(exist_ok=True)
    shutil.move(drop(studio, "twice"), studio.embeddings / "sub" / "twice.safetensors")
    drop(studio, "twice", vectors=2)
    open_studio(page, studio)
    open_cards(page)
    page.get_by_role("searchbox").fill("twice")
    second = page.locator("#ti_cards button.ti-card-shadowed")
    expect(second).to_contain_text("taken by sub/twice.safetensors", timeout=SOON)
    second.click()
    expect(prompt(page)).to_have_value("<embedding:twice.safetensors>")
    expect(second).to_have_attribute("aria-pressed", "true")
    first = page.locator("#ti_cards button.ti-card:not(.ti-card-shadowed)")
    expect(first).to_have_attribute("aria-pressed", "false")
    generate(page)
    digest = hashlib.sha256((studio.embeddings / "twice.safetensors").read_bytes()).hexdigest()
    expect(infotext(page)).to_have_value(_has_text(digest[:12]))
    second.click()
    expect(prompt(page)).to_have_value("")


def test_the_search_filters_the_cards_while_typing(page: Page, studio: Studio) -> None:
    drop(studio, "needle-7")
    drop(studio, "haystack")
    open_studio(page, studio)
    open_cards(page)
    expect(card(page, "haystack")).to_be_visible(timeout=SOON)
    page.get_by_role("searchbox").press_sequentially("NEED")
    expect(card(page, "needle-7")).to_be_visible()
    expect(card(page, "haystack")).to_have_count(0)
    page.get_by_role("searchbox").fill("no such word anywhere")
    expect(page.locator("#ti_cards .ti-note")).to_contain_text("embeddings matches")


def test_the_cards_are_opened_and_used_by_keyboard(page: Page, studio: Studio) -> None:
    drop(studio, "keyword-1")
    open_studio(page, studio)
    button = page.get_by_role("button", name="Extra networks")
    button.press("Enter")
    expect(button).to_have_attribute("aria-expanded", "true")
    page.get_by_role("searchbox").fill("keyword-1")
    card(page, "keyword-1").press("Enter")
    expect(prompt(page)).to_have_value("keyword-1")
    card(page, "keyword-1").press("Space")
    expect(prompt(page)).to_have_value("")
    button.press("Enter")
    expect(page.locator("#ti_cards")).to_be_hidden()


@pytest.mark.skipif("sys.platform == 'win32'", reason="no file can have such a name there")
def test_hostile_names_are_shown_as_text(page: Page, studio: Studio) -> None:
    shutil.move(drop(studio, "harmless"), studio.embeddings / f"{HOSTILE}.safetensors")
    open_studio(page, studio)
    open_cards(page)
    hostile = page.locator("#ti_cards .ti-card").filter(has=page.get_by_text(HOSTILE, exact=True))
    expect(hostile).to_be_visible(timeout=SOON)
    assert hostile.locator("img").count() == 0
    hostile.click()
    expect(prompt(page)).to_have_value(HOSTILE)
    generate(page)
    expect(infotext(page)).to_have_value(_has_text(HOSTILE))
    assert page.evaluate("window.hacked") is None


def _has_hash_of(word: str) -> "re.Pattern[str]":
    return re.compile(rf'TI hashes: "[^"]*{re.escape(word)}: [0-9a-f]{{12}}')


def _has_text(text: str) -> "re.Pattern[str]":
    return re.compile(re.escape(text))
