"""Previews made small once, whatever the picture is."""

import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.colour_profiles import ADOBE_GAMMA, ADOBE_RGB, rgb_profile
from ti_studio.embeddings.cards import thumbnails
from ti_studio.embeddings.cards.thumbnails import BadPicture, Thumbnails, preview_png


def png_of(width: int, height: int) -> bytes:
    """A PNG that claims to be of this size, with hardly anything in it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    start, pixels, end = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(bytes(99))), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + start + pixels + end


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "gif", "avif"])
@pytest.mark.parametrize("mode", ["RGB", "P", "L"])
def test_a_preview_is_made_small_in_its_own_shape(tmp_path: Path, ending: str, mode: str) -> None:
    if (mode, ending) == ("P", "jpg"):
        mode = "CMYK"
    picture = tmp_path / f"cat.{ending}"
    Image.new(mode, (1000, 500), 1).save(picture)
    with Image.open(Thumbnails(tmp_path / "kept").path(picture)) as small:
        assert (small.size, small.format) == ((320, 160), "WEBP")


def test_a_thumbnail_and_a_preview_look_as_their_picture_whatever_its_depth_and_colours(tmp_path: Path) -> None:
    deep, wide = tmp_path / "deep.png", tmp_path / "wide.png"
    Image.fromarray(np.full((8, 8), 0x8000, np.uint16)).save(deep)
    Image.new("RGB", (8, 8), (60, 130, 90)).save(wide, icc_profile=rgb_profile(ADOBE_RGB, ADOBE_GAMMA))
    for picture, colour in ((deep, (128, 128, 128)), (wide, (0, 130, 89))):
        for small in (Thumbnails(tmp_path / "kept").path(picture), BytesIO(preview_png(picture.read_bytes(), "p"))):
            with Image.open(small) as image:
                assert "icc_profile" not in image.info
                assert image.convert("RGB").getpixel((4, 4)) == pytest.approx(colour, abs=3)


def test_a_picture_is_read_once_and_again_when_it_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = tmp_path / "cat.png"
    Image.new("RGB", (8, 8), "red").save(picture)
    first = Thumbnails(tmp_path / "kept").path(picture)
    small = thumbnails._small
    monkeypatch.setattr(thumbnails, "_small", None)
    assert Thumbnails(tmp_path / "kept").path(picture) == first
    monkeypatch.setattr(thumbnails, "_small", small)
    Image.new("RGB", (80, 8), "blue").save(picture)
    again = Thumbnails(tmp_path / "kept").path(picture)
    with Image.open(again) as changed:
        assert (again != first, changed.size) == (True, (80, 8))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", r"no picture that can be read \(it is of no kind that is read here\)\.$"),
        (b"<svg onload=alert(1)>", "no picture"),
        (png_of(60_000, 60_000), "no picture|60000×60000 pixels"),
        (png_of(8_000, 8_000), "8000×8000 pixels"),
        (png_of(64, 64), "no picture"),
        (png_of(64, 64)[:30], "no picture"),
        (b"BM" + bytes(200), "no picture"),
    ],
)
def test_what_is_no_picture_or_too_large_is_refused_and_not_tried_again(
    tmp_path: Path, content: bytes, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cat.png").write_bytes(content)
    kept = Thumbnails(tmp_path / "kept")
    with pytest.raises(BadPicture, match=reason):
        kept.path(tmp_path / "cat.png")
    monkeypatch.setattr(thumbnails, "_small", None)
    with pytest.raises(BadPicture, match=reason):
        kept.path(tmp_path / "cat.png")
    with pytest.raises(BadPicture, match="could not be read"):
        kept.path(tmp_path / "gone.png")


def test_only_so_many_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thumbnails, "MAX_KEPT", 2)
    monkeypatch.setattr(thumbnails, "_LOOK_EVERY", 2)
    kept = Thumbnails(tmp_path / "kept")
    for number in range(5):
        Image.new("RGB", (8, 8)).save(tmp_path / f"{number}.png")
        newest = kept.path(tmp_path / f"{number}.png")
    assert len(list((tmp_path / "kept").iterdir())) == 2
    assert newest.exists()


def test_a_picture_that_is_sent_becomes_a_png_with_its_infotext(tmp_path: Path) -> None:
    about = PngInfo()
    about.add_text("parameters", "a cat\nSteps: 2")
    buffer = BytesIO()
    Image.new("RGBA", (2000, 1000), (9, 9, 9, 9)).save(buffer, "PNG", pnginfo=about)
    with Image.open(BytesIO(preview_png(buffer.getvalue(), "The picture"))) as made:
        assert (made.size, made.mode, made.format) == ((1024, 512), "RGBA", "PNG")
        assert made.info["parameters"] == "a cat\nSteps: 2"
    with pytest.raises(BadPicture, match="The picture is no picture"):
        preview_png(b"text", "The picture")
