"""Edits of embedding files in the picker, and their undo, in a real browser."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.pages import SOON, card, generate, negative_prompt, open_cards, open_studio, prompt
from tests.browser.studio import Studio
from tests.browser.test_cards import drop
from tests.checkpoints import demo_side

HOSTILE = "<img src=x onerror=window.hacked=1>"


@pytest.fixture(scope="module")
def library_page(browser: Browser, studio: Studio) -> Iterator[Page]:
    """The page with the picker open; these tests share it."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page, uncaught = context.new_page(), list[str]()
    page.on("pageerror", lambda error: uncaught.append(str(error)))
    open_studio(page, studio)
    open_cards(page)
    yield page
    context.close()
    assert not uncaught, f"the page's script failed: {uncaught}"


def find_cell(page: Page, word: str) -> Locator:
    """Searches for an embedding and returns the cell of its card."""
    page.locator("#ti_cards").get_by_role("button", name="Refresh").click()
    page.get_by_role("searchbox").fill(word)
    cell = page.locator("#ti_cards .ti-card-cell").filter(has=page.get_by_text(word, exact=True))
    expect(cell).to_be_visible(timeout=SOON)
    return cell


def edit(page: Page, word: str) -> Locator:
    """Opens the editor of a card by keyboard and returns it."""
    find_cell(page, word).locator(".ti-card").press("e")
    editor = page.locator("dialog.ti-editor[open]")
    expect(editor).to_be_visible(timeout=SOON)
    return editor


def undo(page: Page) -> None:
    """Undoes the last edit."""
    page.locator(".ti-toast").get_by_role("button", name="Undo").click()
    expect(page.locator(".ti-toast")).to_have_text("Undone.×", timeout=SOON)


def test_the_editor_writes_a1111s_file_and_undo_restores_it(library_page: Page, studio: Studio) -> None:
    path = drop(studio, "ed-one").with_suffix(".json")
    path.write_text('{"civitai": 5, "notes": "old"}')
    editor = edit(library_page, "ed-one")
    expect(editor.get_by_label("Notes")).to_have_value("old")
    editor.get_by_label("Description").fill(f"«one» {HOSTILE}")
    editor.get_by_label("Tags").fill("a, b , ,a")
    editor.get_by_label("Preferred weight").fill("0.8")
    editor.get_by_role("button", name="Save").click()
    expect(editor).to_be_hidden(timeout=SOON)
    written = json.loads(path.read_text(encoding="utf-8"))
    assert (written["civitai"], written["tags"], written["preferred weight"]) == (5, ["a", "b"], 0.8)
    expect(card(library_page, "ed-one")).to_contain_text("× 0.8")
    card(library_page, "ed-one").hover()
    expect(library_page.locator("#ti_card_details")).to_contain_text(HOSTILE, timeout=SOON)
    assert library_page.evaluate("window.hacked") is None
    library_page.get_by_role("searchbox").fill("«one»")
    expect(card(library_page, "ed-one")).to_be_visible()
    undo(library_page)
    written = json.loads(path.read_text())
    assert (written["description"], written["tags"], written["preferred weight"]) == ("", [], 0)


def test_a_click_inserts_the_preferred_weight_and_a_second_click_removes_it(library_page: Page, studio: Studio) -> None:
    drop(studio, "weighty").with_suffix(".json").write_text('{"preferred weight": 0.8}')
    prompt(library_page).fill("a photo of, weightyish")
    prompt(library_page).evaluate("box => box.setSelectionRange(10, 10)")
    prompt(library_page).press("Shift")
    find_cell(library_page, "weighty").locator(".ti-card").click()
    expect(prompt(library_page)).to_have_value("a photo of (weighty:0.8), weightyish")
    card(library_page, "weighty").click()
    expect(prompt(library_page)).to_have_value("a photo of, weightyish")
    prompt(library_page).fill("")


def test_a_negative_card_is_marked_and_goes_into_the_negative_prompt(library_page: Page, studio: Studio) -> None:
    drop(studio, "badhand")
    editor = edit(library_page, "badhand")
    editor.get_by_label("For the negative prompt").check()
    editor.get_by_role("button", name="Save").click()
    expect(card(library_page, "badhand")).to_contain_text("negative", timeout=SOON)
    prompt(library_page).focus()
    card(library_page, "badhand").click()
    expect(negative_prompt(library_page)).to_have_value("badhand")
    expect(prompt(library_page)).to_have_value("")
    expect(card(library_page, "badhand")).to_contain_text("in the negative prompt")
    card(library_page, "badhand").click()
    expect(negative_prompt(library_page)).to_have_value("")


def test_a_name_with_spaces_is_inserted_as_a_tag_and_a_dragged_card_at_the_drop(
    library_page: Page, studio: Studio
) -> None:
    drop(studio, "two words")
    prompt(library_page).fill("")
    cell = find_cell(library_page, "two words")
    cell.locator(".ti-card").click()
    expect(prompt(library_page)).to_have_value("<embedding:two words>")
    cell.locator(".ti-card").click()
    prompt(library_page).fill("")
    negative_prompt(library_page).fill("ugly")
    cell.locator(".ti-card").drag_to(negative_prompt(library_page), target_position={"x": 200, "y": 15})
    expect(negative_prompt(library_page)).to_have_value("ugly <embedding:two words>")
    expect(cell.locator(".ti-card")).to_have_attribute("aria-pressed", "true")
    negative_prompt(library_page).fill("")


def test_renaming_an_embedding_renames_it_in_the_prompt_and_undo_reverts_both(
    library_page: Page, studio: Studio
) -> None:
    path = drop(studio, "oldname")
    path.with_suffix(".txt").write_text("beside it")
    drop(studio, "takenname")
    prompt(library_page).fill("an oldname here")
    editor = edit(library_page, "oldname")
    editor.get_by_label("Name").fill("takenname")
    editor.get_by_label("Description").fill("changed")
    editor.get_by_role("button", name="Save").click()
    expect(editor.get_by_role("alert")).to_contain_text("taken by takenname.safetensors", timeout=SOON)
    assert (path.exists(), json.loads(path.with_suffix(".json").read_text())["description"]) == (True, "beside it")
    editor.get_by_label("Name").fill("newname")
    editor.get_by_label("Folder").fill("moved/here")
    editor.get_by_role("button", name="Save").click()
    expect(editor).to_be_hidden(timeout=SOON)
    moved = studio.embeddings / "moved" / "here"
    assert sorted(each.name for each in moved.iterdir()) == ["newname.json", "newname.safetensors", "newname.txt"]
    expect(prompt(library_page)).to_have_value("an newname here")
    undo(library_page)
    assert (path.exists(), list(moved.iterdir())) == (True, [])
    prompt(library_page).fill("")


def test_deleting_by_keyboard_can_be_undone_and_the_trash_restores_files(library_page: Page, studio: Studio) -> None:
    path = drop(studio, "goner")
    path.with_suffix(".txt").write_text("about it")
    find_cell(library_page, "goner").locator(".ti-card").press("Delete")
    expect(card(library_page, "goner")).to_have_count(0, timeout=SOON)
    assert not path.exists()
    undo(library_page)
    expect(card(library_page, "goner")).to_be_visible(timeout=SOON)
    editor = edit(library_page, "goner")
    editor.get_by_role("button", name="Delete").click()
    expect(card(library_page, "goner")).to_have_count(0, timeout=SOON)
    library_page.locator("#ti_cards").get_by_role("button", name="Trash").click()
    trash = library_page.get_by_role("dialog", name="Trash")
    trash.get_by_role("button", name="Restore goner.safetensors").click()
    expect(trash.get_by_role("button", name="Restore goner.safetensors")).to_have_count(0, timeout=SOON)
    assert (path.exists(), path.with_suffix(".txt").read_text()) == (True, "about it")
    library_page.once("dialog", lambda dialog: dialog.accept())
    drop(studio, "goner-2")
    trash.get_by_role("button", name="Close").click()
    find_cell(library_page, "goner-2").locator(".ti-card").press("Delete")
    library_page.locator("#ti_cards").get_by_role("button", name="Trash").click()
    trash.get_by_role("button", name="Empty the trash").click()
    expect(trash).to_contain_text("There is nothing in it", timeout=SOON)
    trash.get_by_role("button", name="Close").click()
    assert not list((studio.embeddings / ".trash").iterdir())


def test_an_embedding_is_copied_and_downloaded(library_page: Page, studio: Studio) -> None:
    path = drop(studio, "twin")
    editor = edit(library_page, "twin")
    with library_page.expect_download() as downloading:
        editor.get_by_role("link", name="Download").click()
    assert downloading.value.suggested_filename == "twin.safetensors"
    assert Path(downloading.value.path()).read_bytes() == path.read_bytes()
    editor.get_by_role("button", name="Duplicate").click()
    expect(card(library_page, "twin-2")).to_be_visible(timeout=SOON)
    undo(library_page)
    assert not path.with_name("twin-2.safetensors").exists()


def test_the_preview_is_set_from_an_upload_or_from_txt2img(library_page: Page, studio: Studio, tmp_path: Path) -> None:
    preview = drop(studio, "pictured").with_name("pictured.preview.png")
    Image.new("RGB", (40, 40), "red").save(tmp_path / "red.png")
    (tmp_path / "broken.png").write_text("no picture")
    editor = edit(library_page, "pictured")
    editor.locator("input[type=file]").set_input_files(tmp_path / "broken.png")
    expect(editor.get_by_role("alert")).to_contain_text("no picture that can be read", timeout=SOON)
    editor.locator("input[type=file]").set_input_files(tmp_path / "red.png")
    expect(editor.locator(".ti-toast")).to_contain_text("The preview was changed", timeout=SOON)
    with Image.open(preview) as image:
        assert image.getpixel((0, 0)) == (255, 0, 0)
    undo(library_page)
    assert not preview.exists()
    editor.get_by_role("button", name="Cancel").click()
    prompt(library_page).fill("a tent")
    generate(library_page)
    editor = edit(library_page, "pictured")
    editor.get_by_role("button", name="Use the txt2img picture").click()
    expect(editor.locator(".ti-toast")).to_contain_text("The preview was changed", timeout=SOON)
    with Image.open(preview) as image:
        assert "a tent" in image.info["parameters"]
    editor.get_by_role("button", name="Cancel").click()
    image = find_cell(library_page, "pictured").locator("img")
    assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") == demo_side()
    prompt(library_page).fill("")


@pytest.mark.skipif("sys.platform == 'win32'", reason="no file can have such a name there")
def test_hostile_folders_descriptions_and_metadata_are_shown_as_text(library_page: Page, studio: Studio) -> None:
    folder = studio.embeddings / "<b onclick=1>" / "<svg onload=window.hacked=2>"
    folder.mkdir(parents=True)
    path = shutil.move(drop(studio, "evil"), folder / "evil.safetensors")
    hostile = {"description": HOSTILE, "tags": [HOSTILE], "notes": HOSTILE, "negative text": HOSTILE}
    Path(path).with_suffix(".json").write_text(json.dumps(hostile))
    cell = find_cell(library_page, "evil")
    cell.locator(".ti-card").hover()
    expect(library_page.locator("#ti_card_details")).to_contain_text("<svg onload", timeout=SOON)
    tree = library_page.locator("#ti_cards .ti-tree")
    tree.get_by_role("button", name="<b onclick=1>").last.click()
    expect(library_page.locator("#ti_cards .ti-breadcrumbs")).to_contain_text("<b onclick=1>")
    editor = edit(library_page, "evil")
    expect(editor.get_by_label("Notes")).to_have_value(HOSTILE)
    expect(editor.get_by_label("Folder")).to_have_value("<b onclick=1>/<svg onload=window.hacked=2>")
    editor.get_by_label("Notes").fill("tamed")
    editor.get_by_role("button", name="Save").click()
    expect(editor).to_be_hidden(timeout=SOON)
    assert library_page.locator("#ti_cards :is(b, svg), #ti_card_details :is(img, svg), .ti-toast img").count() == 0
    assert library_page.evaluate("window.hacked") is None
    library_page.locator("#ti_cards .ti-breadcrumbs").get_by_role("button", name="All").click()
