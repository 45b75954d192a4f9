"""The comparison of libraries, on a few files."""

from pathlib import Path

import pytest

from ti_studio.embeddings.library.library import EntryState, Library
from tools.benchmark_library import main
from tools.library_benchmark.files import write_library
from tools.library_benchmark.measures import Place, ours, ours_in_prompts, plain


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "embeddings", tmp_path / "cache", write_library(tmp_path / "embeddings", 120))


def test_every_file_is_one_that_can_be_used(place: Place) -> None:
    library = Library(place.root)
    library.refresh()
    assert sorted(entry.word for entry in library.entries()) == sorted(place.words)
    assert {entry.state for entry in library.entries()} == {EntryState.USABLE}
    assert {entry.family for entry in library.entries()} == {"SD 1", "SDXL"}


def test_each_measure_says_how_long_everything_took(place: Place) -> None:
    for told, keys in (
        (ours(place), {"start", "unchanged", "changed"}),
        (ours_in_prompts(place), {"first", "prompt", "finding"}),
        (plain(place), {"start", "unchanged", "changed", "finding"}),
    ):
        assert told.keys() - {"memory"} == keys
        assert all(told[key]["wall"] > 0 and told[key]["cpu"] >= 0 for key in keys)


def test_the_program_prints_a_table(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"wall": 0.01234, "cpu": 1e-5}
    keys = ("start", "unchanged", "changed", "first", "prompt", "finding")
    monkeypatch.setattr("tools.benchmark_library._run", lambda *_: dict.fromkeys(keys, told) | {"memory": 12_000_000})
    monkeypatch.setattr("sys.argv", ["benchmark_library", "--files", "8"])
    main()
    assert "| restart | 12 ms (0.01 ms) | 12 ms (0.01 ms) |" in capsys.readouterr().out
