"""The picture in a file's header."""

import base64
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from ti_studio.embeddings.embedding import EmbeddingError
from ti_studio.embeddings.formats.header_picture import header_picture


def picture_in(url: str) -> Image.Image:
    kind, _, text = url.partition(",")
    assert kind == "data:image/jpeg;base64"
    return Image.open(BytesIO(base64.b64decode(text, validate=True)))


def test_a_picture_becomes_a_small_jpeg_that_says_nothing_but_its_pixels(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # a phone held upright
    exif[0x010E] = "alice-secret"
    noise = Image.effect_noise((1200, 600), 90).convert("RGB")
    noise.save(tmp_path / "large.jpg", exif=exif, comment=b"alice-secret")

    url = header_picture(tmp_path / "large.jpg")

    made = picture_in(url)
    assert (made.format, made.size) == ("JPEG", (128, 256))
    assert b"alice-secret" not in base64.b64decode(url.partition(",")[2])
    assert len(url) < 90_000


def test_a_data_url_is_looked_into_and_made_anew(tmp_path: Path) -> None:
    buffer = BytesIO()
    Image.new("RGBA", (8, 4), (200, 30, 30, 255)).save(buffer, "PNG")

    made = picture_in(header_picture(f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"))

    assert made.size == (8, 4)
    assert all(abs(found - drawn) < 20 for found, drawn in zip(made.getpixel((4, 2)), (200, 30, 30), strict=True))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ("missing.png", "There is no picture"),
        ("folder", "There is no picture"),
        ("words.png", "can't be read: it is of no kind"),
        ("giant.png", "has more than 50,000,000 pixels"),
        ("data:text/html;base64,PGI+", "is no picture; expected data:image"),
        ("data:image/png;base64,%%%", "is no picture; expected data:image"),
        ("data:image/png,abc", "is no picture; expected data:image"),
        ("data:image/svg+xml;base64,PHN2Zy8+", "data URL can't be read: it is of no kind"),
    ],
)
def test_what_is_no_picture_is_refused_with_the_reason(tmp_path: Path, wanted: str, reason: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "words.png").write_text("no picture")
    Image.new("1", (10_000, 6_000)).save(tmp_path / "giant.png")

    with pytest.raises(EmbeddingError, match=reason):
        header_picture(wanted if wanted.startswith("data:") else tmp_path / wanted)
