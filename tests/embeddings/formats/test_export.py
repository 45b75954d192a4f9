"""Embeddings written for other programs, read by the programs where they are here, and read again."""

import base64
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers.loaders.textual_inversion import load_textual_inversion_state_dicts
from PIL import Image
from safetensors.torch import load_file

from ti_studio.embeddings.arithmetic import of_two_files
from ti_studio.embeddings.embedding import Embedding, EmbeddingError
from ti_studio.embeddings.formats.export import FORMATS, card_picture, export
from ti_studio.embeddings.formats.files import read_embedding
from ti_studio.embeddings.formats.png_embeddings import CHUNK
from ti_studio.errors import Conflict

GOLDEN = Path(__file__).resolve().parents[2] / "golden"
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


@pytest.mark.parametrize(
    ("vectors", "keys"),
    [
        ({"clip_l": 768}, ["emp_params"]),
        ({"clip_h": 1024}, ["emp_params"]),
        ({"clip_l": 768, "clip_g": 1280}, ["clip_g", "clip_l"]),
        ({"clip_l": 768, "t5xxl": 4096}, ["clip_l", "t5"]),
        ({"clip_g": 1280}, ["clip_g"]),
    ],
)
def test_onetrainers_files_have_its_keys_and_are_read_again(
    tmp_path: Path, vectors: dict[str, int], keys: list[str]
) -> None:
    """Its `_setup_embeddings` asks for these keys and no others."""
    word = Embedding("cat", {encoder: torch.rand(2, width) for encoder, width in vectors.items()}, 7)

    (path,) = export(word, "onetrainer", tmp_path)

    assert sorted(load_file(path)) == keys
    again = read_embedding(path)
    assert again.step == 7
    assert again.vectors.keys() == word.vectors.keys()
    assert all(torch.equal(again.vectors[encoder], rows) for encoder, rows in word.vectors.items())


def test_onetrainer_has_no_key_for_some_encoders(tmp_path: Path) -> None:
    with pytest.raises(EmbeddingError, match="rows for qwen3_4b, for which OneTrainer has no key"):
        export(Embedding("cat", {"qwen3_4b": torch.ones(1, 8)}), "onetrainer", tmp_path)


def test_what_onetrainer_wrote_becomes_a_file_with_comfyuis_keys(tmp_path: Path) -> None:
    flux = read_embedding(GOLDEN / "onetrainer_flux.safetensors")
    after_output = read_embedding(GOLDEN / "onetrainer_after_output.safetensors")

    paths = [*export(flux, "safetensors", tmp_path), *export(after_output, "safetensors", tmp_path)]

    assert [sorted(load_file(path)) for path in paths] == [["clip_l", "t5xxl"], ["emb_params"]]


def test_rows_of_another_models_encoder_keep_its_name(tmp_path: Path) -> None:
    """Under `emb_params` they would be taken for an SD 1 word."""
    word = Embedding("cat", {"t5xxl": torch.ones(1, 4096)})

    (path,) = export(word, "safetensors", tmp_path)

    assert read_embedding(path).vectors.keys() == {"t5xxl"}
    for form in ("pt", "png"):
        with pytest.raises(EmbeddingError, match="t5xxl, which A1111's layout can't hold"):
            export(word, form, tmp_path)


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


def test_the_picture_of_a_card_looks_as_its_file_whatever_its_depth(tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 4), 0x8000, np.uint16)).save(tmp_path / "deep.png")
    Image.new("RGBA", (8, 4), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    assert card_picture(tmp_path / "deep.png").getpixel((0, 0)) == (128, 128, 128)
    assert card_picture(tmp_path / "clear.png").getpixel((0, 0)) == (255, 255, 255)


def test_a_file_that_exists_stays_unless_it_may_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "cat_2.safetensors").write_text("mine")

    with pytest.raises(Conflict, match=r"cat_2\.safetensors"):
        export(SDXL, "diffusers", tmp_path)

    assert (tmp_path / "cat_2.safetensors").read_text() == "mine"
    assert not (tmp_path / "cat.safetensors").exists()
    export(SDXL, "diffusers", tmp_path, overwrite=True)
    assert (tmp_path / "cat_2.safetensors").read_bytes() != b"mine"
