"""Presets fill in a request."""

from pathlib import Path
from typing import get_args

import pytest

from ti_studio.training.captions import find_template
from ti_studio.training.presets import (
    DEFAULT_PRESET,
    NOT_DECIDED,
    PRESETS,
    SUGGESTED,
    PresetName,
    filled,
    recipe,
    suggestions,
)
from ti_studio.training.request import TrainRequest


def request(preset: str, **given: object) -> TrainRequest:
    return TrainRequest(**filled(preset, {"name": "word", "dataset_directory": "x", **given}))


@pytest.mark.parametrize("name", get_args(PresetName))
def test_every_preset_makes_a_request_and_says_in_a_line_what_it_is_for(name: PresetName, tmp_path: Path) -> None:
    made, preset = request(name), PRESETS[name]

    assert {field: getattr(made, field) for field in preset.values} == preset.values
    assert made.validation_every and made.patience and made.keep_best
    assert 20 < len(preset.purpose) < 120
    assert preset.purpose.endswith(".")
    assert find_template(tmp_path, made.template).is_file()


def test_what_is_given_wins_over_the_preset() -> None:
    made = request("negative", vectors_per_token=1, learning_rate="0.01")

    assert (made.vectors_per_token, made.learning_rate) == (1, "0.01")
    assert (made.preview_negative_prompt, made.initialization_text) == ("[name]", "bad, blurry")


def test_no_preset_decides_what_is_taught_and_from_what() -> None:
    taught = {"name", "more_words", "initialization_file", "dataset_directory", "folders", "checkpoint"}

    assert not taught & set(recipe(DEFAULT_PRESET))


def test_no_preset_is_the_requests_own_defaults() -> None:
    assert request("none") == TrainRequest(name="word", dataset_directory="x")
    assert request(DEFAULT_PRESET) != request("none")


def test_a_presets_value_that_has_no_meaning_with_what_is_given_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    made = request(DEFAULT_PRESET, validation_every=0)
    assert (made.patience, made.keep_best) == (0, False)

    rich = {**PRESETS["quick"].values, "lr_scheduler": "cosine", "norm_limit": 2.0, "ema_decay": 0.9}
    monkeypatch.setattr("ti_studio.training.presets.PRESETS", {"quick": type(PRESETS["quick"])("For the test.", rich)})
    assert request("quick", learning_rate="0.005:100, 0.001").lr_scheduler == "schedule"
    assert request("quick", learning_rate="0.01").lr_scheduler == "schedule"
    assert request("quick", optimizer="lion").lr_scheduler == "schedule"
    assert request("quick").lr_scheduler == "cosine"
    assert request("quick", parametrization="direction").norm_limit == 0
    assert request("quick", parametrization="rows").norm_limit == 2
    assert request("quick", optimizer="schedulefree").ema_decay == 0


def test_a_recipe_decides_everything_but_what_is_taught_and_from_what() -> None:
    values = recipe("style")

    assert set(values) == set(TrainRequest.model_fields) - NOT_DECIDED
    assert (values["template"], values["batch_size"]) == ("style_filewords.txt", 4)
    assert TrainRequest(name="word", **values) == request("style", dataset_directory="")
    assert not any(NOT_DECIDED & set(preset.values) for preset in PRESETS.values())
    assert recipe("none")["patience"] == 0


def test_a_suggested_text_is_known_as_nobodys_own() -> None:
    assert suggestions("initialization_text") == ["*", PRESETS["negative"].values["initialization_text"]]
    assert ("a photo of [name]",) in suggestions("preview_prompts")
    assert set(SUGGESTED) <= set(recipe("object"))


def test_preview_prompts_are_lines_under_the_old_name_too() -> None:
    lines = "a photo of [name]\n\n [name] at night \n"

    for field in ("preview_prompts", "preview_prompt"):
        made = TrainRequest.model_validate({"name": "word", field: lines})
        assert made.preview_prompts == ("a photo of [name]", "[name] at night")
    assert TrainRequest.model_validate_json(made.model_dump_json()) == made
