import errno
import hashlib
import json
import os
import pickletools
import random
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch
from safetensors import safe_open

from ti_studio.embeddings.embedding import Embedding, EmbeddingError, UnreadableEmbedding
from ti_studio.embeddings.formats.files import file_sha256, read_embedding, summarize_embedding, write_embedding
from ti_studio.errors import Conflict
from ti_studio.folders import WriteFailed

GOLDEN = Path(__file__).resolve().parents[2] / "golden"
Make = Callable[..., Embedding]


@pytest.mark.parametrize(
    ("ending", "shapes"),
    [
        (".safetensors", {"clip_l": (3, 96)}),
        (".safetensors", {"clip_h": (1, 48)}),
        (".safetensors", {"clip_l": (2, 768), "clip_g": (2, 1280)}),
        (".pt", {"clip_l": (3, 96)}),
        (".pt", {"clip_h": (75, 48)}),
        (".PT", {"clip_l": (1, 768)}),
    ],
)
def test_a_written_embedding_reads_back_equal(
    tmp_path: Path, make: Make, ending: str, shapes: dict[str, tuple[int, int]]
) -> None:
    cat = make("cat", step=5, **shapes)
    write_embedding(cat, tmp_path / f"cat{ending}")
    back = read_embedding(tmp_path / f"cat{ending}")
    assert (back.name, back.step, back.family) == ("cat", 5, cat.family)
    assert back.metadata == {**cat.metadata, "ti_studio.family": cat.family, "ti_studio.step": "5"}
    assert back.vectors.keys() == cat.vectors.keys()
    assert all(torch.equal(back.vectors[encoder], rows) for encoder, rows in cat.vectors.items())
    write_embedding(back, tmp_path / f"again{ending}")
    assert read_embedding(tmp_path / f"again{ending}").metadata == back.metadata


def test_a_safetensors_file_holds_one_key_and_the_rest_in_its_header(tmp_path: Path, make: Make) -> None:
    write_embedding(make("cat"), tmp_path / "cat.safetensors")
    with safe_open(tmp_path / "cat.safetensors", "pt") as file:
        assert list(file.keys()) == ["emb_params"]
        assert file.metadata() == {"ti_studio.trigger": "cat", "ti_studio.family": "SD 1"}


def test_a_pt_file_is_five_pickles_that_a1111s_unpickler_lets_through(tmp_path: Path, make: Make) -> None:
    """A1111 1.10.1 `modules/safe.py`: what is no zip is read as five pickles; these globals are among the allowed."""
    write_embedding(make("cat", step=5), tmp_path / "cat.pt")
    allowed = {"torch._utils _rebuild_tensor_v2", "torch FloatStorage", "collections OrderedDict"}
    with (tmp_path / "cat.pt").open("rb") as file:
        instructions = [step for _ in range(5) for step in pickletools.genops(file)]
    assert {argument for opcode, argument, _ in instructions if opcode.name == "GLOBAL"} == allowed
    assert not [opcode.name for opcode, _, _ in instructions if opcode.name == "STACK_GLOBAL"]


def test_rows_that_ask_for_gradients_are_written_as_plain_numbers(tmp_path: Path) -> None:
    rows = torch.ones(2, 8, dtype=torch.float64).requires_grad_()
    write_embedding(Embedding("cat", {"clip_l": rows}), tmp_path / "cat.pt")
    back = read_embedding(tmp_path / "cat.pt").vectors["clip_l"]
    assert (back.dtype, back.requires_grad) == (torch.float32, False)


def test_an_sdxl_embedding_is_written_as_a_pt_of_its_two_tensors_alone(tmp_path: Path, make: Make) -> None:
    """A1111 1.10.1 `create_embedding_from_data`: every value of a dict with clip_l and clip_g has to be a tensor."""
    cat = make("cat", clip_l=(1, 8), clip_g=(1, 10), step=5)
    write_embedding(cat, tmp_path / "cat.pt")
    data = torch.load(tmp_path / "cat.pt", weights_only=True)
    assert (type(data), data.keys()) == (dict, {"clip_l", "clip_g"})
    back = read_embedding(tmp_path / "cat.pt")
    assert all(torch.equal(back.vectors[encoder], rows) for encoder, rows in cat.vectors.items())


def test_what_a1111s_layout_can_not_hold_is_not_written_and_the_message_says_what_to_do(
    tmp_path: Path, make: Make
) -> None:
    with pytest.raises(EmbeddingError, match=r"clip_l, t5xxl, which A1111's layout can't hold; expected \.safete"):
        write_embedding(make("cat", clip_l=(1, 8), t5xxl=(1, 10)), tmp_path / "cat.pt")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_an_embedding_that_training_ruined_is_not_written(tmp_path: Path, number: float) -> None:
    rows = torch.zeros(2, 8)
    rows[1, 3] = number
    with pytest.raises(EmbeddingError, match="cat was not written: it is damaged: 1 of 16 numbers"):
        write_embedding(Embedding("cat", {"clip_l": rows}), tmp_path / "cat.safetensors")
    assert not list(tmp_path.iterdir())


def test_another_ending_is_refused_for_writing_and_reading(tmp_path: Path, make: Make) -> None:
    with pytest.raises(EmbeddingError, match=r"cat\.pth ends in '\.pth'; embeddings are written as \.safetensors or"):
        write_embedding(make("cat"), tmp_path / "cat.pth")
    (tmp_path / "cat.pth").write_bytes(b"x")
    with pytest.raises(UnreadableEmbedding, match=r"expected \.safetensors, \.pt, \.bin"):
        read_embedding(tmp_path / "cat.pth")


def test_an_existing_file_is_only_replaced_when_that_is_allowed(tmp_path: Path, make: Make) -> None:
    path = tmp_path / "cat.safetensors"
    write_embedding(make("cat", step=1), path)
    with pytest.raises(Conflict, match=r"cat\.safetensors exists already"):
        write_embedding(make("cat", step=2), path, overwrite=False)
    assert read_embedding(path).step == 1
    write_embedding(make("cat", step=2), path)
    assert read_embedding(path).step == 2


def test_a_full_disk_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cat.safetensors"
    write_embedding(make("cat", step=1), path)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(WriteFailed, match="the disk is full"):
            write_embedding(make("cat", step=2), path)
    assert list(tmp_path.iterdir()) == [path]
    assert read_embedding(path).step == 1


def test_the_hash_is_that_of_the_files_bytes(tmp_path: Path) -> None:
    content = bytes(range(256)) * 10_000
    (tmp_path / "file").write_bytes(content)
    assert file_sha256(tmp_path / "file") == hashlib.sha256(content).hexdigest()


def written(path: Path, header: object, tensors: bytes = b"") -> Path:
    """Writes a safetensors file with any header at all."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + tensors)
    return path


def outlined(dtype: str, shape: list[object], end: object) -> dict[str, object]:
    return {"emb_params": {"dtype": dtype, "shape": shape, "data_offsets": [0, end]}}


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (b"", "is cut off or no safetensors file"),
        (b"{", "has a damaged header: it is not JSON"),
        (b"\xff\xfe{}", "it is not JSON"),
        (b"[" * 100_000, "it is not JSON"),
        (b"[]", "it is not a JSON object"),
        ({"__metadata__": []}, "__metadata__ is not a map of strings"),
        ({"__metadata__": {"step": 5}}, "__metadata__ is not a map of strings"),
        ({"emb_params": []}, "'emb_params' has no dtype, shape and place"),
        (outlined("F32", ["1", 8], 32), "'emb_params' has no dtype, shape and place"),
        (outlined("F32", [1, 8], 32), "tells of 32 bytes of tensors, the file has 16"),
        (outlined("F32", [1, 2], 8), "tells of 8 bytes of tensors, the file has 16"),
        (outlined("F32", [-1, 2], 16), r"shape \[-1, 2\]"),
        (outlined("F32", [10**30, 10**30], 16), "expected .* 1 to 1000 rows"),
        (outlined("F32", [1, 8], 16), "is damaged"),
        (outlined("I64", [1, 2], 16), "'emb_params' holds I64; expected one of F64, F32"),
        (outlined("X9", [1, 2], 16), "'emb_params' holds X9"),
        ({}, "tells of 0 bytes"),
    ],
)
def test_a_broken_safetensors_file_is_refused_with_what_is_broken(tmp_path: Path, header: object, reason: str) -> None:
    path = written(tmp_path / "cat.safetensors", header, bytes(16))
    with pytest.raises(UnreadableEmbedding, match=rf"(?s)^cat\.safetensors .*{reason}"):
        read_embedding(path)


@pytest.mark.parametrize(
    ("length", "reason"),
    [(2**63, "is cut off or no safetensors file"), (17 * 2**20, "has a header of 17,825,792 bytes")],
)
def test_a_giant_header_is_refused_before_it_is_read(tmp_path: Path, length: int, reason: str) -> None:
    path = tmp_path / "cat.safetensors"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", length))
        file.truncate(18 * 2**20)
    with pytest.raises(UnreadableEmbedding, match=reason):
        read_embedding(path)


def test_a_big_checkpoint_is_refused_by_its_keys_without_reading_it(tmp_path: Path) -> None:
    path = written(
        tmp_path / "model.safetensors",
        {
            f"model.{n}": {"dtype": "F16", "shape": [2**13, 2**13], "data_offsets": [n * 2**27, (n + 1) * 2**27]}
            for n in range(8)
        },
    )
    with path.open("ab") as file:
        file.truncate(path.stat().st_size + 2**30)
    with pytest.raises(UnreadableEmbedding, match=r"found 'model\.0', 'model\.1', 'model\.2', 'model\.3' and 4 more"):
        read_embedding(path)


def test_a_file_that_is_too_big_is_refused_without_reading_it(tmp_path: Path) -> None:
    path = tmp_path / "cat.pt"
    with path.open("wb") as file:
        file.truncate(2**33)
    with pytest.raises(UnreadableEmbedding, match=r"is 8,589,934,592 bytes; an embedding has at most 268,435,456"):
        read_embedding(path)


@pytest.mark.parametrize("number", [float("nan"), float("-inf")])
@pytest.mark.parametrize("ending", [".safetensors", ".pt"])
def test_numbers_that_are_none_make_a_file_unreadable(tmp_path: Path, ending: str, number: float) -> None:
    rows = torch.zeros(2, 8)
    rows[0, 0] = number
    path = tmp_path / f"cat{ending}"
    if ending == ".pt":
        torch.save({"emb_params": rows}, path)
    else:
        safetensors.torch.save_file({"emb_params": rows}, path)
    with pytest.raises(UnreadableEmbedding, match=r"1 of 16 numbers in .* are NaN or infinite"):
        read_embedding(path)


def test_a_number_too_big_for_float32_is_not_taken_for_one(tmp_path: Path) -> None:
    torch.save({"emb_params": torch.full((1, 8), 1e300, dtype=torch.float64)}, tmp_path / "cat.pt")
    with pytest.raises(UnreadableEmbedding, match="8 of 8 numbers"):
        read_embedding(tmp_path / "cat.pt")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([1, 2], r"found '\*', '\*_1'"),
        ({"emb_params": torch.zeros(1, 8, dtype=torch.int64)}, "holds torch.int64; expected floating-point"),
        ({"a": torch.zeros(1, 8), "b": torch.zeros(1, 8)}, "found 'a', 'b'"),
        ({}, "found nothing"),
    ],
)
def test_a_pt_file_of_something_else_is_refused_with_what_it_holds(
    tmp_path: Path, content: object, reason: str
) -> None:
    torch.save(content, tmp_path / "cat.pt")
    with pytest.raises(UnreadableEmbedding, match=reason):
        read_embedding(tmp_path / "cat.pt")


def test_a_step_that_is_no_number_is_not_a_step(tmp_path: Path) -> None:
    for step in ("many", "-1", "٣", "9" * 5000, ""):
        safetensors.torch.save_file(
            {"emb_params": torch.zeros(1, 8)}, tmp_path / "cat.safetensors", {"ti_studio.step": step}
        )
        assert read_embedding(tmp_path / "cat.safetensors").step is None


def test_what_is_missing_or_no_file_is_unreadable_and_does_not_wait(tmp_path: Path) -> None:
    (tmp_path / "empty.pt").touch()
    (tmp_path / "folder.pt").mkdir()
    os.mkfifo(tmp_path / "pipe.pt")
    for name, reason in {
        "empty": "is empty",
        "folder": "is no ordinary",
        "pipe": "is no ordinary",
        "no": "No such",
    }.items():
        with pytest.raises(UnreadableEmbedding, match=rf"^{name}\.pt .*{reason}"):
            read_embedding(tmp_path / f"{name}.pt")


@pytest.mark.filterwarnings("ignore::UserWarning")  # torch's, on files whose protocol number was hit
@pytest.mark.parametrize("name", ["a1111_zip.pt", "a1111_legacy.pt", "rinongal.pt", "sd_scripts_sdxl.safetensors"])
def test_damage_anywhere_in_a_file_is_never_more_than_unreadable(tmp_path: Path, name: str) -> None:
    whole = (GOLDEN / name).read_bytes()
    dice = random.Random(name)
    path = tmp_path / name
    for _ in range(150):
        damaged = bytearray(whole)
        for _ in range(dice.randint(1, 4)):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        path.write_bytes(damaged[: dice.randint(1, len(damaged))] if dice.random() < 0.3 else damaged)
        for read in (read_embedding, summarize_embedding):
            try:
                read(path)
            except UnreadableEmbedding as error:
                assert str(error).startswith(f"{name} ")
