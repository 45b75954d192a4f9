"""The Train tab's form, and validations in the monitor, in a real browser."""

import json
import urllib.request
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.pages import PATIENCE, SOON, advanced, badge, control, fill, fill_training, open_studio
from tests.browser.studio import Studio
from tests.checkpoints import DEMO, write_tiny_checkpoint
from ti_studio.embeddings.formats.files import read_embedding
from ti_studio.models.checkpoint.checkpoints import identify
from ti_studio.training.config.presets import presets_for, recipe


def rate_of(preset: str) -> str:
    """Returns the preset's learning rate for the demo checkpoint."""
    return str(recipe(preset, presets_for(identify(DEMO)))["learning_rate"])


def choose(page: Page, preset: str) -> None:
    page.locator("#ti_preset input").click()
    page.get_by_role("option", name=preset, exact=True).click()


def test_a_preset_fills_in_the_form_and_the_form_survives_a_reload(page: Page, studio: Studio, drawings: Path) -> None:
    open_studio(page, studio, "Train")
    note = page.locator("#ti_preset_note")
    expect(note).to_contain_text("What to begin with", timeout=SOON)
    fill(page, "ti_name", "dimmed")
    fill(page, "ti_preview_prompts", "my own [name]\nat sea")
    choose(page, "negative")
    expect(control(page, "ti_initialization_text")).to_have_value("bad, blurry", timeout=SOON)
    expect(control(page, "ti_preview_negative_prompt")).to_have_value("[name]")
    expect(control(page, "ti_preview_prompts")).to_have_value("my own [name]\nat sea")
    expect(control(page, "ti_name")).to_have_value("dimmed")
    fill(page, "ti_learning_rate", "0.01")
    advanced(page, "more_options", "noise_offset = 0.05\nshuffle_caption = true")
    fill(page, "ti_dataset_directory", str(drawings))
    expect(note).to_contain_text("Changed from it: learning rate.")

    open_studio(page, studio, "Train")
    expect(control(page, "ti_name")).to_have_value("dimmed", timeout=SOON)
    expect(control(page, "ti_learning_rate")).to_have_value("0.01")
    page.locator("#ti_advanced > button").click()
    expect(control(page, "ti_more_options")).to_have_value("noise_offset = 0.05\nshuffle_caption = true", timeout=SOON)
    expect(control(page, "ti_preview_prompts")).to_have_value("my own [name]\nat sea")
    expect(page.locator("#ti_dataset_summary")).to_contain_text("6 pictures", timeout=SOON)
    expect(note).to_contain_text("Use the word in the negative prompt")
    expect(note).to_contain_text("Changed from it: learning rate.")

    page.get_by_role("button", name="Back to the preset").click()
    expect(control(page, "ti_learning_rate")).to_have_value(rate_of("negative"), timeout=SOON)
    expect(note).not_to_contain_text("Changed from it")
    choose(page, "object")
    expect(control(page, "ti_initialization_text")).to_have_value("*", timeout=SOON)


def test_another_checkpoint_applies_its_preset_but_not_to_changed_controls(
    page: Page, own_studio: Callable[..., Studio], tmp_path: Path
) -> None:
    checkpoints = tmp_path / "checkpoints"
    checkpoints.mkdir()
    (checkpoints / "demo").symlink_to(DEMO)
    write_tiny_checkpoint(checkpoints / "tiny-xl", family="SDXL")
    studio = own_studio("--ckpt-dir", str(checkpoints))
    open_studio(page, studio, "Train")
    note = page.locator("#ti_preset_note")
    expect(control(page, "ti_learning_rate")).to_have_value(rate_of("object"), timeout=SOON)
    fill(page, "ti_batch_size", "3")
    page.locator("#ti_checkpoint input").click()
    page.get_by_role("option", name="tiny-xl").click()
    expect(control(page, "ti_learning_rate")).to_have_value("0.01", timeout=SOON)
    expect(control(page, "ti_vectors")).to_have_value("1")
    expect(page.locator("#ti_learning_rate_unit input:checked")).to_have_value("vocabulary")
    expect(control(page, "ti_batch_size")).to_have_value("3")
    expect(page.locator("#ti_train_width").get_by_role("spinbutton")).to_have_value("32")
    expect(note).to_contain_text("Directional Textual Inversion", timeout=SOON)
    expect(note).to_contain_text("Changed from it: batch size.")

    fill(page, "ti_name", "kept")
    page.locator("#ti_checkpoint input").click()
    page.get_by_role("option", name="demo").click()
    expect(control(page, "ti_learning_rate")).to_have_value(rate_of("object"), timeout=SOON)
    expect(control(page, "ti_batch_size")).to_have_value("3")

    chosen = urllib.request.Request(  # of this machine
        f"{studio.url}sdapi/v1/options", b'{"sd_model_checkpoint": "tiny-xl"}', {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(chosen, timeout=60).close()
    page.goto(studio.url)
    page.get_by_role("tab", name="Train").click()
    expect(control(page, "ti_name")).to_have_value("kept", timeout=PATIENCE)
    expect(control(page, "ti_learning_rate")).to_have_value("0.01", timeout=SOON)
    expect(control(page, "ti_batch_size")).to_have_value("4")
    with urllib.request.urlopen(f"{studio.url}ti/presets?checkpoint=tiny-xl", timeout=20) as answer:
        assert json.load(answer)[0]["values"]["parametrization"] == "direction"


def test_initialization_texts_are_suggested_and_one_is_selected_by_keyboard(
    page: Page, studio: Studio, drawings: Path
) -> None:
    open_studio(page, studio, "Train")
    suggest = page.locator("#ti_suggestions").get_by_role("button", name="Suggest", exact=True)
    fill(page, "ti_dataset_directory", "/nowhere/<b>at all</b>")
    suggest.click()
    expect(page.locator("#ti_suggestions [role=alert]")).to_contain_text("<b>at all</b>", timeout=PATIENCE)

    fill(page, "ti_dataset_directory", str(drawings))
    fill(page, "ti_initialization_text", "tent")
    suggest.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#ti_suggestions [role=status]")).to_contain_text("Trying words")
    chips = page.get_by_role("group", name="Suggested initialization texts").get_by_role("button")
    expect(chips).to_have_count(5, timeout=PATIENCE)
    expect(page.locator("#ti_suggestions [role=status]")).to_contain_text("The present text: 0.")
    expect(page.locator("#ti_suggestions [role=alert]")).to_be_empty()
    expect(suggest).to_be_focused()
    page.keyboard.press("Tab")
    expect(chips.first).to_be_focused()
    page.keyboard.press("Enter")
    text = chips.first.evaluate("chip => chip.firstChild.textContent")
    expect(control(page, "ti_initialization_text")).to_have_value(text)


def test_the_dataset_summary_follows_the_size(page: Page, studio: Studio, drawings: Path) -> None:
    for path in drawings.glob("*.png"):
        with Image.open(path) as picture:
            picture.resize((64, 64)).save(path)
    open_studio(page, studio, "Train")
    width, height = (page.locator(f"#ti_train_{side}").get_by_role("spinbutton") for side in ("width", "height"))
    width.fill("512")
    height.fill("512")
    height.blur()
    fill(page, "ti_dataset_directory", str(drawings))
    summary = page.locator("#ti_dataset_summary")
    expect(summary).to_contain_text("is too small (64×64 pixels; expected at least 128", timeout=SOON)

    width.fill("256")
    height.fill("256")
    height.blur()
    expect(summary).to_contain_text("6 pictures", timeout=SOON)
    expect(summary).not_to_contain_text("too small")


def test_a_training_that_stops_early_shows_the_reason_and_the_best_step(
    page: Page, studio: Studio, drawings: Path
) -> None:
    open_studio(page, studio, "Train")
    fill_training(page, "early-bird", drawings, max_steps=60)
    fill(page, "ti_learning_rate", "1e-9")
    advanced(page, "validation_every", "5")
    advanced(page, "patience", "2")
    advanced(page, "more_options", "latent_sampling = 'once'\ntimestep_sampling = 'uniform'")
    fill(page, "ti_preview_every", "60")
    fill(page, "ti_preview_prompts", "a photo of [name]\n[name] at night")
    page.get_by_label("Say in the file how it was made").uncheck()
    page.get_by_role("button", name="Train Embedding").click()
    expect(page.get_by_role("heading", name="early-bird")).to_be_visible(timeout=SOON)
    expect(badge(page)).to_have_text("finished", timeout=PATIENCE)
    expect(page.locator(".ti-early-stopping")).to_contain_text("Finished early at step 10: the last 2 validations")
    (request_path,) = studio.data.glob("outputs/train/*-early-bird/request.json")
    request = json.loads(request_path.read_text())
    assert (request["latent_sampling"], request["timestep_sampling"]) == ("once", "uniform")
    assert dict(read_embedding(studio.embeddings / "early-bird.safetensors").metadata) == {"ti_studio.family": "SD 1"}
    expect(page.locator(".ti-early-stopping")).to_contain_text("50 of 60 steps were saved")
    expect(page.locator(".ti-plot-validation-dot")).to_have_count(3)
    expect(page.locator(".ti-plot-best")).to_have_count(1)
    expect(page.locator(".ti-facts")).to_contain_text("Validation loss")
    captions = page.locator(".ti-preview img").evaluate_all("images => images.map((image) => image.alt)")
    expect(page.locator(".ti-preview-prompts figcaption")).to_have_text(
        ["a photo of early-bird", "early-bird at night"]
    )
    assert captions == ["Step 10, seed 1: a photo of early-bird", "Step 10, seed 1: early-bird at night"]
