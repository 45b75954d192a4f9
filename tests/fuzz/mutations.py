"""Bytes and texts that readers should refuse or read, and never stumble over: noise, and damage to what is whole."""

import io
import json
import pickle
import struct
from typing import Any

from hypothesis import strategies as st

NUMBERS = [
    b"\0",
    b"\1",
    b"\x7f",
    b"\x80",
    b"\xff",
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"\xff\xff\xff\x7f",
    b"\0\0\0\x80",
]
"""What lengths, offsets and counts overflow at."""


@st.composite
def damaged(draw: st.DrawFn, originals: list[bytes]) -> bytes:
    """A whole file, damaged in one to four places: overwritten, cut, repeated, or with a piece of another in it."""
    content = draw(st.sampled_from(originals))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.integers(0, 64)))
        if draw(st.integers(0, 9)) == 0:
            return content[:start]
        if draw(st.integers(0, 9)) == 0:
            content = content[:start] + content[start:end] * draw(st.integers(2, 50)) + content[end:]
            continue
        replacement = draw(st.one_of(_NOISE, st.sampled_from(NUMBERS), _piece_of(originals), st.just(b"")))
        content = (
            content[:start] + replacement + content[draw(st.sampled_from([start, end, start + len(replacement)])) :]
        )
    return content


_NOISE = st.binary(min_size=1, max_size=64) | st.binary(min_size=1, max_size=1)


@st.composite
def _piece_of(draw: st.DrawFn, originals: list[bytes]) -> bytes:
    other = draw(st.sampled_from(originals))
    begin = draw(st.integers(0, len(other)))
    return other[begin : begin + draw(st.integers(0, 200))]


def noisy(originals: list[bytes]) -> st.SearchStrategy[bytes]:
    """Noise, noise that begins as a file does, or a damaged file."""
    begins = st.builds(
        lambda original, noise: original[:16] + noise, st.sampled_from(originals), st.binary(max_size=200)
    )
    return st.one_of(damaged(originals), damaged(originals), begins, st.binary(max_size=300))


def _text_argument(text: str) -> bytes:
    return b"X" + struct.pack("<I", len(text.encode())) + text.encode()


_WORDS = [
    "emb_params",
    "*",
    "string_to_param",
    "_parameters",
    "clip_l",
    "clip_g",
    "shape",
    "storage",
    "0",
    "cpu",
    "step",
]
_GLOBALS = [
    "torch._utils\n_rebuild_tensor_v2",
    "torch._utils\n_rebuild_tensor",
    "torch._utils\n_rebuild_parameter",
    "torch\nFloatStorage",
    "torch\nLongStorage",
    "collections\nOrderedDict",
    "torch.nn.modules.container\nParameterDict",
    "__builtin__\nset",
    "os\nsystem",
    "__builtin__\nbytearray",
]
_INSTRUCTIONS = [
    *(bytes([opcode]) for opcode in b"(.NtsubeaR)]}Qldo012P\x81\x85\x86\x87\x88\x89\x93\x94\x8f\x90\x92"),
    *(_text_argument(word) for word in _WORDS),
    *(f"c{name}\n".encode() for name in _GLOBALS),
    *(b"K" + bytes([number]) for number in (0, 1, 2, 8, 255)),
    *(b"J" + struct.pack("<i", number) for number in (-1, 10**6, 2**31 - 1)),
    *(b"q" + bytes([number]) for number in range(4)),
    *(b"h" + bytes([number]) for number in range(4)),
    b"G" + struct.pack(">d", float("nan")),
    b"\x8a\x08" + b"\xff" * 8,
]
_TENSOR = (
    b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x10NtQ"
    b"K\0K\x02K\x08\x86K\x08K\x01\x86\x89ccollections\nOrderedDict\n)RtR"
)


@st.composite
def pickled(draw: st.DrawFn) -> bytes:
    """A legacy torch file whose object is made of instructions at random, some of them a whole tensor."""
    pieces = draw(st.lists(st.sampled_from([*_INSTRUCTIONS, _TENSOR, b"}" + _text_argument("*") + _TENSOR + b"s"])))
    head = [pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})]
    file = io.BytesIO()
    file.write(b"".join(head) + b"\x80\x02" + b"".join(pieces) + draw(st.sampled_from([b".", b"}s.", b""])))
    file.write(pickle.dumps(["0"], 2) + struct.pack("<q", 16) + bytes(64))
    return file.getvalue()


_KEYS = st.sampled_from(
    [*_WORDS, "TORCHTENSOR", "dtype", "data_offsets", "__metadata__", "name", "description", "notes"]
)
_ATOMS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([0, 1, 2, 8, 16, 32, 64, 10**30, 2**63, "F32", "F16", "I64", "1", "", "\ud800"])
    | st.floats()
    | st.text(max_size=10)
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    _ATOMS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS | st.text(max_size=5), inner, max_size=4)
)
"""What JSON can hold, with the keys that files have."""


def json_bytes() -> st.SearchStrategy[bytes]:
    """JSON of anything, noise, or JSON that breaks off."""
    written = VALUES.map(lambda value: json.dumps(value).encode())
    return written | st.binary(max_size=100) | st.builds(lambda text, end: text[:-end], written, st.integers(1, 20))


@st.composite
def headers(draw: st.DrawFn) -> bytes:
    """The header of a safetensors file, right or nearly so."""
    names = draw(st.lists(st.sampled_from(["emb_params", "clip_l", "clip_g", "<x>", "<x>_1", "\ud800"]), max_size=3))
    header: dict[str, Any] = {}
    end = 0
    for name in names:
        shape = draw(st.lists(st.sampled_from([0, 1, 1, 2, 4, -1, 10**6, 1.5]), min_size=1, max_size=3))
        start, size = end, draw(st.sampled_from([4, 8, 16, 32, 64]))
        end = start + size
        place = draw(st.sampled_from([[start, end]] * 6 + [[end, start], [0, end], [start], [True, end], [-1, end]]))
        header[name] = {"dtype": draw(st.sampled_from(["F32", "F32", "F16", "I8", "f32"])), "shape": shape}
        header[name]["data_offsets"] = place
        if draw(st.integers(0, 9)) == 0:
            header[name]["more"] = draw(VALUES)
    if draw(st.booleans()):
        header["__metadata__"] = draw(VALUES | st.dictionaries(st.text(max_size=5), st.text(max_size=9), max_size=3))
    return json.dumps(header, ensure_ascii=draw(st.booleans())).encode(errors="replace")


def safetensors(header: bytes, tensors: int) -> bytes:
    """A file with this header and so many bytes of numbers."""
    return struct.pack("<Q", len(header)) + header + bytes(tensors)
