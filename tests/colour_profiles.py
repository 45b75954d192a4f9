"""Small ICC profiles (version 2.4, https://www.color.org/icc_specs2.xalter), made from numbers. None is anybody's."""

import itertools
import struct
from collections.abc import Callable, Sequence

Colour = tuple[float, float, float]

ADOBE_RGB = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
"""X, Y, Z of its red, green and blue, adapted to the white of D50."""
ADOBE_GAMMA = 563 / 256
WHITE = (0.9642, 1.0, 0.8249)


def rgb_profile(primaries: Sequence[Colour], gamma: float) -> bytes:
    """Returns a profile of an RGB space."""
    names = (b"rXYZ", b"gXYZ", b"bXYZ")
    tags = {name: _xyz(primary) for name, primary in zip(names, primaries, strict=True)}
    return _profile(b"mntr", b"RGB ", b"XYZ ", {**tags, **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), _curve(gamma))})


def grey_profile(gamma: float) -> bytes:
    """Returns a profile of grey."""
    return _profile(b"mntr", b"GRAY", b"XYZ ", {b"kTRC": _curve(gamma)})


def cmyk_profile(lab: Callable[[tuple[int, int, int, int]], Colour]) -> bytes:
    """Returns a profile of CMYK: `lab` says what L*, a*, b* is for each of the 16 mixtures of no or all ink."""
    identity = bytes(range(256))
    table = b""
    for inks in itertools.product((0, 1), repeat=4):
        lightness, a, b = lab((inks[0], inks[1], inks[2], inks[3]))
        table += bytes([round(lightness * 255 / 100), round(a) + 128, round(b) + 128])
    matrix = struct.pack(">9i", *(65536 * (index % 4 == 0) for index in range(9)))
    lut = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + matrix + identity * 4 + table + identity * 3
    return _profile(b"prtr", b"CMYK", b"Lab ", {b"A2B0": lut})


def _xyz(values: Colour) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(value * 65536) for value in values))


def _curve(gamma: float) -> bytes:
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))


def _profile(kind: bytes, space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    text = b"made for a test\0"
    about = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(78),
        b"cprt": b"text" + bytes(4) + text,
        b"wtpt": _xyz(WHITE),
    }
    index, data, offset = b"", b"", 128 + 4 + 12 * (len(tags) + len(about))
    for name, content in {**about, **tags}.items():
        padded = content + bytes(-len(content) % 4)
        index += name + struct.pack(">II", offset + len(data), len(content))
        data += padded
    body = struct.pack(">I", len(tags) + len(about)) + index + data
    head = struct.pack(">I4sI4s4s4s", 128 + len(body), bytes(4), 0x02400000, kind, space, connection)
    head += struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp") + bytes(28) + _xyz(WHITE)[8:]
    return head + bytes(128 - len(head)) + body
