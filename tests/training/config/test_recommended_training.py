"""What a checkpoint's folder recommends is checked before anything is made of it."""

import json
import os
from pathlib import Path

import pytest

from ti_studio.training.config.recommended_training import FILE, MOST_BYTES, BadRecommendation, recommended_presets


def recommend(folder: Path, content: object) -> Path:
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / FILE).write_text(text, encoding="utf-8")
    return folder


def test_values_are_those_of_a_request(tmp_path: Path) -> None:
    values = {"learning_rate": "0.2", "preview_prompts": ["[name] at sea"], "flip": False, "norm_limit": 2}
    presets = recommended_presets(recommend(tmp_path, {"about": "Tried.", "presets": {"style": values}}))

    assert dict(presets["style"].values) == {**values, "preview_prompts": ("[name] at sea",), "norm_limit": 2.0}
    assert presets["style"].source == "Tried."


def test_a_single_file_and_a_folder_without_the_file_recommend_nothing(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"weights")

    assert recommended_presets(tmp_path) == recommended_presets(tmp_path / "model.safetensors") == {}


WRONG: dict[str, tuple[object, str]] = {
    "no JSON": ("{", "Invalid JSON"),
    "nested for ever": ("[" * 60_000, "Invalid JSON"),
    "no presets": ({"about": "Nothing."}, "presets: Field required"),
    "another part": ({"presets": {}, "samplers": {}}, "samplers: Extra inputs are not permitted"),
    "a preset that there is not": ({"presets": {"portrait": {}}}, "'object', 'style', 'character'"),
    "a field that there is not": (
        {"presets": {"object": {"learning_rat": "1"}}},
        "preset object: the field 'learning_rat' is no option of a training; expected one of ",
    ),
    "what is taught": ({"presets": {"object": {"dataset_directory": "/"}}}, "is decided by no preset"),
    "an output": ({"presets": {"object": {"overwrite": True}}}, "is decided by no preset"),
    "a value that is not allowed": (
        {"presets": {"quick": {"batch_size": 0}}},
        "quick: batch_size: Input should be",
    ),
    "values that disagree": ({"presets": {"quick": {"patience": 3}}}, "keep_best and patience need validation_every"),
    "a class to import": ({"presets": {"object": {"optimizer": "torch.optim.SGD"}}}, "optimizer is the class"),
    "another class to import": ({"presets": {"object": {"lr_scheduler": "a.B"}}}, "lr_scheduler is the class"),
    "a path": ({"presets": {"object": {"template": "../secrets.txt"}}}, "template is the path"),
    "a path of Windows": ({"presets": {"object": {"template": "c:secrets.txt"}}}, "template is the path"),
    "more than anybody would write": (" " * (MOST_BYTES + 1), "expected a file of text of at most 65,536"),
    "a long story": ({"about": "x" * 501, "presets": {}}, "about: String should have at most 500"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_no_checkpoint_may_recommend_is_refused_and_named(tmp_path: Path, what: str) -> None:
    content, message = WRONG[what]
    recommend(tmp_path, content)

    with pytest.raises(BadRecommendation) as refused:
        recommended_presets(tmp_path)
    assert message in str(refused.value)
    assert str(tmp_path / FILE) in str(refused.value)


@pytest.mark.skipif("sys.platform == 'win32'", reason="named pipes are of POSIX")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / FILE)

    with pytest.raises(BadRecommendation, match="no ordinary file"):
        recommended_presets(tmp_path)
