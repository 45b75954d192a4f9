"""What the library keeps on disk for its next start."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch

from ti_studio.embeddings.embedding import Embedding, UnreadableEmbedding
from ti_studio.embeddings.formats.files import write_embedding
from ti_studio.embeddings.formats.header_summaries import HeaderSummary
from ti_studio.embeddings.library import index_cache
from ti_studio.embeddings.library import scanner as scanner_module
from ti_studio.embeddings.library.index_cache import index_path, read_index, write_index
from ti_studio.embeddings.library.library import EntryState, Library
from ti_studio.embeddings.library.walk import FileState

SD1 = {"clip_l": 96}
STATE = FileState(5, 10**18, 10**18 + 1, 7)
Make = Callable[..., Embedding]


@pytest.fixture
def root(tmp_path: Path, make: Make, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A few embeddings; the index is written however few they are."""
    monkeypatch.setattr(scanner_module, "WORTH_KEEPING", 1)
    folder = tmp_path / "embeddings"
    (folder / "sub").mkdir(parents=True)
    write_embedding(make("cat", step=3), folder / "cat.safetensors")
    write_embedding(make("dog", clip_l=(4, 96)), folder / "sub" / "dog.pt")
    (folder / "broken.pt").write_bytes(b"hello")
    time.sleep(0.03)
    return folder


def started(root: Path) -> Library:
    library = Library(root, root.parent / "cache")
    library.refresh()
    return library


def test_a_restart_opens_no_file_that_is_as_it_was(root: Path, read: list[str]) -> None:
    first = started(root).entries()
    assert sorted(read) == ["broken.pt", "cat.safetensors", "dog.pt"]
    read.clear()
    again = started(root)
    assert again.entries() == first
    assert read == []
    assert again.load(again.usable(SD1)["dog"]).vectors["clip_l"].shape == (4, 96)
    assert again.entries()[0].state is EntryState.UNREADABLE


def test_what_changed_while_nothing_ran_is_looked_into(root: Path, make: Make, read: list[str]) -> None:
    started(root)
    read.clear()
    write_embedding(make("cat", step=4), root / "cat.safetensors")
    (root / "sub" / "dog.pt").rename(root / "hound.pt")
    (root / "broken.pt").unlink()
    time.sleep(0.03)
    assert [(entry.word, entry.step) for entry in started(root).entries()] == [("cat", 4), ("hound", None)]
    assert sorted(read) == ["cat.safetensors", "hound.pt"]


def test_a_file_overwritten_in_place_with_its_times_kept_is_looked_into(root: Path) -> None:
    path = root / "cat.safetensors"
    then = time.time_ns() - 10**10
    os.utime(path, ns=(then, then))
    time.sleep(0.03)
    started(root)
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"ti_studio.step":"3"', b'"ti_studio.step":"9"'))
    os.utime(path, ns=(then, then))
    time.sleep(0.03)
    assert started(root).usable(SD1)["cat"].step == 9


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-5]),
        lambda path: path.write_bytes(b"\xff" * 100),
        lambda path: path.write_bytes(b"[" * 100_000),
        lambda path: path.write_text("[]"),
        lambda path: path.write_text(path.read_text().replace('"root":"', '"root":"/elsewhere')),
        lambda path: path.write_text(path.read_text().replace('"readers":"', '"readers":"older')),
        lambda path: (path.unlink(), path.mkdir()),
    ],
    ids=["gone", "empty", "cut off", "noise", "deep", "list", "other folder", "other readers", "folder"],
)
def test_an_index_that_is_damaged_or_not_ours_is_ignored(
    root: Path, read: list[str], damage: Callable[[Path], object]
) -> None:
    first = started(root).entries()
    read.clear()
    damage(index_path(root.parent / "cache", root))
    assert started(root).entries() == first
    assert len(read) == 3


@pytest.mark.parametrize(
    "said",
    [
        1,
        [],
        [5, 1, 1, 7],
        [5, 1, "1", 7, None],
        [5, 1, 1, 7, 3],
        [5, 1, 1, 7, [0, None, {"clip_l": 8}, {}]],
        [5, 1, 1, 7, [1, "x", {"clip_l": 8}, {}]],
        [5, 1, 1, 7, [1, None, {}, {}]],
        [5, 1, 1, 7, [1, None, {"clip_l": "8"}, {}]],
        [5, 1, 1, 7, [1, None, {"clip_l": 8}, {"a": 1}]],
        [5, 1, 1, 7, [1, None, {"clip_l": 8}, {"a": "x" * 1000}]],
    ],
)
def test_a_record_that_is_not_what_is_written_is_left_out(tmp_path: Path, said: object) -> None:
    path = tmp_path / "index.json"
    write_index(path, tmp_path, {"cat.pt": (STATE, "is damaged")})
    content = json.loads(path.read_text())
    content["files"]["dog.pt"] = said
    path.write_text(json.dumps(content))
    assert read_index(path, tmp_path) == {"cat.pt": (STATE, "is damaged")}


def test_every_kind_of_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "new" / "index.json"
    files = {
        "a/кот.pt": (STATE, HeaderSummary({"clip_l": 8, "clip_g": 10}, 2, 500, {"ti_studio.trigger": "кот"})),
        "c\udcfft.pt": (STATE, HeaderSummary({"clip_l": 8}, 2, None, {})),
        "b.pt": (STATE, "is damaged"),
        "c.png": (STATE, None),
    }
    write_index(path, tmp_path, files)
    assert read_index(path, tmp_path) == files


def test_other_code_looks_into_every_file_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "index.json"
    write_index(path, tmp_path, {"b.pt": (STATE, "is damaged")})
    monkeypatch.setattr(index_cache.PIL, "__version__", "0")
    assert read_index(path, tmp_path) == {}


def test_an_index_that_cannot_be_written_is_told_and_changes_nothing_else(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (root.parent / "cache").write_text("in the way")
    assert len(started(root).entries()) == 3
    assert "could not be kept for the next start" in caplog.text


def test_a_few_changes_write_no_index(root: Path, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanner_module, "WORTH_KEEPING", 3)
    library = started(root)
    path = index_path(root.parent / "cache", root)
    before = path.read_bytes()
    write_embedding(make("bird"), root / "bird.pt")
    time.sleep(0.03)
    assert library.refresh()
    assert path.read_bytes() == before


def test_without_a_place_nothing_is_kept(root: Path) -> None:
    Library(root).refresh()
    assert [path.name for path in root.parent.iterdir()] == ["embeddings"]


def test_what_only_loading_showed_is_remembered(root: Path, make: Make) -> None:
    safetensors.torch.save_file({"emb_params": torch.full((1, 96), float("nan"))}, root / "odd.safetensors")
    time.sleep(0.03)
    library = started(root)
    with pytest.raises(UnreadableEmbedding, match="NaN"):
        library.load(library.usable(SD1)["odd"])
    write_embedding(make("bird"), root / "bird.pt")  # the next index is written because of it
    time.sleep(0.03)
    library.refresh()
    assert "odd" not in started(root).usable(SD1)
