"""`/ti/tools`: the library's files looked into, converted and merged."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from fastapi.testclient import TestClient
from PIL import Image

from tests.checkpoints import demo_width
from tests.web.conftest import Client
from ti_studio.embeddings.embedding import Embedding
from ti_studio.embeddings.formats.files import file_sha256, read_embedding, write_embedding
from ti_studio.folders import Folders

WIDTH = demo_width()
"""Of the demo checkpoint's rows."""


@pytest.fixture
def add(folders: Folders) -> Callable[..., Path]:
    """Writes an embedding whose numbers are all `value` into the library."""

    def added(word: str, value: float, **shapes: tuple[int, int]) -> Path:
        vectors = {encoder: torch.full(shape, value) for encoder, shape in (shapes or {"clip_l": (2, WIDTH)}).items()}
        path = folders.embeddings / f"{word}.safetensors"
        metadata = {"ti_studio.request": '{"name": "cat", "seed": NaN}', "note": "mine"}
        write_embedding(Embedding(word, vectors, 7, metadata), path)
        return path

    return added


def found(studio: TestClient, query: str = "") -> dict[str, str]:
    answer = studio.get("/ti/tools/embeddings", params={"query": query})
    return {entry["word"]: entry["id"] for entry in answer.json()}


def test_embeddings_are_found_by_parts_of_their_path_those_that_begin_so_first(
    client: Client, add: Callable[..., Path], folders: Folders
) -> None:
    for word in ("a-cat", "cat", "dog"):
        add(word, 1.0)
    (folders.embeddings / "cat-broken.pt").write_bytes(b"nothing")
    assert list(found(client(), "CAT")) == ["cat", "a-cat"]
    assert list(found(client(), "g do")) == ["dog"]


def test_an_embedding_is_looked_into(client: Client, add: Callable[..., Path]) -> None:
    path = add("cat", 0.5)
    studio = client()
    known = studio.get(f"/ti/tools/embeddings/{found(studio)['cat']}").json()
    assert (known["family"], known["step"], known["widths"]) == ("SD 1", 7, {"clip_l": WIDTH})
    assert known["sha256"] == file_sha256(path)
    norms = [(row["encoder"], row["number"], row["norm"]) for row in known["rows"]]
    assert norms == [("clip_l", number, pytest.approx(0.5 * WIDTH**0.5)) for number in (1, 2)]
    assert known["metadata"]["note"] == "mine"
    assert known["request"] == {"name": "cat", "seed": "NaN"}


def test_rows_are_compared_with_the_vocabulary_of_the_checkpoint_that_they_are_for(
    client: Client, add: Callable[..., Path]
) -> None:
    add("cat", 0.5)
    add("large", 0.5, clip_l=(1, 768))
    add("long", 3e38)
    studio = client()
    ids = found(studio)
    compared = studio.get(f"/ti/tools/embeddings/{ids['cat']}/vocabulary").json()
    assert compared["checkpoint"] == "demo"
    assert [len(row["nearest"]) for row in compared["rows"]] == [5, 5]
    assert all(row["relative_norm"] > 0 and -1 <= row["nearest"][0]["cosine"] <= 1 for row in compared["rows"])
    assert studio.get(f"/ti/tools/embeddings/{ids['long']}/vocabulary").status_code == 200
    refused = studio.get(f"/ti/tools/embeddings/{ids['large']}/vocabulary")
    assert refused.status_code == 422
    assert f"the checkpoint demo has {{'clip_l': {WIDTH}}}" in refused.json()["detail"]


def test_an_embedding_is_sent_in_each_layout(client: Client, add: Callable[..., Path], tmp_path: Path) -> None:
    preview = add("cat", 0.5).with_name("cat.preview.png")
    Image.new("RGB", (64, 64), "teal").save(preview)
    studio = client()
    identity = found(studio)["cat"]
    for form in ("safetensors", "pt", "diffusers", "onetrainer", "png"):
        answer = studio.get(f"/ti/tools/embeddings/{identity}/file", params={"form": form, "name": "chat é"})
        ending = "safetensors" if form in ("diffusers", "onetrainer") else form
        assert answer.headers["content-disposition"] == f"attachment; filename*=utf-8''chat%20%C3%A9.{ending}"
        (tmp_path / f"sent.{ending}").write_bytes(answer.content)
        rows = read_embedding(tmp_path / f"sent.{ending}").vectors["clip_l"]
        assert torch.equal(rows, torch.full((2, WIDTH), 0.5))


def test_without_metadata_what_is_sent_converted_and_merged_holds_the_rows_alone(
    client: Client, add: Callable[..., Path], folders: Folders, tmp_path: Path
) -> None:
    add("cat", 0.5)
    studio = client()
    identity = found(studio)["cat"]
    for form in ("safetensors", "pt"):
        answer = studio.get(f"/ti/tools/embeddings/{identity}/file", params={"form": form, "metadata": False})
        (tmp_path / f"sent.{form}").write_bytes(answer.content)
        assert dict(read_embedding(tmp_path / f"sent.{form}").metadata) == {"ti_studio.family": "SD 1"}
    bodies = {"convert": {"embedding": identity}, "merge": {"embeddings": [identity] * 2}}
    for route, body in bodies.items():
        for metadata in (True, False):
            name = f"{route}-{metadata}"
            answer = studio.post(f"/ti/tools/{route}", json={**body, "name": name, "metadata": metadata})
            assert answer.status_code == 200
            written = read_embedding(folders.embeddings / f"{name}.safetensors").metadata
            assert (len(written) > 1) is metadata


def test_of_a_picture_in_a_header_it_is_told_that_it_is_there(client: Client, folders: Folders) -> None:
    metadata = {"modelspec.thumbnail": f"data:image/jpeg;base64,{'A' * 30_000}"}
    rows = {"clip_l": torch.ones(2, WIDTH)}
    write_embedding(Embedding("cat", rows, 7, metadata), folders.embeddings / "cat.safetensors")
    studio = client()

    told = studio.get(f"/ti/tools/embeddings/{found(studio)['cat']}").json()["metadata"]["modelspec.thumbnail"]
    assert told == "data:image/jpeg;base64, … (30,023 characters)"


def test_the_two_files_of_an_sdxl_word_for_diffusers_are_sent_as_one(client: Client, add: Callable[..., Path]) -> None:
    add("cat", 0.5, clip_l=(1, 768), clip_g=(1, 1280))
    studio = client()
    identity = found(studio)["cat"]
    answer = studio.get(f"/ti/tools/embeddings/{identity}/file", params={"form": "diffusers"})
    assert zipfile.ZipFile(io.BytesIO(answer.content)).namelist() == ["cat.safetensors", "cat_2.safetensors"]
    assert studio.get(f"/ti/tools/embeddings/{identity}/file", params={"form": "pt"}).status_code == 200


def test_a_converted_embedding_is_in_the_library_at_once_and_takes_nobodys_name(
    client: Client, add: Callable[..., Path], folders: Folders
) -> None:
    add("cat", 0.5)
    studio = client()
    body = {"embedding": found(studio)["cat"], "name": "kitty", "form": "pt"}
    made = studio.post("/ti/tools/convert", json=body)
    assert (made.status_code, made.json()["file"]) == (200, "kitty.pt")
    assert found(studio)["kitty"] == made.json()["id"]
    for name in ("CAT", "kitty"):
        refused = studio.post("/ti/tools/convert", json={**body, "name": name, "form": "safetensors"})
        assert (refused.status_code, "is taken by" in refused.json()["detail"]) == (409, True)
    assert studio.post("/ti/tools/convert", json={**body, "overwrite": True}).status_code == 200
    assert studio.post("/ti/tools/convert", json={**body, "name": "../x"}).status_code == 422
    assert studio.post("/ti/tools/convert", json={**body, "embedding": "no"}).status_code == 404
    assert sorted(path.name for path in folders.embeddings.iterdir()) == ["cat.safetensors", "kitty.pt"]


def test_a_card_goes_straight_into_the_library_with_the_preview_as_its_picture(
    client: Client, add: Callable[..., Path], folders: Folders
) -> None:
    Image.new("RGB", (64, 64), "teal").save(add("cat", 0.5).with_name("cat.preview.png"))
    studio = client()
    body = {"embedding": found(studio)["cat"], "name": "cat-card", "form": "png"}
    made = studio.post("/ti/tools/convert", json=body).json()
    assert (made["file"], made["word"], made["vectors_per_token"]) == ("cat-card.png", "cat-card", 2)
    with Image.open(folders.embeddings / "cat-card.png") as card:
        assert card.convert("RGB").getpixel((card.width // 2, 32)) == (0, 128, 128)
    shown = {card["word"]: card for card in studio.get("/ti/cards").json()["cards"]}["cat-card"]
    assert studio.get(f"/ti/{shown['picture']}").status_code == 200
    for name, status in (("cat", 409), ("cat-card", 409), ("cat.preview", 422)):
        assert studio.post("/ti/tools/convert", json={**body, "name": name}).status_code == status, name
    merged = studio.post("/ti/tools/merge", json={"embeddings": [made["id"]] * 2, "name": "two", "form": "png"})
    assert (merged.status_code, merged.json()["file"], merged.json()["vectors_per_token"]) == (200, "two.png", 4)


WAYS: tuple[tuple[dict[str, object], list[float]], ...] = (
    ({}, [1.0, 1.0, 3.0, 3.0]),
    ({"how": "average"}, [2.0, 2.0]),
    ({"how": "average", "weights": [1, -1]}, [-2.0, -2.0]),
    ({"how": "slerp", "share": 1}, [3.0, 3.0]),
)


def test_embeddings_are_merged_in_each_way(client: Client, add: Callable[..., Path], folders: Folders) -> None:
    add("one", 1.0)
    add("three", 3.0)
    studio = client()
    ids = found(studio)
    for number, (how, rows) in enumerate(WAYS):
        body = {"embeddings": [ids["one"], ids["three"]], "name": f"both-{number}", **how}
        assert studio.post("/ti/tools/merge", json=body).json()["vectors_per_token"] == len(rows)
        merged = read_embedding(folders.embeddings / f"both-{number}.safetensors")
        assert merged.vectors["clip_l"][:, 0].tolist() == pytest.approx(rows)
        assert f"both-{number}" in found(studio)


WRONG: tuple[tuple[dict[str, object], str], ...] = (
    ({"how": "slerp", "share": 2}, "less than or equal to 1"),
    ({"how": "average", "weights": [1]}, "There are 1 weights for 2 embeddings"),
    ({"how": "average", "weights": [1e38, 1e38]}, "NaN or infinite"),
    ({"name": "one"}, "is taken by one.safetensors"),
    ({"name": ""}, "The name is empty"),
    ({"embeddings": []}, "at least 1 item"),
    ({"embeddings": ["no"]}, "There is no embedding with this id"),
)


def test_what_can_not_be_merged_is_refused_and_nothing_is_written(
    client: Client, add: Callable[..., Path], folders: Folders
) -> None:
    add("one", 1.0)
    add("three", 30.0)
    studio = client()
    ids = list(found(studio).values())
    for wrong, reason in (*WRONG, ({"how": "slerp", "embeddings": ids[:1]}, "expected two")):
        refused = studio.post("/ti/tools/merge", json={"name": "both", "embeddings": ids, **wrong})
        assert refused.status_code in (404, 409, 422)
        assert reason in refused.json()["detail"]
    assert len(list(folders.embeddings.iterdir())) == 2
