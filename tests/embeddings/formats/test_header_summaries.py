"""Outlines of torch files hold to what reading them in full says, for whatever bytes there are."""

import io
import pickle
import random
import zipfile
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ti_studio.embeddings.embedding import UnreadableEmbedding
from ti_studio.embeddings.formats.files import read_embedding, summarize_embedding
from ti_studio.embeddings.formats.header_summaries import HeaderSummary, summarize_pickle
from ti_studio.embeddings.formats.pickle_interpreter import StoredTensor
from ti_studio.embeddings.formats.pickles import load_pickle
from ti_studio.embeddings.formats.torch_headers import read_torch_header

GOLDEN = Path(__file__).resolve().parents[2] / "golden"
DTYPES = (torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.int32)


def saved(content: object, *, as_zip: bool) -> bytes:
    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=as_zip)
    return file.getvalue()


def a1111(rows: torch.Tensor) -> dict[str, object]:
    return {"string_to_token": {"*": 265}, "string_to_param": {"*": rows}, "name": "кот", "step": 1500, "at": None}


def agrees(made: object, loaded: object) -> bool:
    """Tells whether an outline and what torch loaded are the same but for the numbers."""
    if isinstance(loaded, torch.Tensor):
        return isinstance(made, StoredTensor) and made.shape == tuple(loaded.shape)
    if isinstance(loaded, dict):
        return (
            isinstance(made, dict) and list(made) == list(loaded) and all(map(agrees, made.values(), loaded.values()))
        )
    if isinstance(loaded, (list, tuple)):
        return type(made) is type(loaded) and len(made) == len(loaded) and all(map(agrees, made, loaded))  # type: ignore[arg-type]
    return made == loaded


@st.composite
def tensors(draw: st.DrawFn) -> torch.Tensor:
    """Draws a small tensor of any type, of which the rows may stand in columns."""
    shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=2))
    tensor = torch.zeros(shape, dtype=draw(st.sampled_from(DTYPES)))
    return tensor.t() if draw(st.booleans()) else tensor


PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=300)
INNER = PLAIN | tensors()
KEYS = st.text(max_size=5) | st.integers()
GROUPS = st.lists(INNER, max_size=4) | st.dictionaries(KEYS, INNER, max_size=4)


@settings(max_examples=60, deadline=None)
@given(INNER | st.lists(INNER | GROUPS, max_size=4) | st.dictionaries(KEYS, INNER | GROUPS, max_size=4), st.booleans())
def test_what_torch_saves_is_outlined_as_torch_loads_it(content: object, as_zip: bool) -> None:
    data = saved(content, as_zip=as_zip)
    made = read_torch_header(data)
    # None is also what is left to torch.
    assert made is None or agrees(made, load_pickle(data))


@pytest.mark.parametrize("as_zip", [True, False])
@pytest.mark.parametrize(
    "rows", [torch.randn(3, 8), torch.nn.Parameter(torch.randn(3, 8)), torch.randn(9, 8)[2:5].half()]
)
def test_a1111s_files_need_no_torch(rows: torch.Tensor, as_zip: bool) -> None:
    summary = summarize_pickle(saved(a1111(rows), as_zip=as_zip))
    assert summary == HeaderSummary({"clip_l": 8}, 3, 1500, {})


def test_a_file_that_was_saved_on_a_gpu_needs_none() -> None:
    data = saved(a1111(torch.randn(3, 8)), as_zip=False)
    moved = data.replace(b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0")
    assert moved != data
    assert summarize_pickle(moved) == summarize_pickle(data)
    assert agrees(read_torch_header(moved), load_pickle(moved))


@pytest.mark.parametrize("name", [path.name for path in GOLDEN.iterdir() if path.suffix in (".pt", ".bin")])
def test_the_outline_of_a_golden_file_is_what_reading_it_shows(name: str) -> None:
    summary, embedding = summarize_embedding(GOLDEN / name), read_embedding(GOLDEN / name)
    assert (summary.widths, summary.vectors_per_token) == (embedding.widths, embedding.vectors_per_token)
    assert (summary.step, summary.metadata) == (embedding.step, embedding.metadata)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(["a1111_zip.pt", "a1111_legacy.pt", "comfyui_list.pt", "sd_scripts.pt"]), st.data())
def test_nothing_is_outlined_that_would_not_be_loaded(name: str, data: st.DataObject) -> None:
    content = bytearray((GOLDEN / name).read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    made = read_torch_header(bytes(content))
    if made is None:
        return
    try:
        loaded = load_pickle(bytes(content))
    except UnreadableEmbedding as error:
        # Only the numbers themselves, whose checksum in a zip is not looked at, may be what is wrong.
        assert "damaged" in str(error), error
        assert bytes(content).startswith(b"PK"), error
    else:
        assert agrees(made, loaded)


def test_random_instructions_are_left_to_torch_or_agree_with_it() -> None:
    drawn = random.Random(5)
    codes = b"(N\x88\x89)JKMG\x8aX]}\x85\x86\x87taesuqhcQR." + bytes(range(4))
    for _ in range(20_000):
        made = read_torch_header(b"\x80\x02" + bytes(drawn.choices(codes, k=drawn.randint(1, 12))))
        assert made is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04hello",
        pickle.dumps({"string_to_param": 1}, 2),
        saved(a1111(torch.zeros(2, 8)), as_zip=False)[:-1],
        saved(a1111(torch.zeros(2, 8)), as_zip=False) + b"x",
        saved(a1111(torch.zeros(2, 8)), as_zip=True)[:-1],
        saved({("a", "b"): torch.zeros(2, 8)}, as_zip=True),
    ],
    ids=["empty", "no zip", "bare", "cut off", "longer", "zip cut off", "tuple as key"],
)
def test_what_is_not_whole_or_not_usual_is_left_to_torch(content: bytes) -> None:
    assert read_torch_header(content) is None


def renamed(content: bytes, extra: dict[str, bytes]) -> bytes:
    """Returns a torch file as another zip, with some members added or replaced."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(file, "w") as new:
        for name in old.namelist():
            new.writestr(name, extra.get(name, old.read(name)))
        for name in extra.keys() - set(old.namelist()):
            new.writestr(name, extra[name])
    return file.getvalue()


@pytest.mark.parametrize(
    "extra",
    [
        {"archive/data/0": b"\0" * 63},
        {"archive/byteorder": b"big"},
        {"archive/DATA/0": b""},
        {"archive/other.pkl": b""},
    ],
    ids=["short storage", "byte order", "case", "two pickles"],
)
def test_a_zip_that_torch_could_understand_otherwise_is_left_to_it(extra: dict[str, bytes]) -> None:
    content = saved(a1111(torch.zeros(2, 8)), as_zip=True)
    assert read_torch_header(renamed(content, {})) is not None
    assert read_torch_header(renamed(content, extra)) is None
