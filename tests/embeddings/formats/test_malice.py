"""Files that are made to run code, to hang, to fill the memory or to be read in two ways: each is refused for a reason.

What pickles may ask for is in test_pickles.py, damaged headers in test_files.py, damaged pictures in test_pictures.py,
names and links in test_library.py, test_names.py and test_walk.py.
"""

import base64
import io
import json
import os
import pickle
import struct
import subprocess
import sys
import threading
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image

from ti_studio.embeddings.embedding import UnreadableEmbedding
from ti_studio.embeddings.formats.files import read_embedding, summarize_embedding
from ti_studio.embeddings.formats.pickle_allowlist import MAX_TUPLES
from ti_studio.embeddings.formats.pickles import load_pickle
from ti_studio.embeddings.formats.png_embeddings import CHUNK, read_picture

ROWS = torch.arange(16, dtype=torch.float32).reshape(2, 8)
ROW_BYTES = ROWS.numel() * 4
SHAPE = b"K\x02K\x08\x86"
"""(2, 8) in a pickle."""


def as_zip(content: object) -> bytes:
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def as_legacy(content: object) -> bytes:
    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=False)
    return file.getvalue()


def members(archive: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(archive)) as file:
        return {name: file.read(name) for name in file.namelist()}


def zipped(contents: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return file.getvalue()


def in_legacy(top: bytes) -> bytes:
    """A legacy file whose object is this pickle."""
    head = [pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})]
    return b"".join(head) + top + pickle.dumps([], 2)


# Pickles


@pytest.mark.parametrize(
    ("instructions", "named"),
    [
        (b"\x82\x01.", "EXT1"),
        (b"\x83\x01\x00.", "EXT2"),
        (b"\x84\x01\x00\x00\x00.", "EXT4"),
        (b"Pid\n.", "PERSID"),
        (b"P\\K\n.", "PERSID"),
        (b"S'\\K'\n.", "STRING"),
        (b"(cbuiltins\nset\no.", "OBJ"),
        (b"(ibuiltins\nset\n.", "INST"),
        (b"cbuiltins\nset\n)}\x92.", "NEWOBJ_EX"),
        (b"\x80\x04]\x94.", "MEMOIZE|protocol 4"),
        (b"]0].", "POP"),
        (b"(]1].", "POP_MARK"),
        (b"\x96\x01\x00\x00\x00\x00\x00\x00\x00x.", "BYTEARRAY8"),
        (b"\x97.", "NEXT_BUFFER"),
        (b"ccopyreg\n_reconstructor\n.", r"asks to run copyreg\._reconstructor"),
        (b"c__builtin__\ngetattr\n.", r"asks to run __builtin__\.getattr"),
        (b"ctorch.hub\nload\n.", r"asks to run torch\.hub\.load"),
        (b"ctorch\nload\n.", r"asks to run torch\.load"),
    ],
)
def test_an_instruction_that_no_embedding_needs_is_named_and_not_followed(instructions: bytes, named: str) -> None:
    for content in (in_legacy(b"\x80\x02" + instructions), zipped({"archive/data.pkl": b"\x80\x02" + instructions})):
        with pytest.raises(UnreadableEmbedding, match=named):
            load_pickle(content)


def test_a_dictionary_of_something_else_can_not_pass_for_a_tensor(tmp_path: Path) -> None:
    """BUILD sets what an object holds: here a ParameterDict that says of itself that it has a shape."""
    crafted = (
        b"\x80\x02}X\x01\x00\x00\x00ectorch.nn.modules.container\nParameterDict\n)\x81}X\x05\x00\x00\x00shapeK\x05sbs."
    )
    path = tmp_path / "cat.pt"
    path.write_bytes(in_legacy(crafted))
    with pytest.raises(UnreadableEmbedding, match=r"cat\.pt is "):
        read_embedding(path)


def test_lists_that_double_by_reference_are_read_in_no_time_and_refused(tmp_path: Path) -> None:
    """The billion laughs: each list holds the one before it twice."""
    lists = b"\x80\x02]q\x00" + b"".join(b"]r%s(h%ch%ce" % (struct.pack("<I", n), n - 1, n - 1) for n in range(1, 200))
    for top in (lists + b".", b"\x80\x02]q\x00(h\x00h\x00e."):
        path = tmp_path / "cat.pt"
        path.write_bytes(in_legacy(top))
        with pytest.raises(UnreadableEmbedding, match=r"cat\.pt is "):
            read_embedding(path)


@pytest.mark.parametrize("depth", [MAX_TUPLES, MAX_TUPLES + 1, 90_000])
def test_a_key_of_tuples_in_tuples_does_not_exhaust_a_threads_stack(tmp_path: Path, depth: int) -> None:
    path = tmp_path / "cat.pt"
    path.write_bytes(in_legacy(b"\x80\x02})" + b"\x85" * depth + b"Ns."))
    reasons: list[str] = []

    def read() -> None:
        try:
            read_embedding(path)
        except UnreadableEmbedding as error:
            reasons.append(str(error))

    before = threading.stack_size(512 * 2**10)  # what macOS gives a thread
    try:
        thread = threading.Thread(target=read)
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join()
    expected = "found 'a tuple'" if depth <= MAX_TUPLES else f"has more than {MAX_TUPLES:,} tuples"
    assert [expected in reason for reason in reasons] == [True]


def test_another_protocol_than_torchs_is_refused_without_a_warning() -> None:
    content = as_legacy({"emb_params": ROWS})
    with pytest.raises(UnreadableEmbedding, match="is written in pickle protocol 3"):
        load_pickle(content.replace(b"\x80\x02", b"\x80\x03"))


def test_numbers_of_the_other_byte_order_are_read_as_what_they_are(tmp_path: Path) -> None:
    contents = members(as_zip({"emb_params": ROWS}))
    for name in contents:
        if name.endswith("byteorder"):
            contents[name] = b"big"
        if name.endswith("data/0"):
            contents[name] = np.frombuffer(contents[name], "<f4").astype(">f4").tobytes()
    (tmp_path / "cat.pt").write_bytes(zipped(contents))
    assert torch.equal(read_embedding(tmp_path / "cat.pt").vectors["clip_l"], ROWS)


# Zips


def test_two_members_of_one_name_are_refused() -> None:
    """One reader would take the first of them, another the last."""
    contents = members(as_zip({"emb_params": ROWS}))
    for repeated in contents:
        file = io.BytesIO(zipped(contents))
        with zipfile.ZipFile(file, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr(repeated, b"")
        with pytest.raises(UnreadableEmbedding, match=r"two members of one name|2 pickles"):
            load_pickle(file.getvalue())


def test_an_archive_that_two_readers_see_differently_is_loaded_as_it_was_checked() -> None:
    """zipfile finds the directory before the end record, torch's reader where the record says: here two of them."""
    unseen, seen = as_zip({"emb_params": ROWS + 1}), as_zip({"emb_params": ROWS})
    start = struct.unpack("<I", unseen[-6:-2])[0]
    size = struct.unpack("<I", seen[-10:-6])[0]
    both = unseen[:-22] + seen[:-22] + seen[-22:-10] + struct.pack("<II", size, start) + b"\0\0"
    assert torch.equal(torch.load(io.BytesIO(both), weights_only=True)["emb_params"], ROWS + 1)
    loaded = load_pickle(both)
    assert isinstance(loaded, dict)
    assert torch.equal(loaded["emb_params"], ROWS)


def test_an_encrypted_archive_is_refused() -> None:
    content = bytearray(as_zip({"emb_params": ROWS}))
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = content.find(signature)
        while place >= 0:
            content[place + at] |= 1
            place = content.find(signature, place + 1)
    with pytest.raises(UnreadableEmbedding, match="is damaged or no torch file"):
        load_pickle(bytes(content))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_archive_packed_by_another_method_is_refused(method: int) -> None:
    with pytest.raises(UnreadableEmbedding, match="a zip that is packed as torch packs none"):
        load_pickle(zipped(members(as_zip({"emb_params": ROWS})), method))


def test_a_zip_in_a_zip_is_not_unpacked() -> None:
    inner = as_zip({"emb_params": ROWS})
    for contents in ({"archive/data.pkl": inner}, {"archive/data.zip": inner}):
        with pytest.raises(UnreadableEmbedding, match=r"damaged|0 pickles|pickle instruction"):
            load_pickle(zipped(contents))


# Safetensors


def with_header(path: Path, tensors: dict[str, tuple[list[int], list[int]]], size: int) -> Path:
    header = {name: {"dtype": "F32", "shape": shape, "data_offsets": place} for name, (shape, place) in tensors.items()}
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(size))
    return path


@pytest.mark.parametrize(
    ("tensors", "reason"),
    [
        (
            {"clip_l": ([1, 4], [0, 16]), "clip_g": ([1, 4], [0, 16])},
            "the bytes of .* are from 0 to 16; expected from 16",
        ),
        ({"clip_l": ([1, 4], [0, 12]), "clip_g": ([1, 4], [8, 16])}, "are from 8 to 16; expected from 12"),
        ({"emb_params": ([1, 2], [8, 16])}, "are from 8 to 16; expected from 0"),
        ({"emb_params": ([1, 4], [-4, 16])}, "are from -4 to 16; expected from 0"),
        ({"emb_params": ([1, 8], [0, 16])}, "'emb_params' has 16 bytes; its shape and type need 32"),
        ({"emb_params": ([1, 2], [0, 16])}, "'emb_params' has 16 bytes; its shape and type need 8"),
        ({"emb_params": ([1] * 100_000, [0, 16])}, r"has the shape \[1, 1, 1, 1, …\]; expected"),
        ({"x" * 10**6: ([0, 4], [0, 16])}, r"'x{60}' has the shape"),
    ],
)
def test_tensors_in_wrong_places_are_refused_by_the_header_alone(
    tmp_path: Path, tensors: dict[str, tuple[list[int], list[int]]], reason: str
) -> None:
    path = with_header(tmp_path / "cat.safetensors", tensors, 16)
    for read in (summarize_embedding, read_embedding):
        with pytest.raises(UnreadableEmbedding, match=reason) as refused:
            read(path)
        assert len(str(refused.value)) < 600


@pytest.mark.parametrize("half", ['"\\ud800"', '"\\udc00 x"'])
def test_a_header_with_half_a_character_is_refused(tmp_path: Path, half: str) -> None:
    """It could not be sent to anybody: no encoding has it."""
    safetensors.torch.save_file({"emb_params": ROWS}, tmp_path / "cat.safetensors", {"note": "PLACE"})
    content = (tmp_path / "cat.safetensors").read_bytes()
    text = content[8 : 8 + int.from_bytes(content[:8], "little")].rstrip().replace(b'"PLACE"', half.encode())
    (tmp_path / "cat.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + content[-ROW_BYTES:])
    with pytest.raises(UnreadableEmbedding, match="has a damaged header: it is not JSON"):
        summarize_embedding(tmp_path / "cat.safetensors")


@pytest.mark.parametrize("rows", [0, 10_000])
@pytest.mark.parametrize("ending", [".safetensors", ".pt"])
def test_no_rows_and_ten_thousand_rows_are_no_embedding(tmp_path: Path, ending: str, rows: int) -> None:
    path = tmp_path / f"cat{ending}"
    if ending == ".pt":
        torch.save({"emb_params": torch.zeros(rows, 8)}, path)
    else:
        safetensors.torch.save_file({"emb_params": torch.zeros(rows, 8)}, path)
    for read in (summarize_embedding, read_embedding):
        with pytest.raises(UnreadableEmbedding, match=rf"has the shape \[{rows}, 8\]; expected .* 1 to 1000 rows"):
            read(path)


# Files that change, and messages


@pytest.mark.parametrize("ending", [".safetensors", ".pt", ".png"])
@pytest.mark.parametrize("change", [-1, -60, 1])
def test_a_file_that_grows_or_shrinks_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, change: int
) -> None:
    path = tmp_path / f"cat{ending}"
    if ending == ".safetensors":
        safetensors.torch.save_file({"emb_params": ROWS}, path)
    else:
        path.write_bytes(as_zip({"emb_params": ROWS}) if ending == ".pt" else card(CHUNK, b"{}"))
    whole, measured = path.read_bytes(), os.fstat

    def measured_and_changed(opened: int) -> os.stat_result:
        about = measured(opened)
        path.write_bytes(whole[:change] if change < 0 else whole + b"x")
        return about

    monkeypatch.setattr(os, "fstat", measured_and_changed)
    with pytest.raises(UnreadableEmbedding, match=r"was changed while it was read|is cut off|not JSON"):
        read_embedding(path)


def test_a_message_shows_no_controls_and_has_an_end(tmp_path: Path) -> None:
    torch.save({"\u202eevil\x1b[2J" + "x" * 10**5: torch.zeros(1, 2, 8)}, tmp_path / "cat.pt")
    with pytest.raises(UnreadableEmbedding) as refused:
        read_embedding(tmp_path / "cat.pt")
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 600


# Pictures


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, *chunks: bytes) -> bytes:
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    pixels = png_chunk(b"IDAT", zlib.compress(bytes((width * 3 + 1) * min(height, 8)), 9))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + pixels + png_chunk(b"IEND", b"")


def card(key: str, text: bytes) -> bytes:
    return png(8, 8, png_chunk(b"tEXt", key.encode() + b"\0" + base64.b64encode(text)))


def test_text_chunks_that_unpack_without_end_are_refused() -> None:
    bomb = zlib.compress(bytes(2**26), 9)
    for content in (
        png(8, 8, png_chunk(b"zTXt", CHUNK.encode() + b"\0\0" + bomb)),
        png(8, 8, png_chunk(b"iTXt", CHUNK.encode() + b"\0\1\0\0\0" + bomb)),
        png(8, 8, *[png_chunk(b"zTXt", b"k%d\0\0" % n + zlib.compress(bytes(2**20 - 9), 9)) for n in range(80)]),
    ):
        with pytest.raises(UnreadableEmbedding, match=r"is no picture that can be read|is an ordinary picture"):
            read_picture(content)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(
    ("width", "height"), [(8000, 8000), (12_000, 12_000), (60_000, 60_000), (2**31 - 1, 2**31 - 1)]
)
def test_a_picture_of_giant_dimensions_is_refused_before_it_is_unpacked(width: int, height: int) -> None:
    content = png(8, 8).replace(struct.pack(">II", 8, 8), struct.pack(">II", width, height))
    header = content[12:29]
    content = content[:29] + struct.pack(">I", zlib.crc32(header)) + content[33:]
    with pytest.raises(UnreadableEmbedding, match=r"has \d+×\d+ pixels|is no picture that can be read"):
        read_picture(content)


def test_a_picture_of_another_kind_is_not_even_opened(tmp_path: Path) -> None:
    """Pillow would start Ghostscript for the first of these."""
    picture = io.BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "BMP")
    for content in (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n", picture.getvalue()):
        (tmp_path / "cat.png").write_bytes(content)
        with pytest.raises(UnreadableEmbedding, match="is no picture that can be read"):
            read_embedding(tmp_path / "cat.png")


@pytest.mark.parametrize(
    "inside",
    [
        *("5", '"x"', "NaN", "[[[]]]"),
        *('{"TORCHTENSOR": "abc"}', '{"TORCHTENSOR": {}}', '{"TORCHTENSOR": null}', '{"TORCHTENSOR": [1e999]}'),
        '{"TORCHTENSOR": ' + "[" * 200 + "]" * 200 + "}",
        '{"TORCHTENSOR": [1' + "0" * 400 + "]}",
        *('{"TORCHTENSOR": 1}', '{"TORCHTENSOR": {"TORCHTENSOR": false}}', '{"TORCHTENSOR": {"TORCHTENSOR": [[1]]}}'),
    ],
)
def test_a_card_that_holds_something_else_is_refused(tmp_path: Path, inside: str) -> None:
    for text in (f'{{"string_to_param": {{"*": {inside}}}}}', f'{{"string_to_param": {inside}}}', f'{{"x": {inside}}}'):
        (tmp_path / "cat.png").write_bytes(card(CHUNK, text.encode()))
        with pytest.raises(UnreadableEmbedding, match=r"cat\.png "):
            read_embedding(tmp_path / "cat.png")


# Memory


def deflated_bomb() -> bytes:
    """A member that says it has a kilobyte, and unpacks to 512 MB."""
    packing = zlib.compressobj(1, zlib.DEFLATED, -15)
    packed = packing.compress(bytes(2**29)) + packing.flush()
    content = bytearray(zipped({"archive/data.pkl": packed}))
    for signature, method, sizes in ((b"PK\x03\x04", 8, 18), (b"PK\x01\x02", 10, 20)):
        place = content.find(signature)
        content[place + method] = zipfile.ZIP_DEFLATED
        content[place + sizes : place + sizes + 8] = struct.pack("<II", len(packed), 1024)
    return bytes(content)


def storage_bomb() -> bytes:
    """Two gigabytes of numbers, of which the file has sixteen."""
    content = as_legacy({"emb_params": ROWS})
    return content.replace(SHAPE, b"J" + struct.pack("<i", 500_000) + b"J" + struct.pack("<i", 1000) + b"\x86", 1)


BOMBS: dict[str, Callable[[], bytes]] = {
    "deflated.pt": deflated_bomb,
    "storage.pt": storage_bomb,
    "expanded.pt": lambda: as_zip(
        {name: torch.zeros(1).expand(1000, 16_384) for name in ("clip_l", "clip_g", "t5xxl")}
    ),
    "lists.safetensors": lambda: struct.pack("<Q", 2**24) + b"[" + b"[]," * ((2**24 - 4) // 3) + b"[]]" + b" ",
    "strings.pt": lambda: in_legacy(b"\x80\x02X" + struct.pack("<I", 2**26) + b"x" * 2**26 + b"."),
    "marks.pt": lambda: in_legacy(b"\x80\x02" + b"(" * 2**24 + b"."),
    "lists.png": lambda: card(CHUNK, b"[" + b"[]," * 2**22 + b"[]]"),
    "pixels.png": lambda: png(8000, 6000),
}

LIMITED = """
import resource, sys
from pathlib import Path
from ti_studio.embeddings.errors import UnreadableEmbedding
from ti_studio.embeddings.formats.files import MAX_FILE_BYTES, read_embedding
from PIL import Image
Image.init()
most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for name in sys.argv[1:]:
    try:
        read_embedding(Path(name))
    except UnreadableEmbedding as error:
        print(error, file=sys.stderr)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(name, (peak - most) * 1024 / MAX_FILE_BYTES)
    most = max(most, peak)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems count a process's memory in other units")
def test_no_file_takes_much_more_memory_than_the_largest_file_there_may_be(tmp_path: Path, root: Path) -> None:
    for name, make in BOMBS.items():
        (tmp_path / name).write_bytes(make())
    environment = {**os.environ, "PYTHONPATH": str(root / "modules"), "OMP_NUM_THREADS": "1"}
    ran = subprocess.run(
        [sys.executable, "-c", LIMITED, *BOMBS],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    shares = {name: float(share) for name, share in (line.split() for line in ran.stdout.splitlines())}
    assert shares.keys() == BOMBS.keys(), ran.stderr
    assert {name: share for name, share in shares.items() if share > 1.5} == {}
