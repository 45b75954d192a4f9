"""Pictures of every depth and colour space, as files on the disk, opened as everything here opens them."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, TiffImagePlugin
from PIL.Image import Image as Picture

from tests.colour_profiles import ADOBE_GAMMA, ADOBE_RGB, cmyk_profile, grey_profile, rgb_profile
from ti_studio.embeddings.formats.srgb import as_srgb, in_eight_bits, over_white

SHARES = np.array([[0.0, 0.25, 0.5, 0.75, 1.0]])
"""Of white."""
LEVELS = [0, 64, 128, 191, 255]
OTHER_COLOURS = {(1, 0, 0, 0): (53.0, 80.0, 67.0), (0, 0, 0, 0): (100.0, 0.0, 0.0)}
"""Of a press whose cyan ink is red."""


def shown(path: Path) -> Picture:
    with Image.open(path) as image:
        return as_srgb(image)


def row(image: Picture) -> list[Any]:
    return [image.getpixel((x, 0)) for x in range(image.width)]


def greys(path: Path) -> list[int]:
    image = shown(path)
    assert image.mode == "RGB"
    assert all(red == green == blue for red, green, blue in row(image))
    return [red for red, _, _ in row(image)]


def png(path: Path, colour: int, rows: np.ndarray[Any, Any], *chunks: tuple[bytes, bytes]) -> Path:
    """Writes a PNG of 16 bits a channel, whose colour type is 0 for grey, 2 for RGB, 4 for grey with alpha."""
    height, width = rows.shape[:2]
    pixels = b"".join(b"\0" + line.astype(">u2").tobytes() for line in rows)
    head = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    parts = [(b"IHDR", head), *chunks, (b"IDAT", zlib.compress(pixels)), (b"IEND", b"")]
    checked = [(len(data), name + data, zlib.crc32(name + data)) for name, data in parts]
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + b"".join(struct.pack(">I", a) + b + struct.pack(">I", c) for a, b, c in checked)
    )
    return path


def tiff(path: Path, numbers: np.ndarray[Any, Any], *, zero_is_white: bool = False) -> Path:
    """Writes a TIFF of one channel, its numbers as they are."""
    height, width = numbers.shape
    kinds = {"u": 1, "i": 2, "f": 3}
    order = ">" if numbers.dtype.byteorder == ">" else "<"
    tags = {
        256: width,
        257: height,
        258: numbers.dtype.itemsize * 8,
        259: 1,
        262: 0 if zero_is_white else 1,
        273: 8 + 2 + 10 * 12 + 4,
        277: 1,
        278: height,
        279: numbers.nbytes,
        339: kinds[numbers.dtype.kind],
    }
    entries = b"".join(struct.pack(f"{order}HHII", tag, 4, 1, value) for tag, value in tags.items())
    head = b"MM\0*" if order == ">" else b"II*\0"
    path.write_bytes(
        head
        + struct.pack(f"{order}I", 8)
        + struct.pack(f"{order}H", len(tags))
        + entries
        + bytes(4)
        + numbers.tobytes()
    )
    return path


def pgm(path: Path, white: int) -> Path:
    numbers = (SHARES * white).round().astype(">u2")
    path.write_bytes(f"P5 {numbers.shape[1]} 1 {white}\n".encode() + numbers.tobytes())
    return path


DEEP: dict[str, Callable[[Path], Path]] = {
    "PNG 16": lambda path: png(path, 0, SHARES * 65535),
    "TIFF 16": lambda path: tiff(path, (SHARES * 65535).astype("<u2")),
    "TIFF 16 of the other order": lambda path: tiff(path, (SHARES * 65535).astype(">u2")),
    "TIFF 16 whose zero is white": lambda path: tiff(path, (65535 - SHARES * 65535).astype("<u2"), zero_is_white=True),
    "TIFF 16 signed": lambda path: tiff(path, (SHARES * 32767).astype("<i2")),
    "TIFF 32": lambda path: tiff(path, (SHARES * 4294967295).astype("<u4")),
    "TIFF 32 signed": lambda path: tiff(path, (SHARES * 2147483647).astype("<i4")),
    "TIFF 32F": lambda path: tiff(path, SHARES.astype("<f4")),
    "TIFF 32F of the other order": lambda path: tiff(path, SHARES.astype(">f4")),
    "TIFF 32F with highlights": lambda path: tiff(path, np.where(SHARES == 1, 1.5, SHARES).astype("<f4")),
    "PGM 16": lambda path: pgm(path, 65535),
    "PGM 10": lambda path: pgm(path, 1023),
}


@pytest.mark.parametrize("kind", DEEP)
def test_grey_of_more_than_8_bits_is_scaled_by_its_depth(tmp_path: Path, kind: str) -> None:
    assert greys(DEEP[kind](tmp_path / "grey")) == pytest.approx(LEVELS, abs=1)


def test_colours_of_16_bits_keep_their_upper_8(tmp_path: Path) -> None:
    colours = np.array([[[0x1234, 0x80FF, 0xFFFF]]])
    assert row(shown(png(tmp_path / "rgb.png", 2, colours))) == [(0x12, 0x80, 0xFF)]


@pytest.mark.parametrize(
    ("numbers", "reason"),
    [
        (SHARES * 255, "it holds floats up to 255; expected 0 for black to 1 for white"),
        (SHARES * np.nan, "it holds NaN or infinite numbers"),
    ],
)
def test_floats_of_another_scale_are_refused_with_the_scale(
    tmp_path: Path, numbers: np.ndarray[Any, Any], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        shown(tiff(tmp_path / "floats.tif", numbers.astype("<f4")))


def test_a_deep_picture_is_turned_as_its_exif_data_says(tmp_path: Path) -> None:
    grey = Image.fromarray((SHARES * 65535).astype(np.uint16))
    exif = Image.Exif()
    exif[0x0112] = 6
    grey.save(tmp_path / "turned.png", exif=exif)
    assert shown(tmp_path / "turned.png").size == (1, 5)
    assert [shown(tmp_path / "turned.png").getpixel((0, y)) for y in (0, 4)] == [(0, 0, 0), (255, 255, 255)]


def test_a_clear_colour_is_transparent_whatever_the_depth(tmp_path: Path) -> None:
    clear = png(tmp_path / "grey.png", 0, SHARES * 65535, (b"tRNS", struct.pack(">H", 65535)))
    assert row(shown(clear))[-2:] == [(191, 191, 191, 255), (255, 255, 255, 0)]
    colours = np.array([[[0x1234, 0x8000, 0xFFFF], [0x1234, 0x9000, 0xFFFF]]])
    clear = png(tmp_path / "rgb.png", 2, colours, (b"tRNS", struct.pack(">HHH", 0x1234, 0x8000, 0xFFFF)))
    assert [pixel[3] for pixel in row(shown(clear))] == [0, 255]


def palette(path: Path) -> Path:
    image = Image.new("P", (3, 1))
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    for x in range(3):
        image.putpixel((x, 0), x)
    image.save(path, transparency=bytes([0, 128, 255]))
    return path


def grey_with_alpha(path: Path) -> Path:
    image = Image.merge("LA", [Image.new("L", (3, 1), level) for level in (40, 0)])
    for x, alpha in enumerate((0, 128, 255)):
        image.putpixel((x, 0), (40, alpha))
    image.save(path)
    return path


def test_transparency_of_palettes_and_of_grey_is_laid_over_white(tmp_path: Path) -> None:
    flat = over_white(shown(palette(tmp_path / "p.png")))
    assert row(flat) == [(255, 255, 255), (127, 255, 127), (0, 0, 255)]
    flat = over_white(shown(grey_with_alpha(tmp_path / "la.png")))
    assert [red for red, _, _ in row(flat)] == [255, 147, 40]
    flat = over_white(shown(png(tmp_path / "la16.png", 4, np.array([[[0x2800, 0], [0x2800, 0xFFFF]]]))))
    assert [red for red, _, _ in row(flat)] == [255, 40]


def srgb_of(colour: tuple[int, int, int]) -> list[float]:
    """Returns what a colour of Adobe's RGB is in sRGB, by their definitions."""
    srgb = np.array([[0.43607, 0.22249, 0.01392], [0.38515, 0.71687, 0.09708], [0.14307, 0.06061, 0.71410]])
    linear = (np.array(colour) / 255) ** ADOBE_GAMMA @ np.array(ADOBE_RGB) @ np.linalg.inv(srgb)
    linear = linear.clip(0, 1)
    curved = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return [float(level) for level in curved * 255]


WIDE = rgb_profile(ADOBE_RGB, ADOBE_GAMMA)


@pytest.mark.parametrize("colour", [(200, 120, 60), (60, 130, 90), (128, 128, 128), (0, 255, 0)])
@pytest.mark.parametrize("ending", ["png", "tiff", "webp", "jpg"])
def test_a_wide_gamut_becomes_srgb(tmp_path: Path, colour: tuple[int, int, int], ending: str) -> None:
    options = {"lossless": True} if ending == "webp" else {"quality": 100} if ending == "jpg" else {}
    Image.new("RGB", (8, 8), colour).save(tmp_path / f"wide.{ending}", icc_profile=WIDE, **options)
    image = shown(tmp_path / f"wide.{ending}")
    assert image.getpixel((0, 0)) == pytest.approx(srgb_of(colour), abs=4 if ending == "jpg" else 2)
    assert "icc_profile" not in image.info


def test_a_palette_and_transparency_go_with_a_profile(tmp_path: Path) -> None:
    with Image.open(palette(tmp_path / "p.png")) as image:
        image.save(tmp_path / "wide.png", icc_profile=WIDE, transparency=bytes([0, 128, 255]))
    clear, half, full = row(shown(tmp_path / "wide.png"))
    assert [clear[3], half[3], full[3]] == [0, 128, 255]
    assert half[:3] == pytest.approx(srgb_of((0, 255, 0)), abs=2)


def test_srgb_by_whatever_name_leaves_every_number_as_it_is(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    noise = Image.effect_noise((64, 64), 90).convert("RGB")
    noise.save(tmp_path / "noise.png", icc_profile=profile)
    assert shown(tmp_path / "noise.png").tobytes() == noise.tobytes()


def test_grey_follows_its_own_profile(tmp_path: Path) -> None:
    Image.new("L", (1, 1), 128).save(tmp_path / "linear.png", icc_profile=grey_profile(1.0))
    assert greys(tmp_path / "linear.png") == pytest.approx([188], abs=1)
    linear = png(tmp_path / "deep.png", 0, np.array([[0x8000]]), (b"iCCP", b"p\0\0" + zlib.compress(grey_profile(1.0))))
    assert greys(linear) == pytest.approx([188], abs=1)


@pytest.mark.parametrize("ending", ["tiff", "jpg"])
def test_cmyk_follows_its_profile_and_is_plain_without_one(tmp_path: Path, ending: str) -> None:
    profile = cmyk_profile(lambda inks: OTHER_COLOURS.get(inks, (0.0, 0.0, 0.0)))
    ink = Image.new("CMYK", (8, 8), (255, 0, 0, 0))
    options = {"quality": 100} if ending == "jpg" else {}
    ink.save(tmp_path / f"press.{ending}", icc_profile=profile, **options)
    ink.save(tmp_path / f"plain.{ending}", **options)
    assert shown(tmp_path / f"press.{ending}").getpixel((0, 0)) == pytest.approx((255, 0, 0), abs=12)
    assert shown(tmp_path / f"plain.{ending}").getpixel((0, 0)) == pytest.approx((0, 255, 255), abs=2)


def test_cielab_is_shown(tmp_path: Path) -> None:
    Image.merge("LAB", [Image.new("L", (1, 1), level) for level in (255, 128, 128)]).save(tmp_path / "lab.tiff")
    with Image.open(tmp_path / "lab.tiff") as image:
        assert image.mode == "LAB"
        assert image.tag_v2[TiffImagePlugin.PHOTOMETRIC_INTERPRETATION] == 8
    assert shown(tmp_path / "lab.tiff").getpixel((0, 0)) == pytest.approx((255, 255, 255), abs=1)


@pytest.mark.parametrize(
    "profile", [b"nonsense", WIDE[:200], WIDE[:128] + bytes(400), grey_profile(1.0), cmyk_profile(lambda _: (0, 0, 0))]
)
def test_a_profile_that_is_broken_or_of_another_space_is_passed_over(tmp_path: Path, profile: bytes) -> None:
    Image.new("RGB", (1, 1), (200, 120, 60)).save(tmp_path / "picture.png", icc_profile=profile)
    assert row(shown(tmp_path / "picture.png")) == [(200, 120, 60)]


def test_a_mask_has_its_depth_scaled_and_no_profile_applied(tmp_path: Path) -> None:
    Image.new("L", (1, 1), 128).save(tmp_path / "mask.png", icc_profile=grey_profile(1.0))
    with Image.open(tmp_path / "mask.png") as mask:
        assert in_eight_bits(mask).convert("L").getpixel((0, 0)) == 128
    with Image.open(png(tmp_path / "deep.png", 0, np.array([[0x8000]]))) as mask:
        assert in_eight_bits(mask).convert("L").getpixel((0, 0)) == 128


def test_what_a_file_says_beside_its_pixels_is_not_written_again(tmp_path: Path) -> None:
    Image.new("L", (1, 1), 7).save(tmp_path / "grey.png", transparency=7)
    again = io.BytesIO()
    shown(tmp_path / "grey.png").save(again, "PNG")
    with Image.open(again) as image:
        assert (image.mode, image.info) == ("RGBA", {})
