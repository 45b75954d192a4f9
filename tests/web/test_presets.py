"""Presets by REST and on the page."""

from pathlib import Path

from tests.checkpoints import DEMO, write_tiny_checkpoint
from tests.web.conftest import Client
from ti_studio.models.checkpoint.checkpoints import CheckpointInfo, identify
from ti_studio.training.config.preset_kinds import PURPOSES
from ti_studio.training.config.presets import DEFAULT_PRESET, filled, presets_for, recipe
from ti_studio.training.config.published_presets import PUBLISHED
from ti_studio.training.config.recommended_training import FILE
from ti_studio.training.config.request import TrainRequest
from ti_studio.web.server.services import Services
from ti_studio.web.ui.form import control_value
from ti_studio.web.ui.preset_choice import INITIAL_VALUES, filled_in

UNTOUCHED = {
    "initialization_text": "*",
    "preview_prompts": "a photo of [name]",
    "preview_negative_prompt": "",
}


def test_presets_are_listed_with_what_they_decide(client: Client) -> None:
    listed = client().get("/ti/presets").json()

    assert [preset["name"] for preset in listed] == list(PURPOSES)
    negative = next(preset for preset in listed if preset["name"] == "negative")
    assert negative["values"]["preview_negative_prompt"] == "[name]"
    assert "batch_size" in negative["values"]
    assert "dataset_directory" not in negative["values"]
    assert "preview_prompts" in negative["suggested"]


def test_a_presets_values_and_ones_own_make_a_request(client: Client, services: Services, dataset: Path) -> None:
    studio = client()
    values = {preset["name"]: preset["values"] for preset in studio.get("/ti/presets").json()}["negative"]
    own = {"name": "bad-hands", "dataset_directory": str(dataset), "vectors_per_token": 1}
    answer = studio.post("/ti/jobs", json={**values, **own})

    assert answer.status_code == 201, answer.json()
    job = services.jobs.get(answer.json()["id"])
    assert job.request == TrainRequest(**filled("negative", own, presets_for(identify(DEMO))))
    studio.post(f"/ti/jobs/{job.id}/stop")


def test_presets_are_those_for_the_checkpoint_that_is_asked_about(
    client: Client, services: Services, tiny_families: dict[str, CheckpointInfo]
) -> None:
    studio = client()

    def listed(**asked: str) -> dict[str, dict[str, object]]:
        return {preset["name"]: preset["values"] for preset in studio.get("/ti/presets", params=asked).json()}

    own, sdxl = listed(), listed(checkpoint=str(tiny_families["SDXL"].path))
    assert (own["object"]["optimizer"], sdxl["object"]["optimizer"]) == ("natural", "rsgd")
    assert sdxl["object"] == {**own["object"], **sdxl["object"]}
    assert {name: control_value(value) for name, value in sdxl["style"].items() if not isinstance(value, list)} == {
        name: control_value(value)
        for name, value in recipe("style", PUBLISHED["SDXL"]).items()
        if not isinstance(value, tuple)
    }
    services.txt2img.select(str(tiny_families["SDXL"].path))
    assert listed() == sdxl
    assert studio.get("/ti/presets", params={"checkpoint": "dream"}).status_code == 404


def test_a_checkpoint_that_recommends_nonsense_is_answered_with_what_is_wrong(client: Client, tmp_path: Path) -> None:
    folder = write_tiny_checkpoint(tmp_path / "tiny")
    (folder / FILE).write_text('{"presets": {"object": {"learning_rat": "1"}}}')
    answer = client().get("/ti/presets", params={"checkpoint": str(folder)})

    assert answer.status_code == 422
    assert "preset object: the field 'learning_rat' is no option of a training" in answer.json()["detail"]


def test_the_page_begins_with_the_default_preset() -> None:
    for name, value in PUBLISHED["SD 1"][DEFAULT_PRESET].values.items():
        assert INITIAL_VALUES[name] == control_value(value)
    assert (INITIAL_VALUES["save_as"], INITIAL_VALUES["batch_size"]) == ("safetensors", 4)


def test_choosing_a_preset_sets_every_field_back_that_it_does_not_name() -> None:
    negative = filled_in("negative", UNTOUCHED, PUBLISHED["SD 1"])
    back = filled_in("object", {name: negative[name] for name in UNTOUCHED}, PUBLISHED["SD 1"])

    assert (negative["template"], negative["preview_negative_prompt"]) == ("style_filewords.txt", "[name]")
    assert {name: back[name] for name in UNTOUCHED} == UNTOUCHED
    assert back["template"] == "object_filewords.txt"


def test_a_persons_own_texts_stay_when_a_preset_is_chosen() -> None:
    own = {**UNTOUCHED, "initialization_text": "cat", "preview_prompts": "my [name]\n[name] at sea"}
    filled = filled_in("negative", own, PUBLISHED["SD 1"])

    assert (filled["initialization_text"], filled["preview_prompts"]) == ("cat", "my [name]\n[name] at sea")
    assert filled["preview_negative_prompt"] == "[name]"
