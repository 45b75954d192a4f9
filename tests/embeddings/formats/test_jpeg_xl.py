"""How large a JPEG XL picture says it is; the headers are those that libjxl has written."""

import pytest

from ti_studio.embeddings.formats import png_embeddings
from ti_studio.embeddings.formats.jpeg_xl import is_jpeg_xl, size_of
from ti_studio.embeddings.formats.png_embeddings import known_formats

CONTAINER = bytes.fromhex("0000000c4a584c200d0a870a00000014667479706a786c20000000006a786c20")
STREAM = bytes.fromhex("ff0a9840901437020013880200e400b59f2000")
"""30 × 20 pixels."""
GIANT = b"\xff\x0a" + (0b0 | 0b11 << 1 | 59_999 << 3 | 1 << 33).to_bytes(6, "little")
"""60,000 pixels high, and as wide."""


@pytest.mark.parametrize(
    ("content", "size"),
    [
        (bytes.fromhex("ff0a414052dc0800"), (8, 8)),
        (STREAM, (30, 20)),
        (bytes.fromhex("ff0a1a1c0549712300130801"), (1600, 900)),
        (bytes.fromhex("ff0a80806e17488a1b010013"), (3000, 17)),
        (CONTAINER + (8 + len(STREAM)).to_bytes(4, "big") + b"jxlc" + STREAM, (30, 20)),
        (CONTAINER + (0).to_bytes(4, "big") + b"jxlp" + bytes(4) + STREAM, (30, 20)),
        (CONTAINER + (1).to_bytes(4, "big") + b"jxlc" + (16 + len(STREAM)).to_bytes(8, "big") + STREAM, (30, 20)),
        (GIANT, (60_000, 60_000)),
        (CONTAINER, None),
        (CONTAINER + (3).to_bytes(4, "big") + b"free", None),
        (CONTAINER + (12).to_bytes(4, "big") + b"jxlcnone", None),
        (b"", None),
    ],
)
def test_the_header_tells_the_size(content: bytes, size: tuple[int, int] | None) -> None:
    assert size_of(content) == size


def test_a_giant_one_is_given_to_no_plug_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(png_embeddings.Image.OPEN, "JXL", (None, None))
    monkeypatch.setattr(png_embeddings, "has_jxl_plugin", lambda: False)
    assert all(is_jpeg_xl(content) for content in (STREAM, GIANT, CONTAINER, b"1234JXL"))
    for wanted in (("PNG", "JXL"), None):
        assert "JXL" in known_formats(wanted, STREAM)
        assert "JXL" in known_formats(wanted, b"\x89PNG")
        for content in (GIANT, CONTAINER, b"1234JXL"):
            assert "JXL" not in known_formats(wanted, content)
            assert "PNG" in known_formats(wanted, content)
