"""Embeddings inside pictures."""

import base64
import json
import sys
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ti_studio.embeddings.embedding import Embedding, UnreadableEmbedding
from ti_studio.embeddings.errors import NoEmbedding
from ti_studio.embeddings.formats.export import export
from ti_studio.embeddings.formats.files import read_embedding
from ti_studio.embeddings.formats.png_embeddings import CHUNK, has_jxl_plugin, picture_with, read_picture

ROWS = torch.arange(16, dtype=torch.float32).reshape(2, 8) / 64 - 0.1
DATA = {"string_to_token": {"*": 265}, "string_to_param": {"*": ROWS}, "name": "cat", "step": 7}


def lcg() -> list[int]:
    """The first numbers of A1111's generator, as its own self-test has them."""
    return [253, 242, 127, 44, 157, 27, 239, 133, 38, 79, 167, 4, 177, 95, 130, 79, 78, 14, 52, 215]


def picture(*, keep_chunk: bool) -> bytes:
    """A card; without its text chunk only the pixels hold the embedding."""
    gradient = Image.fromarray(np.tile(np.arange(96, dtype=np.uint8)[None, :, None], (64, 1, 3)))
    content = picture_with(DATA, gradient)
    if keep_chunk:
        return content
    stripped = BytesIO()
    Image.fromarray(np.asarray(Image.open(BytesIO(content)))).save(stripped, "PNG")
    return stripped.getvalue()


@pytest.mark.parametrize("keep_chunk", [True, False])
def test_a_card_holds_the_embedding_in_its_chunk_and_in_its_pixels(keep_chunk: bool) -> None:
    data = read_picture(picture(keep_chunk=keep_chunk))

    assert torch.equal(data["string_to_param"]["*"], ROWS)  # type: ignore[index]
    assert (data["name"], data["step"]) == ("cat", 7)


def test_the_pixels_are_laid_out_as_a1111_lays_them_out() -> None:
    pixels = np.asarray(Image.open(BytesIO(picture(keep_chunk=False))))
    content = zlib.compress(json.dumps(DATA, default=lambda rows: {"TORCHTENSOR": rows.tolist()}).encode(), 9)
    width = -(-len(content) // (64 * 3))

    first = pixels[0, :width].reshape(-1)[: len(lcg())] & 0x0F
    expected = [(byte & 0x0F) ^ (number & 0x0F) for byte, number in zip(content, lcg(), strict=False)]

    assert first.tolist() == expected[: len(first)]
    assert not pixels[:, width].any()
    assert not pixels[:, width + 97].any()


def test_black_borders_around_the_panels_do_no_harm() -> None:
    inner = Image.open(BytesIO(picture(keep_chunk=False)))
    bordered = Image.new("RGB", (inner.width + 20, inner.height + 10))
    bordered.paste(inner, (10, 5))
    buffer = BytesIO()
    bordered.save(buffer, "PNG")

    assert torch.equal(read_picture(buffer.getvalue())["string_to_param"]["*"], ROWS)  # type: ignore[index]


@pytest.mark.parametrize("form", ["png", "webp"])
def test_a_picture_file_is_read_as_an_embedding(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"my-cat.{form}"
    Image.open(BytesIO(picture(keep_chunk=False))).save(path, lossless=True)

    embedding = read_embedding(path)

    assert (embedding.name, embedding.step) == ("my-cat", 7)
    assert torch.equal(embedding.vectors["clip_l"], ROWS)


def test_a_card_is_exported_and_read_again(tmp_path: Path) -> None:
    (path,) = export(Embedding("cat", {"clip_l": ROWS}, 7), "png", tmp_path)

    assert torch.equal(read_embedding(path).vectors["clip_l"], ROWS)


def chunk(text: str) -> bytes:
    information = PngInfo()
    information.add_text(CHUNK, text)
    buffer = BytesIO()
    Image.new("RGB", (8, 8), "white").save(buffer, "PNG", pnginfo=information)
    return buffer.getvalue()


def plain(colour: str) -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (64, 64), colour).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"no picture", "no picture"),
        (plain("black"), "ordinary picture"),
        (plain("white"), "ordinary picture"),
        (plain("#505050"), "ordinary picture"),
        (chunk("***"), "no base64"),
        (chunk(base64.b64encode(b"[1, 2]").decode()), "no JSON"),
        (chunk(base64.b64encode(b"{" * 100_000).decode()), "no JSON"),
        (chunk(base64.b64encode(b'{"a": {"TORCHTENSOR": [[1], [2, 3]]}}').decode()), "no JSON"),
    ],
)
def test_a_picture_without_one_is_refused_with_its_reason(content: bytes, reason: str) -> None:
    with pytest.raises(UnreadableEmbedding, match=reason):
        read_picture(content)


def test_an_embedding_that_would_unpack_without_end_is_refused() -> None:
    bomb = zlib.compress(b" " * (80 * 2**20), 9)
    side = 512
    # The honest writer makes no such thing, so the panels are built by hand.
    nibbles = np.resize(np.frombuffer(bomb, np.uint8), -(-len(bomb) // (side * 3)) * side * 3)
    numbers, state = [], 0
    for _ in range(len(nibbles)):
        state = (1664525 * state + 1013904223) % 2**32
        numbers.append(state % 255 & 0x0F)
    scrambled = np.array(numbers, np.uint8)
    halves = [
        (half ^ scrambled | 0x50).astype(np.uint8).reshape(side, -1, 3) for half in (nibbles & 0x0F, nibbles >> 4)
    ]
    black = np.zeros((side, 1, 3), np.uint8)
    buffer = BytesIO()
    Image.fromarray(np.concatenate([halves[0], black, black, halves[1]], axis=1)).save(buffer, "PNG")

    with pytest.raises(UnreadableEmbedding, match="bytes of JSON"):
        read_picture(buffer.getvalue())


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 3000))
def test_damaged_pictures_are_refused_and_nothing_else_happens(noise: bytes, at: int) -> None:
    content = bytearray(picture(keep_chunk=True))
    at = min(at, len(content))
    content[at : at + len(noise)] = noise
    try:
        read_picture(bytes(content))
    except UnreadableEmbedding as error:
        assert str(error)


_PLUGIN = """
from io import BytesIO
from PIL import Image, PngImagePlugin

class Jxl(PngImagePlugin.PngImageFile):
    format = "JXL"

    def _open(self):
        self.fp.seek(3)
        self.fp = BytesIO(self.fp.read())
        super()._open()

Image.register_open("JXL", Jxl, lambda prefix: prefix[:3] == b"jxl")
"""


@pytest.mark.skipif(has_jxl_plugin(), reason="the real plug-in is installed, and knows no file made up here")
def test_a_format_of_a_plug_in_is_read_where_the_plug_in_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cat.jxl"
    path.write_bytes(b"jxl" + picture(keep_chunk=False))
    with pytest.raises(NoEmbedding, match="is no picture that can be read"):
        read_embedding(path)
    (tmp_path / "pillow_jxl.py").write_text(_PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    try:
        assert torch.equal(read_embedding(path).vectors["clip_l"], ROWS)
    finally:
        Image.OPEN.pop("JXL", None)
        Image.ID.remove("JXL")
        del sys.modules["pillow_jxl"]
