"""The picker with more cards than a page can hold: virtual scrolling, search, sorting and keyboard navigation."""

import os
import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.pages import SOON, generate, open_cards, open_studio, prompt
from tests.browser.studio import Studio
from tests.browser.test_cards import drop

MANY = 1500


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A studio with 1,500 embeddings in three folders, of different dates, and one that does not fit."""
    studio = Studio(tmp_path_factory.mktemp("large"))
    studio.embeddings.mkdir(parents=True)
    content = drop(studio, "template").read_bytes()
    now = time.time()
    for number in range(MANY):
        folder = studio.embeddings / ("birds", "birds/small", "trees")[number % 3]
        folder.mkdir(exist_ok=True)
        path = folder / f"word{number}.safetensors"
        path.write_bytes(content)
        os.utime(path, (now - number, now - number))
    time.sleep(0.05)  # A file system's times advance in ticks, up to 10 ms: misfit is to be the youngest by its own.
    drop(studio, "misfit", width=768)
    (studio.embeddings / "trees" / "word2.json").write_text('{"description": "a mossy trunk", "tags": ["green"]}')
    studio.start()
    yield studio
    studio.end()


@pytest.fixture(scope="module")
def picker(browser: Browser, large: Studio) -> Iterator[Page]:
    """The page with the picker open and complete; these tests share it."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    open_studio(page, large)
    open_cards(page)
    expect(note(page)).to_have_text(f"{MANY + 2} of {MANY + 2}", timeout=SOON)
    yield page
    context.close()


@pytest.fixture(autouse=True)
def all_cards(picker: Page) -> None:
    """Resets the picker to all cards by path before each test."""
    picker.get_by_role("searchbox").fill("")
    picker.get_by_label("Sort by").select_option("path")
    if picker.locator(".ti-sort-direction").inner_text() == "↓":
        picker.locator(".ti-sort-direction").click()
    picker.locator(".ti-breadcrumbs").get_by_role("button", name="All").click()


def note(page: Page):  # type: ignore[no-untyped-def]
    """Returns the line with the count of matching cards."""
    return page.locator("#ti_cards .ti-note")


def words(page: Page) -> list[str]:
    """Returns the words of the cards in the page, in order."""
    cells = page.locator("#ti_cards .ti-card-cell")
    numbered = cells.evaluate_all(
        "cells => cells.map(cell => [+cell.ariaPosInSet, cell.querySelector('strong').textContent])"
    )
    return [word for _, word in sorted(numbered)]


def test_only_cards_near_the_viewport_are_in_the_page(picker: Page) -> None:
    grid = picker.locator("#ti_cards .ti-cards")
    assert words(picker)[:3] == ["word1", "word4", "word7"]
    assert 10 < len(words(picker)) < 100
    grid.evaluate("grid => { grid.scrollTop = grid.scrollHeight; }")
    expect(picker.locator("#ti_cards").get_by_text("word1499", exact=True)).to_be_visible()
    assert len(words(picker)) < 100
    assert "word1" not in words(picker)
    last = picker.locator("#ti_cards [aria-posinset]").last
    assert last.get_attribute("aria-setsize") == str(MANY + 2)


def test_cards_are_sorted_both_ways(picker: Page) -> None:
    for sort, first, last in (
        ("name", "misfit", "word1499"),
        ("modified", "word1499", None),
        ("created", "template", "misfit"),
    ):
        picker.get_by_label("Sort by").select_option(sort)
        assert words(picker)[0] == first, sort
        picker.locator(".ti-sort-direction").click()
        assert last is None or words(picker)[0] == last, sort
        picker.locator(".ti-sort-direction").click()


def test_the_last_used_embedding_comes_first(picker: Page, large: Studio) -> None:
    prompt(picker).fill("a word700, word20")
    generate(picker)
    picker.locator("#ti_cards").get_by_role("button", name="Refresh").click()
    picker.get_by_label("Sort by").select_option("used")
    picker.locator(".ti-sort-direction").click()
    expect(picker.locator("[aria-posinset='1'] strong")).to_have_text("word20", timeout=SOON)
    assert set(words(picker)[:2]) == {"word700", "word20"}
    prompt(picker).fill("")


def test_search_matches_names_folders_descriptions_tags_families_and_misspellings(picker: Page) -> None:
    search = picker.get_by_role("searchbox")
    for typed, first, count in (
        ("word77", "word77", None),
        ("mossy", "word2", 1),
        ("GREEN trunk", "word2", 1),
        ("trees word1", "word1", None),
        ("small", "word1", 500),
        ("sd word12", "word12", None),
        ("wrod1234", "word1234", 1),
        ("wod1234", "word1234", 1),
        ("wordd1234", "word1234", 1),
        ("misfti", "misfit", 1),
        ("no such thing", None, 0),
    ):
        search.fill(typed)
        matching = words(picker)
        assert (matching[:1] or [None])[0] == first or typed == "trees word1", typed
        assert count is None or note(picker).inner_text().startswith((f"{count} of", "None of")), typed


def test_folders_are_selected_in_the_tree_and_in_the_breadcrumbs(picker: Page) -> None:
    tree = picker.locator("#ti_cards .ti-tree")
    expect(tree.get_by_role("button", name="birds 1000")).to_be_visible()
    tree.get_by_role("button", name="Folders in birds").click()
    tree.get_by_role("button", name="small 500").click()
    expect(note(picker)).to_have_text(f"500 of {MANY + 2}")
    assert words(picker)[0] == "word1"
    crumbs = picker.locator("#ti_cards .ti-breadcrumbs")
    expect(crumbs).to_have_text("Allbirdssmall")
    crumbs.get_by_role("button", name="birds").click()
    expect(note(picker)).to_have_text(f"1000 of {MANY + 2}")


def test_embeddings_that_do_not_fit_can_be_hidden(picker: Page) -> None:
    picker.get_by_label("fits").check()
    expect(note(picker)).to_have_text(f"{MANY + 1} of {MANY + 2}")
    picker.get_by_label("fits").uncheck()
    expect(note(picker)).to_have_text(f"{MANY + 2} of {MANY + 2}")


def test_the_cards_are_refreshed_for_another_checkpoint(picker: Page) -> None:
    with picker.expect_request("**/ti/cards?limit=100000", timeout=SOON):
        picker.locator("#ti_checkpoint input").click()
        picker.get_by_role("option", name="demo").click()


def test_cards_are_navigated_and_used_by_keyboard_alone(picker: Page) -> None:
    picker.locator("body").press("/")
    search = picker.get_by_role("searchbox")
    expect(search).to_be_focused()
    search.press_sequentially("word5")
    search.press("Enter")
    expect(prompt(picker)).to_have_value("word5")
    search.press("Enter")
    expect(prompt(picker)).to_have_value("")
    search.press("Escape")
    expect(search).to_have_value("")
    search.press("ArrowDown")
    focused = picker.locator("#ti_cards .ti-card:focus strong")
    expect(focused).to_have_text("word1")
    focused.press("ArrowRight")
    expect(focused).to_have_text("word4")
    focused.press("End")
    expect(focused).to_have_text("word1499")
    focused.press("PageUp")
    focused.press("Home")
    focused.press("ArrowRight")
    focused.press("Enter")
    expect(prompt(picker)).to_have_value("word4")
    focused.press("Space")
    expect(picker.locator("#ti_card_details")).to_contain_text("birds/small/word4.safetensors", timeout=SOON)
    focused.press("Escape")
    expect(search).to_be_focused()
    prompt(picker).fill("")


def test_choices_survive_a_reload_and_the_first_cards_appear_before_the_rest(
    open_page: Callable[..., Page], large: Studio
) -> None:
    page = open_page(width=1000)
    open_studio(page, large)
    open_cards(page)
    page.get_by_label("Sort by").select_option("name")
    page.locator(".ti-sort-direction").click()
    page.get_by_label("Card size").select_option("large")
    page.get_by_role("button", name="Folders", exact=True).click()
    sizes: list[int] = []

    def first_page_only(route) -> None:  # type: ignore[no-untyped-def]
        if "limit=100000" in route.request.url:
            return
        answer = route.fetch()
        sizes.append(len(answer.body()))
        route.fulfill(response=answer)

    page.route("**/ti/cards?**", first_page_only)
    page.reload()
    open_studio(page, large)
    open_cards(page)
    expect(page.locator("#ti_cards [aria-posinset='1'] strong")).to_have_text("word1499", timeout=SOON)
    assert sizes[0] < 100_000
    page.wait_for_function("document.querySelector('#ti_cards .ti-card-cell')?.clientWidth > 180", timeout=SOON)
    expect(page.locator("#ti_cards .ti-tree")).to_be_hidden()
    expect(note(page)).to_have_text(f"{MANY + 2} of {MANY + 2} …")
    page.unroute_all(behavior="ignoreErrors")


CLICK_WHEN_THERE = """
new MutationObserver((_, watching) => {
  const button = document.getElementById("ti_cards_button");
  if (!button) return;
  watching.disconnect();
  window.wasReady = button.hasAttribute("aria-expanded");
  button.click();
}).observe(document, { childList: true, subtree: true });
"""


@pytest.mark.parametrize("waits", [False, True], ids=["at once", "before the first cards have come"])
def test_a_click_before_the_modules_are_loaded_opens_the_picker(
    open_page: Callable[..., Page], large: Studio, waits: bool
) -> None:
    page = open_page()
    page.add_init_script(CLICK_WHEN_THERE)
    held: list[Route] = []
    if waits:
        page.route("**/ti/cards?**", lambda route: held.append(route))  # noqa: PLW0108  # it must take attributes

    page.goto(large.url)

    expect(page.locator("#ti_cards")).to_be_visible(timeout=60_000)
    expect(page.locator("#ti_cards_button")).to_have_attribute("aria-expanded", "true")
    assert page.evaluate("window.wasReady") is False  # the page was not ready for it
    if waits:
        assert held and page.locator("#ti_cards .ti-card-cell").count() == 0
        page.unroute_all()  # which lets go of what is held
    expect(page.locator("#ti_cards .ti-card-cell").first).to_be_visible(timeout=SOON)
