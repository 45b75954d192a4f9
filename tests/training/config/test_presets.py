"""Presets fill in a request, for the checkpoint that it is for."""

import json
from pathlib import Path
from typing import Any, get_args

import pytest

from tests.checkpoints import DEMO, write_tiny_checkpoint
from ti_studio.models.checkpoint.checkpoints import CheckpointInfo, identify
from ti_studio.training.config.preset_kinds import NOT_DECIDED, PURPOSES, SUGGESTED, PresetName, Presets
from ti_studio.training.config.presets import DEFAULT_PRESET, NO_PRESET, filled, presets_for, recipe, suggestions
from ti_studio.training.config.published_presets import PUBLISHED
from ti_studio.training.config.recommended_training import FILE
from ti_studio.training.config.request import TrainRequest
from ti_studio.training.data.captions import find_template

SD1 = PUBLISHED["SD 1"]
PRESETS_OF = {**PUBLISHED, "demo": presets_for(identify(DEMO))}


def request(preset: str, presets: Presets = SD1, **given: object) -> TrainRequest:
    return TrainRequest(**filled(preset, {"name": "word", "dataset_directory": "x", **given}, presets))


@pytest.mark.parametrize("of", PRESETS_OF)
@pytest.mark.parametrize("name", get_args(PresetName))
def test_every_preset_makes_a_request_and_says_in_a_line_what_it_is_for(
    name: PresetName, of: str, tmp_path: Path
) -> None:
    preset = PRESETS_OF[of][name]
    made = request(name, PRESETS_OF[of])

    assert {field: getattr(made, field) for field in preset.values} == preset.values
    assert 20 < len(preset.purpose) < 120
    assert preset.purpose.endswith(".") and preset.source.endswith(".")
    assert find_template(tmp_path, made.template).is_file()
    assert not NOT_DECIDED & set(preset.values)


@pytest.mark.parametrize("family", PUBLISHED)
def test_published_rates_are_shares_of_the_vocabularys_norm(family: str) -> None:
    for name, preset in PUBLISHED[family].items():
        assert preset.values["learning_rate_unit"] == "vocabulary", name
        assert 0.005 <= float(preset.values["learning_rate"]) <= 0.4, name


def test_the_demo_is_trained_as_it_was_when_its_values_were_those_of_every_checkpoint(root: Path) -> None:
    """The golden file is `recipe` of each preset, of 1 December 2026; retuned values belong into both files."""
    golden: dict[str, dict[str, Any]] = json.loads((root / "tests" / "training" / "demo_presets.json").read_text())

    assert set(golden) == set(PURPOSES)
    for name, values in golden.items():
        now = json.loads(json.dumps(recipe(name, PRESETS_OF["demo"])))
        assert now.pop("learning_rate_unit") == "absolute"
        assert now == values, name


def test_what_was_found_on_the_demo_reaches_no_other_checkpoint(tiny_families: dict[str, CheckpointInfo]) -> None:
    demo = PRESETS_OF["demo"]
    for family, info in tiny_families.items():
        presets = presets_for(info)
        assert presets == PUBLISHED[family]
        for name in PURPOSES:
            assert recipe(name, presets)["optimizer"] in ("rsgd", "adamw")
            assert presets[name].values != demo[name].values
    source = "".join(path.read_text() for path in Path(filled.__code__.co_filename).parent.glob("preset*.py"))
    assert "demo" not in source.lower()


def test_a_checkpoint_that_recommends_one_preset_has_the_familys_for_the_rest(tmp_path: Path) -> None:
    folder = write_tiny_checkpoint(tmp_path / "mine", family="SD 2")
    (folder / FILE).write_text(json.dumps({"about": "Mine.", "presets": {"quick": {"max_steps": 7}}}))
    presets = presets_for(identify(folder))

    assert (presets["quick"].values, presets["quick"].source) == ({"max_steps": 7}, "Mine.")
    assert recipe("quick", presets)["optimizer"] == "adamw"
    assert {name: preset for name, preset in presets.items() if name != "quick"} == {
        name: preset for name, preset in PUBLISHED["SD 2"].items() if name != "quick"
    }


def test_what_is_given_wins_over_the_preset() -> None:
    made = request("negative", vectors_per_token=1, learning_rate="0.01")

    assert (made.vectors_per_token, made.learning_rate, made.learning_rate_unit) == (1, "0.01", "absolute")
    assert (made.preview_negative_prompt, made.initialization_text) == ("[name]", "bad, blurry")


def test_no_preset_decides_what_is_taught_and_from_what() -> None:
    taught = {"name", "more_words", "initialization_file", "dataset_directory", "folders", "checkpoint"}

    assert not taught & set(recipe(DEFAULT_PRESET, SD1))


def test_no_preset_is_the_requests_own_defaults() -> None:
    assert request(NO_PRESET) == TrainRequest(name="word", dataset_directory="x")
    assert request(DEFAULT_PRESET) != request(NO_PRESET)


def of_values(**values: object) -> Presets:
    return {"quick": type(SD1["quick"])("For the test.", "Of it.", values)}


def test_a_presets_value_that_has_no_meaning_with_what_is_given_is_left_out() -> None:
    validated = of_values(validation_every=50, patience=6, keep_best=True, early_stopping="variance")
    made = request("quick", validated, validation_every=0)
    assert (made.patience, made.keep_best) == (0, False)
    assert request("quick", validated, patience=2).early_stopping == "improvement"

    rich = of_values(lr_scheduler="cosine", lr_warmup_steps=9, norm_limit=2.0, norm_pull=0.1, ema_decay=0.9)
    for own in ({"learning_rate": "0.005:100, 0.001"}, {"learning_rate": "0.01"}, {"optimizer": "lion"}):
        made = request("quick", rich, **own)
        assert (made.lr_scheduler, made.lr_warmup_steps) == ("schedule", 0)
    assert request("quick", rich).lr_scheduler == "cosine"
    made = request("quick", rich, parametrization="direction")
    assert (made.norm_limit, made.norm_pull) == (0, 0)
    assert request("quick", rich, parametrization="rows").norm_limit == 2
    assert request("quick", rich, optimizer="schedulefree").ema_decay == 0


def test_a_rate_or_an_optimizer_of_ones_own_is_in_the_optimizers_numbers() -> None:
    shares = of_values(learning_rate="0.35", learning_rate_unit="vocabulary", optimizer="adamw8bit")

    assert request("quick", shares).learning_rate_unit == "vocabulary"
    for own in ({"learning_rate": "0.01"}, {"optimizer": "torch.optim.SGD"}, {"learning_rate_unit": "absolute"}):
        made = request("quick", shares, **own)
        assert made.learning_rate_unit == "absolute"
        assert made.learning_rate == own.get("learning_rate", "0.005")
    assert request("quick", shares, learning_rate="0.2", learning_rate_unit="vocabulary").learning_rate == "0.2"


def test_a_recipe_decides_everything_but_what_is_taught_and_from_what() -> None:
    values = recipe("style", SD1)

    assert set(values) == set(TrainRequest.model_fields) - NOT_DECIDED
    assert (values["template"], values["batch_size"]) == ("style_filewords.txt", 4)
    assert TrainRequest(name="word", **values) == request("style", dataset_directory="")
    assert recipe("none", SD1)["patience"] == 0


def test_a_suggested_text_is_known_as_nobodys_own() -> None:
    texts = suggestions("initialization_text", of_values(initialization_text="of this checkpoint"))
    assert {"*", "of this checkpoint", SD1["negative"].values["initialization_text"]} == set(texts)
    assert ("a photo of [name]",) in suggestions("preview_prompts", SD1)
    assert set(SUGGESTED) <= set(recipe("object", SD1))


def test_preview_prompts_are_lines_under_the_old_name_too() -> None:
    lines = "a photo of [name]\n\n [name] at night \n"

    for field in ("preview_prompts", "preview_prompt"):
        made = TrainRequest.model_validate({"name": "word", field: lines})
        assert made.preview_prompts == ("a photo of [name]", "[name] at night")
    assert TrainRequest.model_validate_json(made.model_dump_json()) == made
