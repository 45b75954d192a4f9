"""`/ti/cards` and the changes of files by id."""

import gzip
import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from tests.web.conftest import Client
from ti_studio.folders import Folders
from ti_studio.jobs.name_lock import holding, name_lock
from ti_studio.web.routes.cards import CardsView
from ti_studio.web.server.services import Services

Add = Callable[..., Path]


def png(colour: str = "red", side: int = 8) -> bytes:
    """A picture."""
    buffer = BytesIO()
    Image.new("RGB", (side, side), colour).save(buffer, "PNG")
    return buffer.getvalue()


def test_cards_come_in_pages_and_everything_at_once(client: Client, folders: Folders, add_embedding: Add) -> None:
    for number in range(12):
        add_embedding(f"cat{number}", folder="zoo")
    add_embedding("for-sd1", width=768)
    beside = {"description": "long " * 100, "tags": ["a"], "preferred weight": 0.8, "negative text": "cat2"}
    (folders.embeddings / "zoo" / "cat2.json").write_text(json.dumps(beside))
    studio = client()
    asked = {"sort": "name", "descending": True, "folder": "zoo", "fits": True, "limit": 2, "offset": 8}
    page = CardsView.model_validate(studio.get("/ti/cards", params=asked).json())
    assert (page.all, page.total, page.offset, page.checkpoint) == (13, 12, 8, "demo")
    assert [card.word for card in page.cards] == ["cat3", "cat2"]
    cat2 = page.cards[1]
    assert (cat2.file, cat2.vectors, cat2.step, cat2.family) == ("zoo/cat2.safetensors", 2, 5, "SD 1")
    assert (len(cat2.description), cat2.tags, cat2.weight, cat2.negative) == (200, ["a"], 0.8, True)
    everything = CardsView.model_validate(studio.get("/ti/cards", params={"limit": 100_000}).json())
    assert len(everything.cards) == 13
    assert everything.cards[0].reason


def test_everything_is_packed_and_sent_again_only_when_it_has_changed(client: Client, add_embedding: Add) -> None:
    path = add_embedding("cat")
    for number in range(10):
        add_embedding(f"cat{number}")
    studio = client()
    first = studio.get("/ti/cards?limit=100000")
    assert first.headers["content-encoding"] == "gzip"
    plain = studio.get("/ti/cards?limit=100000", headers={"Accept-Encoding": "identity"})
    assert (plain.json(), "content-encoding" in plain.headers) == (first.json(), False)
    tag = {"If-None-Match": first.headers["etag"]}
    assert studio.get("/ti/cards?limit=100000", headers=tag).status_code == 304
    path.with_suffix(".txt").write_text("a cat")
    changed = studio.get("/ti/cards?limit=100000", headers=tag)
    assert changed.json()["cards"][0]["description"] == "a cat"
    assert gzip.decompress(gzip.compress(changed.content)) == changed.content


def test_what_is_said_of_an_embedding_is_described_and_written(
    client: Client, folders: Folders, add_embedding: Add
) -> None:
    add_embedding("cat")
    studio = client()
    cat = studio.get("/ti/cards").json()["cards"][0]["id"]
    body = {"description": "x", "notes": "n", "tags": ["b ", "b"], "preferred_weight": 0.5, "negative": True}
    written = studio.patch(f"/ti/embeddings/{cat}", json=body).json()
    assert written == studio.get(f"/ti/embeddings/{cat}").json()
    assert {name: written[name] for name in body} == {**body, "tags": ["b"]}
    assert (written["in_training"], written["used"], written["card_problem"]) == (False, None, None)
    assert len(written["sha256"]) == 64
    assert json.loads((folders.embeddings / "cat.json").read_text())["sd version"] == "SD1"
    for wrong in ({"preferred_weight": 11}, {"tags": ["a,b"]}, {"tags": [""]}, {"path": "x"}, {"notes": 5}):
        assert studio.patch(f"/ti/embeddings/{cat}", json=wrong).status_code == 422, wrong
    (folders.embeddings / "cat.json").write_text("[]")
    refused = studio.patch(f"/ti/embeddings/{cat}", json={"notes": "x"})
    assert (refused.status_code, "cat.json is not a JSON object" in refused.json()["detail"]) == (409, True)
    assert studio.get(f"/ti/embeddings/{cat}").json()["card_problem"] == "cat.json is not a JSON object"


def test_an_embedding_is_renamed_moved_copied_deleted_and_brought_back(client: Client, add_embedding: Add) -> None:
    add_embedding("cat")
    studio = client()

    def files() -> list[str]:
        return [card["file"] for card in studio.get("/ti/cards").json()["cards"]]

    cat = studio.get("/ti/cards").json()["cards"][0]["id"]
    tom = studio.post(f"/ti/embeddings/{cat}/rename", json={"name": "tom"}).json()
    assert (tom["word"], files()) == ("tom", ["tom.safetensors"])
    moved = studio.post(f"/ti/embeddings/{tom['id']}/move", json={"folder": "zoo/big"}).json()
    assert files() == ["zoo/big/tom.safetensors"]
    copy = studio.post(f"/ti/embeddings/{moved['id']}/duplicate", json={})
    assert (copy.status_code, copy.json()["word"]) == (201, "tom-2")
    gone = studio.delete(f"/ti/embeddings/{moved['id']}").json()
    assert files() == ["zoo/big/tom-2.safetensors"]
    assert [item["name"] for item in studio.get("/ti/trash").json()] == ["tom.safetensors"]
    back = studio.post(f"/ti/trash/{gone['id']}/restore").json()
    assert (back["embedding"]["id"], len(files())) == (moved["id"], 2)
    studio.delete(f"/ti/embeddings/{moved['id']}")
    assert studio.delete("/ti/trash").json() == {"items": 1}
    assert studio.post(f"/ti/trash/{gone['id']}/restore").status_code == 404


def test_what_can_not_be_done_is_answered_with_why_and_leaves_everything(
    client: Client, folders: Folders, add_embedding: Add, tmp_path: Path
) -> None:
    for name in ("cat", "dog"):
        add_embedding(name)
    studio = client()
    cat, dog = (card["id"] for card in studio.get("/ti/cards").json()["cards"])
    orders = [
        (409, f"{cat}/rename", {"name": "dog"}),
        (422, f"{cat}/rename", {"name": "../dog"}),
        (422, f"{cat}/rename", {}),
        (422, f"{cat}/move", {"folder": "../.."}),
        (404, "0123456789abcdef/rename", {"name": "x"}),
        (404, "..%2f..%2fetc/rename", {"name": "x"}),
    ]
    for status, path, body in orders:
        answer = studio.post(f"/ti/embeddings/{path}", json=body)
        assert (answer.status_code, bool(answer.json()["detail"])) == (status, True), path
    with holding(name_lock(folders.embeddings, "cat"), "cat", tmp_path):
        assert studio.get(f"/ti/embeddings/{cat}").json()["in_training"]
        refused = studio.delete(f"/ti/embeddings/{cat}")
        assert (refused.status_code, "is being trained" in refused.json()["detail"]) == (409, True)
    assert len(studio.get("/ti/cards").json()["cards"]) == 2
    assert studio.get(f"/ti/embeddings/{dog}/file").content == (folders.embeddings / "dog.safetensors").read_bytes()


def test_a_preview_is_replaced_by_a_picture_and_comes_back(
    client: Client, folders: Folders, add_embedding: Add
) -> None:
    preview = add_embedding("cat").with_name("cat.png")
    preview.write_bytes(png("red"))
    studio = client()
    cat = studio.get("/ti/cards").json()["cards"][0]
    changed = studio.put(f"/ti/embeddings/{cat['id']}/preview", content=png("blue", 2000)).json()
    with Image.open(folders.embeddings / "cat.preview.png") as image:
        assert (image.size, image.getpixel((0, 0)), preview.exists()) == ((1024, 1024), (0, 0, 255), False)
    body = {"trash": changed["trash"]}
    studio.post(f"/ti/embeddings/{cat['id']}/preview/restore", json=body)
    assert studio.get(f"/ti/embeddings/{cat['id']}/preview").content == png("red")
    assert studio.delete(f"/ti/embeddings/{cat['id']}/preview").json()["embedding"]["preview"] is None
    for content in (b"", b"<svg/>", b"MZ" * 100):
        refused = studio.put(f"/ti/embeddings/{cat['id']}/preview", content=content)
        assert (refused.status_code, "no picture" in refused.json()["detail"]) == (422, True)


def test_a_thumbnail_is_small_and_kept_by_the_browser_until_the_preview_changes(
    client: Client, add_embedding: Add
) -> None:
    preview = add_embedding("cat").with_name("cat.png")
    preview.write_bytes(png(side=900))
    studio = client()
    card = studio.get("/ti/cards").json()["cards"][0]
    answer = studio.get(f"/ti/{card['picture']}")
    with Image.open(BytesIO(answer.content)) as image:
        assert image.size == (320, 320)
    assert answer.headers["content-type"] == "image/webp"
    assert "immutable" in answer.headers["cache-control"]
    assert "no-cache" in studio.get(f"/ti/embeddings/{card['id']}/thumbnail?v=old").headers["cache-control"]
    preview.write_bytes(b"no picture")
    assert studio.get(f"/ti/embeddings/{card['id']}/thumbnail").status_code == 422


@pytest.mark.skipif("sys.platform == 'win32'", reason="links want a right there")
def test_a_file_that_is_a_link_to_somewhere_else_is_not_sent(
    client: Client, add_embedding: Add, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(png())
    add_embedding("cat").with_name("cat.png").symlink_to(secret)
    studio = client()
    card = studio.get("/ti/cards").json()["cards"][0]
    for path in ("preview", "thumbnail"):
        assert studio.get(f"/ti/embeddings/{card['id']}/{path}").status_code == 404
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "dog.png").write_bytes(png())
    add_embedding("dog").rename(linked / "dog.safetensors")
    (secret.parent / "data" / "embeddings" / "more").symlink_to(linked, target_is_directory=True)
    dog = next(card for card in studio.get("/ti/cards").json()["cards"] if card["word"] == "dog")
    assert studio.get(f"/ti/embeddings/{dog['id']}/preview").status_code == 200
    assert studio.delete(f"/ti/embeddings/{dog['id']}").status_code == 403


def test_a_use_is_shown(client: Client, services: Services, add_embedding: Add) -> None:
    add_embedding("cat", folder="zoo")
    services.txt2img.last_used.record(["zoo/cat.safetensors"])
    studio = client()
    card = studio.get("/ti/cards").json()["cards"][0]
    assert card["used"] > 1_700_000_000
    described = studio.get(f"/ti/embeddings/{card['id']}").json()
    assert described["used"] == pytest.approx(card["used"], abs=0.001)  # a card's is rounded


def test_half_a_character_an_old_lock_and_a_name_that_is_too_long_for_one_break_nothing(
    client: Client, folders: Folders, add_embedding: Add
) -> None:
    halves = '{"description": "\\ud800", "tags": ["\\udc00", "b"], "notes": "\\ud83d"}'
    add_embedding("cat").with_suffix(".json").write_text(halves)
    name_lock(folders.embeddings, "cat").touch()
    long = add_embedding("long").rename(folders.embeddings / f"{'x' * 243}.safetensors")
    studio = client()
    cat, other = studio.get("/ti/cards").json()["cards"]
    assert other["word"] == long.stem
    found = studio.get(f"/ti/embeddings/{cat['id']}").json()
    assert (found["description"], found["tags"], found["in_training"]) == ("?", ["?", "b"], False)
    assert studio.get(f"/ti/embeddings/{other['id']}").status_code == 200
    assert studio.delete(f"/ti/embeddings/{other['id']}").json()["name"] == long.name
    assert studio.delete(f"/ti/embeddings/{cat['id']}").status_code == 200


def test_other_sites_pages_change_nothing(client: Client, add_embedding: Add) -> None:
    add_embedding("cat")
    studio = client()
    cat = studio.get("/ti/cards").json()["cards"][0]["id"]
    for method, path in (("DELETE", f"embeddings/{cat}"), ("PATCH", f"embeddings/{cat}"), ("DELETE", "trash")):
        answer = studio.request(method, f"/ti/{path}", headers={"Sec-Fetch-Site": "cross-site"})
        assert answer.status_code == 403
