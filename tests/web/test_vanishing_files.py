"""Files that go away between two looks at them, as they do when many people work in one library."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.web.conftest import Client
from ti_studio.errors import NotFound
from ti_studio.web.server.files import send_file
from ti_studio.web.server.pictures import version_of


def test_an_answer_that_has_begun_is_sent_whole_although_the_file_goes(tmp_path: Path) -> None:
    path = tmp_path / "word.safetensors"
    path.write_bytes(b"x" * 1_000_000)
    answer = send_file(path, filename="wörd.safetensors")
    path.unlink()

    async def body() -> bytes:
        return b"".join([bytes(part) async for part in answer.body_iterator])  # type: ignore[arg-type]

    assert asyncio.run(body()) == b"x" * 1_000_000
    assert answer.headers["content-length"] == "1000000"
    assert answer.headers["content-disposition"] == "attachment; filename*=utf-8''w%C3%B6rd.safetensors"


def test_a_file_that_is_gone_is_not_found(tmp_path: Path) -> None:
    for look in (send_file, version_of):
        with pytest.raises(NotFound, match=r"There is no \w+ 'gone.png' any more"):
            look(tmp_path / "gone.png")


def test_an_embedding_that_goes_while_it_is_described_is_not_found(
    client: Client, add_embedding: Callable[..., Path]
) -> None:
    path = add_embedding("cat")
    studio = client()
    identity = studio.get("/ti/embeddings").json()["embeddings"][0]["id"]
    path.unlink()

    assert studio.get(f"/ti/embeddings/{identity}").status_code == 404
    assert studio.get(f"/ti/embeddings/{identity}/file").status_code == 404
