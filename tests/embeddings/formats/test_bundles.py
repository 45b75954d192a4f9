"""Embeddings inside LoRA files."""

import contextlib
import tempfile
from pathlib import Path

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ti_studio.embeddings.embedding import UnreadableEmbedding
from ti_studio.embeddings.formats import bundles
from ti_studio.embeddings.formats.bundles import read_embeddings
from ti_studio.embeddings.library.library import EntryState, Library

GOLDEN = Path(__file__).resolve().parents[2] / "golden"


def rows(count: int, width: int) -> Tensor:
    return torch.arange(count * width, dtype=torch.float32).reshape(count, width) / 64


def saved(path: Path, tensors: dict[str, Tensor]) -> Path:
    safetensors.torch.save_file(tensors, path)
    return path


def test_each_embedding_of_a_lora_is_read_under_its_own_name() -> None:
    found = {embedding.name: embedding for embedding in read_embeddings(GOLDEN / "lora_bundle.safetensors")}
    assert {name: embedding.family for name, embedding in found.items()} == {
        "big-cat": "SDXL",
        "cat": "SD 1",
        "old cat": "SD 1",
    }
    assert torch.equal(found["old cat"].vectors["clip_l"], rows(3, 8))
    assert torch.equal(found["cat"].vectors["clip_l"], rows(2, 8))
    assert torch.equal(found["big-cat"].vectors["clip_g"], rows(2, 10))


def test_any_other_file_holds_one_embedding() -> None:
    for name in ("a1111_zip.pt", "sd_scripts_sdxl.safetensors"):
        (embedding,) = read_embeddings(GOLDEN / name)
        assert embedding.name == Path(name).stem


def test_an_output_embedding_in_a_lora_is_refused_by_its_name(tmp_path: Path) -> None:
    """OneTrainer's LoRA savers put it in as `clip_l_out`, beside rows of zeros."""
    tensors = {"bundle_emb.cat.clip_l": torch.zeros(2, 8), "bundle_emb.cat.clip_l_out": rows(2, 8)}
    with pytest.raises(UnreadableEmbedding, match="'cat' that can't be read: it is an output embedding of OneTrainer"):
        read_embeddings(saved(tmp_path / "lora.safetensors", tensors))


def test_a_name_may_have_dots_in_it(tmp_path: Path) -> None:
    path = saved(tmp_path / "lora.safetensors", {"bundle_emb.cat.v2.emb_params": rows(1, 8)})
    assert [embedding.name for embedding in read_embeddings(path)] == ["cat.v2"]


def test_only_the_bundled_tensors_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "MAX_FILE_BYTES", 100)
    lora = {"lora_unet.weight": torch.zeros(1000, 1000), "bundle_emb.cat.clip_l": rows(1, 8)}
    (embedding,) = read_embeddings(saved(tmp_path / "lora.safetensors", lora))
    assert torch.equal(embedding.vectors["clip_l"], rows(1, 8))
    lora["bundle_emb.cat.clip_l"] = rows(9, 8)
    with pytest.raises(UnreadableEmbedding, match="has 288 bytes of bundled embeddings; expected at most 100"):
        read_embeddings(saved(tmp_path / "lora.safetensors", lora))


@pytest.mark.parametrize(
    ("tensors", "reason"),
    [
        ({"bundle_emb.cat": rows(1, 8)}, "'bundle_emb.cat' names no bundled embedding"),
        ({"bundle_emb..clip_l": rows(1, 8)}, "names no bundled embedding"),
        ({"bundle_emb.cat.clip_l": torch.ones(1, 8, dtype=torch.int32)}, "holds I32; expected one of"),
        ({"bundle_emb.cat.clip_l": torch.ones(1, 8, 2)}, "bundled embedding 'cat' that can't be read: it is not"),
        ({"bundle_emb.cat.a": rows(1, 8), "bundle_emb.cat.b": rows(1, 8)}, "found 'a', 'b'"),
        ({"bundle_emb.cat.clip_l": torch.full((1, 8), float("nan"))}, "NaN"),
        ({"lora_unet.weight": rows(4, 8), "lora_unet.alpha": rows(1, 8)}, "is not an embedding"),
    ],
)
def test_what_can_not_be_read_is_refused_with_its_reason(
    tmp_path: Path, tensors: dict[str, Tensor], reason: str
) -> None:
    with pytest.raises(UnreadableEmbedding, match=reason) as error:
        read_embeddings(saved(tmp_path / "lora.safetensors", tensors))
    assert str(error.value).startswith("lora.safetensors ")


def test_in_the_library_such_a_file_says_what_to_do_with_it(tmp_path: Path) -> None:
    (tmp_path / "lora.safetensors").write_bytes((GOLDEN / "lora_bundle.safetensors").read_bytes())
    library = Library(tmp_path)
    library.refresh()
    (entry,) = library.entries()
    assert entry.state is EntryState.UNREADABLE
    assert "is a LoRA with embeddings bundled in it" in str(entry.reason)
    assert "`convert` writes each as a file of its own" in str(entry.reason)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 700), st.binary(max_size=4), st.integers(0, 4))
def test_damaged_files_are_refused_and_nothing_else_happens(at: int, noise: bytes, taken: int) -> None:
    content = bytearray((GOLDEN / "lora_bundle.safetensors").read_bytes())
    content[at : at + taken] = noise
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lora.safetensors"
        path.write_bytes(content)
        with contextlib.suppress(UnreadableEmbedding):
            assert read_embeddings(path)
