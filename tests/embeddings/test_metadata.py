import hashlib
import json
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest
import torch

from ti_studio.embeddings.arithmetic import concatenated
from ti_studio.embeddings.embedding import Embedding
from ti_studio.embeddings.formats.files import read_embedding, write_embedding
from ti_studio.embeddings.metadata import Provenance, header_metadata


@pytest.fixture
def provenance() -> Provenance:
    return Provenance(
        trigger="blue-cat",
        family="SD 1",
        vectors_per_token=2,
        step=500,
        checkpoint="demo",
        resolution=(64, 48),
        date=datetime(2026, 11, 21, 12, 30, tzinfo=timezone.utc),
        initialization_text="cat",
        request='{"name": "blue-cat"}',
        dataset={"pictures": 5},
        versions={"ti_studio": "0.1.0"},
    )


def test_the_header_says_where_an_embedding_comes_from(provenance: Provenance) -> None:
    header = header_metadata(provenance)
    assert header["ti_studio.family"] == "SD 1"
    assert header["ti_studio.trigger"] == "blue-cat"
    assert header["ti_studio.step"] == "500"
    assert json.loads(header["ti_studio.dataset"]) == {"pictures": 5}
    assert header["modelspec.sai_model_spec"] == "1.0.1"
    assert header["modelspec.architecture"] == "stable-diffusion-v1/textual-inversion"
    assert header["modelspec.resolution"] == "64x48"
    assert header["modelspec.date"] == "2026-11-21T12:30:00+00:00"
    assert all(isinstance(value, str) for value in header.values())


def test_what_is_unknown_has_no_entry(provenance: Provenance) -> None:
    assert "ti_studio.checkpoint_sha256" not in header_metadata(provenance)


def content_after_the_header(path: Path) -> bytes:
    """As ModelSpec's own example reads a file."""
    data = path.read_bytes()
    return data[8 + int.from_bytes(data[:8], "little") :]


def test_the_header_has_the_hash_of_what_comes_after_it(provenance: Provenance, tmp_path: Path) -> None:
    rows = {"clip_l": torch.rand(2, 8), "clip_g": torch.rand(2, 10)}
    word = Embedding("blue-cat", rows, 500, header_metadata(replace(provenance, family="SDXL")))
    write_embedding(word, tmp_path / "blue-cat.safetensors")
    write_embedding(word, tmp_path / "blue-cat.pt")
    read = read_embedding(tmp_path / "blue-cat.safetensors")
    write_embedding(replace(read, vectors={key: value * 2 for key, value in rows.items()}), tmp_path / "x.safetensors")

    for path in (tmp_path / "blue-cat.safetensors", tmp_path / "x.safetensors"):
        expected = hashlib.sha256(content_after_the_header(path)).hexdigest()
        assert read_embedding(path).metadata["modelspec.hash_sha256"] == f"0x{expected}"
    assert read.metadata["modelspec.sai_model_spec"] == "1.0.1"


def test_a_hash_is_not_carried_on_to_other_rows(provenance: Provenance, tmp_path: Path) -> None:
    word = Embedding("cat", {"clip_l": torch.rand(2, 8)}, 500, header_metadata(provenance))
    write_embedding(word, tmp_path / "cat.safetensors")
    read = read_embedding(tmp_path / "cat.safetensors")

    write_embedding(read, tmp_path / "cat.pt")
    write_embedding(concatenated("two", [read, read]), tmp_path / "two.safetensors")

    for name in ("cat.pt", "two.safetensors"):
        assert "modelspec.hash_sha256" not in read_embedding(tmp_path / name).metadata
