"""Embeddings written for other programs, read by the programs where they are here, and read again."""

import base64
import json
from pathlib import Path

import pytest
import torch
from diffusers.loaders.textual_inversion import load_textual_inversion_state_dicts
from PIL import Image
from safetensors.torch import load_file

from ti_studio.embeddings.arithmetic import of_two_files
from ti_studio.embeddings.embedding import Embedding, EmbeddingError
from ti_studio.embeddings.export import FORMATS, card_picture, export
from ti_studio.embeddings.files import read_embedding
from ti_studio.embeddings.pictures import CHUNK
from ti_studio.errors import Conflict

WORD = Embedding("cat", {"clip_l": torch.arange(16.0).reshape(2, 8) / 64}, 7)
SDXL = Embedding("cat", {"clip_l": torch.ones(2, 8), "clip_g": torch.zeros(2, 10)}, 7)


@pytest.mark.parametrize("form", FORMATS)
def test_every_form_is_read_again_as_it_was(tmp_path: Path, form: str) -> None:
    (path,) = export(WORD, form, tmp_path)

    assert torch.equal(read_embedding(path).vectors["clip_l"], WORD.vectors["clip_l"])


def test_diffusers_own_loader_takes_the_file(tmp_path: Path) -> None:
    (path,) = export(WORD, "diffusers", tmp_path)

    (state,) = load_textual_inversion_state_dicts([str(path)], local_files_only=True)

    assert list(state) == ["cat"]
    assert torch.equal(state["cat"], WORD.vectors["clip_l"])


def test_an_sdxl_embedding_becomes_diffusers_two_files_and_one_again(tmp_path: Path) -> None:
    paths = export(SDXL, "diffusers", tmp_path)

    assert [path.name for path in paths] == ["cat.safetensors", "cat_2.safetensors"]
    assert [list(load_file(path)) for path in paths] == [["cat"], ["cat"]]


def test_two_files_of_true_widths_are_put_together(tmp_path: Path) -> None:
    whole = Embedding("cat", {"clip_l": torch.ones(1, 768), "clip_g": torch.zeros(1, 1280)})
    again = of_two_files("cat", *(read_embedding(path) for path in export(whole, "diffusers", tmp_path)))

    assert all(torch.equal(again.vectors[key], rows) for key, rows in whole.vectors.items())


def test_a_layout_that_can_not_hold_it_says_so_and_writes_nothing(tmp_path: Path) -> None:
    flux = Embedding("cat", {"clip_l": torch.ones(1, 8), "t5xxl": torch.ones(1, 12)})
    with pytest.raises(EmbeddingError, match="t5xxl, which A1111's layout can't hold"):
        export(flux, "png", tmp_path)
    with pytest.raises(EmbeddingError, match=r"would be taken for a preview"):
        export(Embedding("cat.Preview", WORD.vectors), "png", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_card_of_an_sdxl_word_holds_what_a1111_takes_for_one(tmp_path: Path) -> None:
    """A1111 1.10.1: the chunk is JSON in base64, {"TORCHTENSOR": rows} a tensor; all values have to be tensors."""
    (path,) = export(SDXL, "png", tmp_path)
    with Image.open(path) as card:
        held = json.loads(base64.b64decode(card.info[CHUNK]))
    assert held == {"clip_l": {"TORCHTENSOR": [[1.0] * 8] * 2}, "clip_g": {"TORCHTENSOR": [[0.0] * 10] * 2}}
    Image.open(path).save(tmp_path / "stripped.webp", lossless=True)
    for each in (path, tmp_path / "stripped.webp"):
        assert all(torch.equal(read_embedding(each).vectors[key], rows) for key, rows in SDXL.vectors.items())


def test_the_picture_of_a_card_is_not_larger_than_the_library_looks_at(tmp_path: Path) -> None:
    Image.new("RGB", (9000, 3000)).save(tmp_path / "large.png")
    assert card_picture(tmp_path / "large.png").size == (2048, 683)


def test_a_file_that_exists_stays_unless_it_may_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "cat_2.safetensors").write_text("mine")

    with pytest.raises(Conflict, match=r"cat_2\.safetensors"):
        export(SDXL, "diffusers", tmp_path)

    assert (tmp_path / "cat_2.safetensors").read_text() == "mine"
    assert not (tmp_path / "cat.safetensors").exists()
    export(SDXL, "diffusers", tmp_path, overwrite=True)
    assert (tmp_path / "cat_2.safetensors").read_bytes() != b"mine"
