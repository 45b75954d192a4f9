"""What a file says of how its embedding was made, and what it does not."""

import json
import re
from pathlib import Path

import pytest
import torch
from pydantic import BaseModel

from tests.telling import text_in
from ti_studio.embeddings.embedding import Embedding
from ti_studio.embeddings.formats.export import FORMATS, export
from ti_studio.embeddings.formats.files import read_embedding, write_embedding
from ti_studio.embeddings.merging import METHODS, Mixture, merged
from ti_studio.embeddings.sharing import PLACES, shareable, undescribed
from ti_studio.training.config.concept import Concept
from ti_studio.training.config.dataset import DatasetFolder
from ti_studio.training.config.request import SAID, TrainRequest

SECRET = "alice-secret"
OLD = {
    "ti_studio.request": json.dumps(
        {
            "name": "cat",
            "dataset_directory": f"/home/{SECRET}/pictures/my cat/",
            "folders": [{"directory": f"C:\\Users\\{SECRET}\\cats", "mask_directory": f"\\\\nas\\{SECRET}\\masks"}],
            "more_words": [{"name": "hat", "initialization_file": f"~/{SECRET}/hat.pt"}],
            "template": f"{SECRET}/mine.txt",
            "optimizer_args": [f"table=/home/{SECRET}/table.json", "eps=1e-8"],
            "checkpoint": None,
            "preview_prompts": ["a [name] \\(cat\\) / dog"],
            "unknown": f"file:///home/{SECRET}/x.txt",
        }
    ),
    "ti_studio.checkpoint": f"{SECRET}/model.safetensors",
    "sd_checkpoint_name": f"/mnt/{SECRET}/v1-5",
    "ot_config": json.dumps({"workspace_dir": f"D:/{SECRET}/work", "paths": {f"/data/{SECRET}/a": 1}}),
    "note": f"/home/{SECRET}/notes.txt",
    "modelspec.sai_model_spec": "1.0.0",
    "modelspec.implementation": "https://github.com/Stability-AI/generative-models",
    "modelspec.description": "half of it {is} a cat/dog",
}
"""As earlier versions and other trainers wrote it."""


@pytest.fixture
def old(tmp_path: Path) -> list[Path]:
    """Two files as earlier versions wrote them, in each layout that holds metadata."""
    torch.save(
        {
            "string_to_param": {"*": torch.full((2, 8), 0.5)},
            "name": "cat",
            "step": 5,
            "sd_checkpoint_name": OLD["sd_checkpoint_name"],
            "ti_studio": OLD,
        },
        tmp_path / "cat.pt",
    )
    plain = Embedding("hat", {"clip_l": torch.full((2, 8), 0.25)}, 5, {"ti_studio.trigger": "hat"})
    write_embedding(plain, tmp_path / "hat.safetensors")
    return [tmp_path / "cat.pt", tmp_path / "hat.safetensors"]


def test_every_path_becomes_the_name_of_what_it_leads_to_and_the_rest_stays_as_it_was() -> None:
    told = shareable(OLD)

    request = json.loads(told["ti_studio.request"])
    assert SECRET not in str(told)
    assert (request["dataset_directory"], request["template"]) == ("my cat", "mine.txt")
    assert request["folders"] == [{"directory": "cats", "mask_directory": "masks"}]
    assert request["more_words"] == [{"name": "hat", "initialization_file": "hat.pt"}]
    assert request["optimizer_args"] == ["table=table.json", "eps=1e-8"]
    assert (request["checkpoint"], request["preview_prompts"]) == (None, ["a [name] \\(cat\\) / dog"])
    assert told["ti_studio.checkpoint"] == "model.safetensors"
    assert json.loads(told["ot_config"]) == {"workspace_dir": "work", "paths": {"a": 1}}
    for key in ("modelspec.implementation", "modelspec.description"):
        assert told[key] == OLD[key]


def test_a_request_that_can_not_be_looked_into_is_left_out() -> None:
    for text in (f"/home/{SECRET}", f'{{"dataset_directory": "/home/{SECRET}"', "[" * 100_000, '"/home"'):
        assert "ti_studio.request" not in shareable({"ti_studio.request": text})
    half = shareable({"ti_studio.request": '{"name": "\\ud800", "vae": "/home/x"}'})["ti_studio.request"]
    assert json.loads(half.encode())["vae"] == "x"


def test_text_that_names_no_path_is_kept_to_the_letter() -> None:
    kept = {"ti_studio.request": '{"a": 1e-5,  "seed": NaN}', "x": "{no json", "y": "\\(cat\\), 1/2", "z": "~20 years"}

    assert shareable(kept) == kept


@pytest.mark.parametrize("form", FORMATS)
def test_what_an_earlier_version_wrote_is_written_again_without_its_folders(
    old: list[Path], tmp_path: Path, form: str
) -> None:
    assert SECRET in text_in(old[0])

    written = export(read_embedding(old[0]), form, tmp_path, overwrite=True)

    for path in written:
        assert SECRET not in text_in(path)
        assert torch.equal(read_embedding(path).vectors["clip_l"], torch.full((2, 8), 0.5))


@pytest.mark.parametrize("how", METHODS)
def test_what_is_merged_of_them_says_nothing_of_their_folders(old: list[Path], tmp_path: Path, how: str) -> None:
    made = merged("both", [read_embedding(path) for path in old], Mixture(how))  # type: ignore[arg-type]

    for form in FORMATS:
        assert all(SECRET not in text_in(path) for path in export(made, form, tmp_path, overwrite=True))


def test_a_file_without_metadata_has_the_rows_and_is_known_as_what_it_is(old: list[Path], tmp_path: Path) -> None:
    bare = undescribed(read_embedding(old[0]))
    wide = Embedding("wide", {"clip_h": torch.ones(1, 8)}, 7, dict(OLD))

    for form in ("safetensors", "pt"):
        (path,) = export(bare, form, tmp_path, overwrite=True)
        found = read_embedding(path)
        assert (found.metadata, found.step, found.family) == ({"ti_studio.family": "SD 1"}, None, "SD 1")
        assert torch.equal(found.vectors["clip_l"], torch.full((2, 8), 0.5))
    (path,) = export(undescribed(wide), "safetensors", tmp_path)
    assert read_embedding(path).family == "SD 2"


NO_PLACES = {
    *("name", "caption_extension", "class_tokens", "save_as", "optimizer", "lr_scheduler"),
    *(f"metadata_{what}" for what in SAID if what != "thumbnail"),
}
"""Fields whose description speaks of files or folders, and which name none."""


@pytest.mark.parametrize("model", [TrainRequest, DatasetFolder, Concept])
def test_every_field_of_a_request_that_names_a_file_or_folder_is_known_as_a_place(model: type[BaseModel]) -> None:
    spoken = {
        name
        for name, field in model.model_fields.items()
        if re.search(r"\b(path|file|folder|director)", f"{name.replace('_', ' ')} {field.description}")
        and "str" in str(field.annotation)
        and "tuple" not in str(field.annotation)
    }

    assert spoken - NO_PLACES <= PLACES
    assert len(spoken & PLACES) >= 1
