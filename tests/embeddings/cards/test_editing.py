"""What is written about an embedding, into A1111's file beside it."""

import json
from pathlib import Path

import pytest

from ti_studio.embeddings.cards.editing import CardChange, DamagedCard, rename_in_card, write_card
from ti_studio.embeddings.sidecars import Card


def test_what_was_there_stays_and_what_is_said_is_written_under_a1111s_keys(tmp_path: Path) -> None:
    path = tmp_path / "cat.json"
    path.write_text('{"description": "old", "civitai": {"id": 5}, "notes": "mine"}')
    change = CardChange(description="«new»", tags=("pet", "fur"), weight=0.8, negative=True)
    assert write_card(tmp_path / "cat.pt", change, "SDXL") == Card("«new»", "mine", None, ("pet", "fur"), 0.8, True)
    assert json.loads(path.read_text(encoding="utf-8")) == {
        "description": "«new»",
        "civitai": {"id": 5},
        "notes": "mine",
        "tags": ["pet", "fur"],
        "preferred weight": 0.8,
        "activation text": "",
        "negative text": "cat",
        "sd version": "SDXL",
    }


def test_a_description_can_be_taken_away_though_there_is_a_text_file(tmp_path: Path) -> None:
    (tmp_path / "cat.txt").write_text("from the text")
    assert write_card(tmp_path / "cat.pt", CardChange(description="")).description == ""
    assert write_card(tmp_path / "cat.pt", CardChange(notes="x")) == Card("", "x")
    assert (tmp_path / "cat.txt").read_text() == "from the text"


@pytest.mark.parametrize("negative_text", ["", "blurry, bad hands"])
def test_negative_is_told_and_taken_back_and_nobodys_text_is_lost(tmp_path: Path, negative_text: str) -> None:
    (tmp_path / "cat.json").write_text(json.dumps({"negative text": negative_text}))
    assert write_card(tmp_path / "cat.pt", CardChange(negative=True)).negative
    assert not write_card(tmp_path / "cat.pt", CardChange(negative=False)).negative
    assert json.loads((tmp_path / "cat.json").read_text())["negative text"] == negative_text


def test_a_file_that_can_not_be_read_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "cat.json").write_text("{broken")
    with pytest.raises(DamagedCard, match=r"cat\.json is not JSON"):
        write_card(tmp_path / "cat.pt", CardChange(notes="x"))
    assert (tmp_path / "cat.json").read_text() == "{broken"


def test_a_renamed_word_is_called_by_its_new_name(tmp_path: Path) -> None:
    (tmp_path / "dog.json").write_text('{"negative text": "cat", "activation text": "a cat", "notes": "cat"}')
    rename_in_card(tmp_path / "dog.pt", "cat")
    written = json.loads((tmp_path / "dog.json").read_text())
    assert written == {"negative text": "dog", "activation text": "a cat", "notes": "cat"}
