"""`/ti/tools/soften`: words softened into new files, and looked at before."""

import base64
import io

import pytest
import torch
from PIL import Image

from tests.checkpoints import demo_width
from tests.web.conftest import Client
from ti_studio.embeddings.embedding import Embedding
from ti_studio.embeddings.formats.files import read_embedding, write_embedding
from ti_studio.embeddings.metadata import INITIALIZATION_TEXT
from ti_studio.folders import Folders
from ti_studio.generation.service import Txt2ImgService


@pytest.fixture
def word(folders: Folders) -> Embedding:
    """A word in the library that is far from its class."""
    rows = 3 * torch.randn(2, demo_width(), generator=torch.Generator().manual_seed(0))
    made = Embedding("my-star", {"clip_l": rows}, 5, {INITIALIZATION_TEXT: "star"})
    write_embedding(made, folders.embeddings / "my-star.safetensors")
    return made


def test_a_word_is_softened_into_a_new_file(client: Client, word: Embedding, folders: Folders) -> None:
    studio = client()
    (known,) = studio.get("/ti/tools/embeddings").json()
    body = {"embedding": known["id"], "name": "softer", "norm": 0.5, "direction": 0.5}
    made = studio.post("/ti/tools/soften", json=body)
    assert (made.status_code, made.json()["file"]) == (200, "softer.safetensors")
    soft = read_embedding(folders.embeddings / "softer.safetensors")
    assert (soft.vectors["clip_l"].norm(dim=-1) < word.vectors["clip_l"].norm(dim=-1)).all()
    assert "of my-star towards star" in soft.metadata["ti_studio.made_by"]
    assert studio.post("/ti/tools/soften", json=body).status_code == 409
    assert studio.post("/ti/tools/soften", json={**body, "name": "../out"}).status_code == 422
    assert studio.post("/ti/tools/soften", json={**body, "name": "other", "norm": 2}).status_code == 422


def test_a_word_that_does_not_say_what_it_is_needs_a_class_word(client: Client, folders: Folders) -> None:
    write_embedding(Embedding("x", {"clip_l": torch.ones(1, demo_width())}), folders.embeddings / "x.safetensors")
    studio = client()
    (known,) = studio.get("/ti/tools/embeddings").json()
    body = {"embedding": known["id"], "name": "softer"}
    refused = studio.post("/ti/tools/soften", json=body)
    assert refused.status_code == 422 and "Expected a class word" in refused.json()["detail"]
    refused = studio.post("/ti/tools/soften", json={**body, "class_word": "*"})
    assert refused.status_code == 422 and "Expected a class word" in refused.json()["detail"]
    assert studio.post("/ti/tools/soften", json={**body, "class_word": "star"}).status_code == 200
    softer = read_embedding(folders.embeddings / "softer.safetensors")
    assert softer.metadata["ti_studio.made_by"].startswith(
        "softening (norm 0.5, direction 0.2, adjust) of x towards star"
    )


def test_a_word_for_another_kind_of_checkpoint_is_refused(client: Client, folders: Folders) -> None:
    write_embedding(Embedding("x", {"clip_l": torch.ones(1, 768)}), folders.embeddings / "x.safetensors")
    studio = client()
    (known,) = studio.get("/ti/tools/embeddings").json()
    refused = studio.post("/ti/tools/soften", json={"embedding": known["id"], "name": "y", "class_word": "star"})
    assert refused.status_code == 422 and "Expected a checkpoint of its kind" in refused.json()["detail"]


def test_strengths_are_painted_with_one_seed_and_kept_nowhere(
    client: Client, word: Embedding, folders: Folders
) -> None:
    studio = client()
    (known,) = studio.get("/ti/tools/embeddings").json()
    body = {"embedding": known["id"], "strengths": [0, 0.5, 0.5], "steps": 2}
    painted = studio.post("/ti/tools/soften/previews", json=body).json()
    assert [each["strength"] for each in painted] == [0, 0.5, 0.5]
    as_it_is, soft, again = (base64.b64decode(each["image"]) for each in painted)
    assert soft == again != as_it_is
    assert Image.open(io.BytesIO(soft)).format == "PNG"
    assert [path.name for path in folders.embeddings.iterdir() if path.suffix] == ["my-star.safetensors"]
    assert not list(folders.outputs.rglob("*.png"))
    assert studio.get("/ti/txt2img/progress").json()["painting"] is False


def test_an_interruption_ends_the_painting_of_strengths(
    client: Client, word: Embedding, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio = client()
    (known,) = studio.get("/ti/tools/embeddings").json()
    loaded = Txt2ImgService._load

    def interrupting(self: Txt2ImgService, info: object) -> object:
        yield from loaded(self, info)  # type: ignore[arg-type]
        self.interrupt()

    monkeypatch.setattr(Txt2ImgService, "_load", interrupting)
    answer = studio.post("/ti/tools/soften/previews", json={"embedding": known["id"], "steps": 2})
    assert (answer.status_code, answer.json()) == (200, [])
