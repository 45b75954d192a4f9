"""`/ti/embeddings`: the library as JSON, and previews by id."""

import shutil
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from tests.web.conftest import Client
from ti_studio.folders import Folders

Add = Callable[..., Path]


def test_every_file_is_listed_with_its_state_and_reason(client: Client, folders: Folders, add_embedding: Add) -> None:
    add_embedding("cat")
    add_embedding("cat", folder="zoo")
    add_embedding("for-sd1", width=768)
    (folders.embeddings / "broken.pt").write_bytes(b"nothing")
    answer = client().get("/ti/embeddings").json()
    assert (answer["folder"], answer["checkpoint"]) == (str(folders.embeddings), "demo")
    listed = {entry["file"]: entry for entry in answer["embeddings"]}
    assert [listed["cat.safetensors"][name] for name in ("state", "vectors_per_token", "step")] == ["usable", 2, 5]
    assert listed["zoo/cat.safetensors"]["conflict"] == "cat.safetensors"
    assert (listed["for-sd1.safetensors"]["state"], listed["for-sd1.safetensors"]["reason"][:3]) == (
        "incompatible",
        "its",
    )
    assert listed["broken.pt"]["state"] == "unreadable"
    assert listed["broken.pt"]["reason"]


def test_a_file_is_listed_as_soon_as_it_is_there_and_no_longer_when_it_is_gone(
    client: Client, add_embedding: Add
) -> None:
    studio = client()
    assert studio.get("/ti/embeddings").json()["embeddings"] == []
    path = add_embedding("new")
    assert [entry["word"] for entry in studio.post("/ti/embeddings/refresh").json()["embeddings"]] == ["new"]
    path.unlink()
    assert studio.get("/ti/embeddings").json()["embeddings"] == []


def test_a_preview_is_sent_by_id_and_its_address_changes_with_it(client: Client, add_embedding: Add) -> None:
    preview = add_embedding("cat").with_name("cat.preview.png")
    Image.new("RGB", (4, 4), "red").save(preview)
    studio = client()
    first = studio.get("/ti/embeddings").json()["embeddings"][0]["preview"]
    answer = studio.get(f"/ti/{first}")
    assert (answer.status_code, answer.headers["content-type"], answer.content) == (
        200,
        "image/png",
        preview.read_bytes(),
    )
    same = studio.get(f"/ti/{first}", headers={"If-None-Match": answer.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")
    Image.new("RGB", (40, 40), "blue").save(preview)
    second = studio.get("/ti/embeddings").json()["embeddings"][0]["preview"]
    assert second != first
    changed = studio.get(f"/ti/{second}", headers={"If-None-Match": answer.headers["etag"]})
    assert changed.content == preview.read_bytes()


def test_a_preview_with_an_embedding_inside_is_told_of_and_not_used(client: Client, add_embedding: Add) -> None:
    path = add_embedding("cat")
    studio = client()
    cat = studio.get("/ti/embeddings").json()["embeddings"][0]["id"]
    card = Path(__file__).parents[2] / "golden" / "a1111_card.png"
    for name, told in (("cat.preview.png", None), ("cat.png", "cat.png")):
        shutil.copy(card, path.with_name(name))
        assert studio.get(f"/ti/embeddings/{cat}").json()["inside_preview"] == told, name
    assert [entry["word"] for entry in studio.get("/ti/embeddings").json()["embeddings"]] == ["cat"]


def test_a_preview_that_browsers_do_not_show_is_sent_as_its_thumbnail(client: Client, add_embedding: Add) -> None:
    path = add_embedding("cat")
    studio = client()
    for ending, route, kind in ((".avif", "preview", "image/avif"), (".jxl", "thumbnail", "image/webp")):
        Image.new("RGB", (8, 8)).save(path.with_suffix(".avif"))
        path.with_suffix(".avif").rename(path.with_suffix(ending))
        cat = studio.get("/ti/embeddings").json()["embeddings"][0]
        assert cat["preview"].startswith(f"embeddings/{cat['id']}/{route}?v="), ending
        assert studio.get(f"/ti/{cat['preview']}").headers["content-type"] == kind
        path.with_suffix(ending).unlink()


def test_an_unknown_id_and_a_missing_preview_are_not_found(client: Client, add_embedding: Add) -> None:
    add_embedding("cat")
    studio = client()
    cat = studio.get("/ti/embeddings").json()["embeddings"][0]
    assert cat["preview"] is None
    for identity in (cat["id"], "0123456789abcdef", "..%2f..%2fetc%2fpasswd", "cat"):
        answer = studio.get(f"/ti/embeddings/{identity}/preview")
        assert answer.status_code == 404, identity
        assert answer.json()["detail"]
