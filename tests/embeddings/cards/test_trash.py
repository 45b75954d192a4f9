"""The trash of the embeddings folder."""

from pathlib import Path

import pytest

from ti_studio.embeddings.cards import file_groups
from ti_studio.embeddings.cards.trash import Trash


def test_a_deletion_that_is_cut_off_loses_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [tmp_path / "cat.pt", tmp_path / "cat.json", tmp_path / "cat.txt"]
    for path in files:
        path.write_text(path.name)
    move = file_groups._put

    def cut_off(source: Path, target: Path) -> None:
        if source.name == "cat.json":
            raise KeyboardInterrupt
        move(source, target)

    monkeypatch.setattr(file_groups, "_put", cut_off)
    with pytest.raises(KeyboardInterrupt):
        Trash(tmp_path).put(files)

    left = {path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    assert {"cat.pt", "cat.json", "cat.txt"} <= left


def test_a_deletion_that_fails_leaves_nothing_in_the_trash(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="could not be moved"):
        Trash(tmp_path).put([tmp_path / "gone.pt"])

    assert Trash(tmp_path).items() == []
    assert not any((tmp_path / ".trash").iterdir())
