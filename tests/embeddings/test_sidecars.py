from pathlib import Path

import pytest

from ti_studio.embeddings.sidecars import Card, find_preview, preview_path, read_card


def test_a_preview_is_written_beside_the_embedding(tmp_path: Path) -> None:
    assert preview_path(tmp_path / "cat.v2.safetensors") == tmp_path / "cat.v2.preview.png"


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ([], None),
        (["dog.png"], None),
        (["cat.preview.png"], "cat.preview.png"),
        (["cat.preview.png", "cat.webp"], "cat.webp"),
        (["cat.jpg", "cat.png"], "cat.png"),
        (["CAT.PNG"], "CAT.PNG"),
        (["cat.preview.avif"], "cat.preview.avif"),
        (["cat.jxl", "cat.preview.png"], "cat.jxl"),
    ],
)
def test_the_picture_with_the_bare_name_is_the_preview_before_the_one_called_preview(
    tmp_path: Path, names: list[str], found: str | None
) -> None:
    for name in names:
        (tmp_path / name).touch()
    assert find_preview(tmp_path / "cat.pt") == (tmp_path / found if found else None)


def test_a_missing_folder_has_no_preview(tmp_path: Path) -> None:
    assert find_preview(tmp_path / "nowhere" / "cat.pt") is None


def test_a_card_without_sidecars_is_empty(tmp_path: Path) -> None:
    assert read_card(tmp_path / "cat.pt") == Card()


def test_the_json_description_comes_before_the_text(tmp_path: Path) -> None:
    (tmp_path / "cat.txt").write_text("from the text")
    assert read_card(tmp_path / "cat.pt").description == "from the text"
    (tmp_path / "cat.json").write_text('\ufeff{"description": "from the JSON", "notes": "mine"}', encoding="utf-8")
    assert read_card(tmp_path / "cat.pt") == Card("from the JSON", "mine")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", "cat.json is not JSON"),
        ("[" * 100_000, "cat.json is not JSON"),
        ("[]", "cat.json is not a JSON object"),
        (" " * (2**20 + 1), "cat.json is larger than 1,048,576 bytes"),
    ],
)
def test_a_damaged_sidecar_is_reported_and_the_others_are_still_read(
    tmp_path: Path, content: str, problem: str
) -> None:
    (tmp_path / "cat.json").write_text(content)
    (tmp_path / "cat.txt").write_text("a cat")
    assert read_card(tmp_path / "cat.pt") == Card("a cat", "", problem)


def test_how_a_word_is_used_is_read_as_a1111s_editors_write_it(tmp_path: Path) -> None:
    (tmp_path / "cat.json").write_text(
        '{"description": "", "preferred weight": 0.8, "activation text": "", "negative text": "cat",'
        ' "tags": ["a", 1, "a"]}'
    )
    (tmp_path / "cat.txt").write_text("an older description")
    assert read_card(tmp_path / "cat.pt") == Card(tags=("a",), weight=0.8, negative=True)


@pytest.mark.parametrize("weight", ["0", "0.0", "true", '"1"', "1e99", "NaN", "null"])
def test_a_weight_that_is_none_is_none(tmp_path: Path, weight: str) -> None:
    (tmp_path / "cat.json").write_text(f'{{"preferred weight": {weight}}}')
    assert read_card(tmp_path / "cat.pt") == Card()
