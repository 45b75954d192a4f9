"""Cards of a library: sorted, filtered, and with what lies beside each embedding now."""

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ti_studio.embeddings.cards import card_index
from ti_studio.embeddings.cards.card_index import CardIndex, CardQuery, Sort
from ti_studio.embeddings.embedding import Embedding
from ti_studio.embeddings.formats.files import write_embedding
from ti_studio.embeddings.library.last_used import MAX_KNOWN, LastUsed
from ti_studio.embeddings.library.library import Library
from ti_studio.embeddings.sidecars import Card, read_card


@pytest.fixture
def library(tmp_path: Path, make: Callable[..., Embedding]) -> Library:
    """`cat10` and `Cat9` in folders, and an `owl` for another checkpoint."""
    for number, name in enumerate(["b/cat10.pt", "a/Cat9.pt", "a/deep/fox.pt", "owl.pt", "ab/elk.pt"]):
        path = tmp_path / "embeddings" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_embedding(make(path.stem, clip_l=(1, 768 if path.stem == "owl" else 96)), path)
        os.utime(path, (1000 - number, 1000 - number))
    library = Library(tmp_path / "embeddings")
    library.refresh()
    return library


@pytest.mark.parametrize(
    ("query", "words"),
    [
        (CardQuery(), ["Cat9", "fox", "elk", "cat10", "owl"]),
        (CardQuery(descending=True), ["owl", "cat10", "elk", "fox", "Cat9"]),
        (CardQuery(Sort.NAME), ["Cat9", "cat10", "elk", "fox", "owl"]),
        (CardQuery(Sort.MODIFIED), ["elk", "owl", "fox", "Cat9", "cat10"]),
        (CardQuery(Sort.CREATED), ["cat10", "Cat9", "fox", "owl", "elk"]),
        (CardQuery(Sort.USED, descending=True), ["fox", "owl", "cat10", "elk", "Cat9"]),
        (CardQuery(folder="a"), ["Cat9", "fox"]),
        (CardQuery(folder="a/deep/"), ["fox"]),
        (CardQuery(fits=True), ["Cat9", "fox", "elk", "cat10"]),
    ],
)
def test_cards_come_in_the_order_and_choice_that_is_asked_for(
    library: Library, tmp_path: Path, query: CardQuery, words: list[str]
) -> None:
    used = LastUsed(tmp_path / "used.json")
    used.record(["a/deep/fox.pt"])
    chosen = CardIndex(used).select(library.entries({"clip_l": 96}), query)
    assert [entry.word for entry in chosen] == words


def test_a_few_cards_do_not_wait_for_many_that_are_being_read(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_word = {entry.word: entry for entry in library.entries()}
    for entry in by_word.values():
        entry.path.with_suffix(".txt").write_text(entry.word)
    go_on = threading.Event()

    def slow_at_owls(path: Path) -> Card:
        assert path.stem != "owl" or go_on.wait(30)
        return read_card(path)

    monkeypatch.setattr(card_index, "read_card", slow_at_owls)
    index = CardIndex(LastUsed(tmp_path / "used.json"))
    with ThreadPoolExecutor() as others:
        many = others.submit(index.cards, [by_word["owl"], *by_word.values()])
        try:
            few = others.submit(index.cards, [by_word["fox"]]).result(timeout=10)
            assert [full.card.description for full in few] == ["fox"] and not many.done()
        finally:
            go_on.set()
        assert {full.card.description for full in many.result(timeout=10)} == set(by_word)


def test_what_lies_beside_an_embedding_is_seen_when_it_changes(library: Library, tmp_path: Path) -> None:
    index = CardIndex(LastUsed(tmp_path / "used.json"))

    def owl() -> tuple[str, str | None]:
        library.refresh()
        found = index.cards([entry for entry in library.entries() if entry.word == "owl"])[0]
        return found.card.description, found.picture

    beside = library.root / "owl.txt"
    assert owl() == ("", None)
    beside.write_text("one")
    assert owl() == ("one", None)
    (library.root / "owl.json").write_text('{"description": "two"}')
    assert owl()[0] == "two"
    (library.root / "owl.json").write_text('{"description": "three"}')
    assert owl()[0] == "three"
    (library.root / "owl.png").write_bytes(b"x")
    first = owl()[1]
    assert first
    (library.root / "owl.png").write_bytes(b"xy")
    assert owl()[1] not in (first, None)
    (library.root / "owl.json").unlink()
    beside.unlink()
    assert owl()[0] == ""


def test_nothing_is_read_again_that_has_not_changed(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (library.root / "owl.txt").write_text("an owl")
    index = CardIndex(LastUsed(tmp_path / "used.json"))
    index.cards(library.entries())
    monkeypatch.setattr("ti_studio.embeddings.cards.card_index.read_card", None)
    assert [card.card.description for card in index.cards(library.entries())][-1] == "an owl"


def test_uses_are_kept_and_a_renamed_file_keeps_its_own(tmp_path: Path) -> None:
    used = LastUsed(tmp_path / "outputs" / "used.json")
    before = time.time()
    used.record(["cat.pt", "zoo/dog.pt"])
    used.rename("cat.pt", "tom.pt")
    used.record([])
    again = LastUsed(tmp_path / "outputs" / "used.json").times()
    assert again.keys() == {"tom.pt", "zoo/dog.pt"}
    assert before <= again["tom.pt"] <= time.time()


def test_a_damaged_note_of_uses_is_none_and_old_ones_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "used.json"
    path.write_text("{broken")
    used = LastUsed(path)
    assert used.times() == {}
    used.record([f"{number}.pt" for number in range(MAX_KNOWN)])
    time.sleep(0.01)
    used.record(["new.pt"])
    assert len(used.times()) == MAX_KNOWN
    assert "new.pt" in used.times()
