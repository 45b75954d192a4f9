"""A server whose embeddings folder is full of files that are made to harm: it tells what is wrong with each, and goes
on."""

import io
import json
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch

from tests.checkpoints import demo_width
from tests.web.conftest import Client
from ti_studio.embeddings.embedding import Embedding
from ti_studio.embeddings.formats.files import write_embedding
from ti_studio.folders import Folders

HALF = "\ud800"
"""Half of a surrogate pair: no encoding has it."""


def pickled(content: object) -> bytes:
    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=False)
    return file.getvalue()


def header(content: object) -> bytes:
    text = json.dumps(content).encode()
    return struct.pack("<Q", len(text)) + text


ROWS = torch.ones(1, demo_width())
UNREADABLE: dict[str, Callable[[], bytes]] = {
    "code.pt": lambda: pickled({"emb_params": ROWS}).replace(b"torch\nFloatStorage", b"os\nsystem"),
    "keys.pt": lambda: pickled({(1, 2): ROWS, None: ROWS, 5: ROWS}),
    "list.pt": lambda: pickled([[[]], [ROWS, [ROWS]]]),
    "shape.pt": lambda: pickled({"emb_params": torch.zeros(1).expand(10**6, 10**6)}),
    "deep.safetensors": lambda: struct.pack("<Q", 100_000) + b"[" * 100_000,
    "half.safetensors": lambda: header({"__metadata__": {"a": HALF}}),
    "long\u202ename.pt": lambda: pickled({"emb_params": ROWS}),
    "key.safetensors": lambda: header({"\u202e\x1b" * 10_000: {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}}),
}


@pytest.fixture
def harmed(folders: Folders) -> Folders:
    """The folder, with loops of links and two files that are sound but for what they say."""
    for name, make in UNREADABLE.items():
        (folders.embeddings / name).write_bytes(make())
    (folders.embeddings / "loop").symlink_to(folders.embeddings)
    (folders.embeddings / "self.pt").symlink_to(folders.embeddings / "self.pt")
    said = {"sd_checkpoint_name": HALF, "step": 10**30, "string_to_param": {"*": ROWS}}
    (folders.embeddings / "says-half.pt").write_bytes(pickled(said))
    write_embedding(Embedding("long-rows", {"clip_l": ROWS * 3e38}), folders.embeddings / "long-rows.safetensors")
    nothing = torch.full_like(ROWS, torch.nan)
    safetensors.torch.save_file({"emb_params": nothing}, folders.embeddings / "nan.safetensors")
    return folders


def test_every_route_answers_for_every_file(client: Client, harmed: Folders) -> None:
    studio = client()
    listed = {entry["word"]: entry for entry in studio.get("/ti/embeddings").json()["embeddings"]}
    unreadable = {word for word, entry in listed.items() if entry["state"] == "unreadable"}
    assert unreadable == {Path(name).stem.replace("\u202e", "\ufffd") for name in UNREADABLE}
    assert all(len(listed[word]["reason"]) < 600 and listed[word]["reason"].isprintable() for word in unreadable)
    for entry in listed.values():
        for path in (f"embeddings/{entry['id']}", f"tools/embeddings/{entry['id']}"):
            assert studio.get(f"/ti/{path}").status_code in (200, 422), path
        for form in ("safetensors", "png"):
            answer = studio.get(f"/ti/tools/embeddings/{entry['id']}/file", params={"form": form})
            assert answer.status_code in (200, 422)
        assert studio.get(f"/ti/tools/embeddings/{entry['id']}/vocabulary").status_code in (200, 422)
    for path in ("cards", "tools/embeddings", "embeddings"):
        assert studio.get(f"/ti/{path}").status_code == 200
    words = {entry["word"] for entry in studio.get("/ti/tools/embeddings").json()}
    assert words == {"says-half", "long-rows"}
