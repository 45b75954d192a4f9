"""Malicious and broken pickles. Each would leave a file called `marker` behind if anything in it was run."""

import builtins
import io
import os
import pickle
import pickletools
import struct
import threading
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from ti_studio.embeddings.embedding import UnreadableEmbedding
from ti_studio.embeddings.formats import pickles
from ti_studio.embeddings.formats.files import read_embedding
from ti_studio.embeddings.formats.pickles import load_pickle


class Call:
    """Pickles as a call."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.call


def saved(content: object, *, as_zip: bool = True) -> bytes:
    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=as_zip)
    return file.getvalue()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the test runs, so that a file that it writes need not name it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("as_zip", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("place", ["top", "string_to_param", "tensor"])
@pytest.mark.parametrize(
    ("function", "argument", "named"),
    [
        (os.system, "touch {marker}", f"{os.system.__module__}.system"),
        (builtins.eval, "open({marker!r}, 'w')", "eval"),
        (builtins.exec, "open({marker!r}, 'w')", "exec"),
    ],
)
def test_a_malicious_pickle_is_refused_by_name_and_never_run(
    here: Path, as_zip: bool, place: str, function: Callable[..., object], argument: str, named: str
) -> None:
    marker = here / "marker"
    evil = Call(function, argument.format(marker=marker.name))
    content = {"top": evil, "string_to_param": {"string_to_param": evil}, "tensor": {"string_to_param": {"*": evil}}}
    path = here / "cat.pt"
    path.write_bytes(saved(content[place], as_zip=as_zip))
    with pytest.raises(UnreadableEmbedding, match=rf"^cat\.pt asks to run (__builtin__\.|builtins\.)?{named}, which"):
        read_embedding(path)
    assert not marker.exists()


def test_the_malicious_pickle_of_these_tests_does_run_where_nothing_stops_it(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    content = saved(Call(os.system, f"touch {marker}"))
    torch.load(io.BytesIO(content), weights_only=False)
    assert marker.exists()


@pytest.mark.parametrize("as_zip", [True, False], ids=["zip", "legacy"])
def test_torchs_own_unpickler_is_a_second_lock_behind_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_zip: bool
) -> None:
    marker = tmp_path / "marker"
    monkeypatch.setattr(pickles, "check_instructions", lambda file: None)
    with pytest.raises(UnreadableEmbedding, match="damaged or no torch file"):
        load_pickle(saved(Call(os.system, f"touch {marker}"), as_zip=as_zip))
    assert not marker.exists()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_bare_pickle_of_any_protocol_is_refused_and_never_run(tmp_path: Path, protocol: int) -> None:
    marker = tmp_path / "marker"
    with pytest.raises(UnreadableEmbedding):
        load_pickle(pickle.dumps(Call(os.system, f"touch {marker}"), protocol))
    assert not marker.exists()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"cos\nsystem\n(S'touch marker'\ntR.", "asks to run os.system"),
        (b"(S'touch marker'\nios\nsystem\n.", "asks to run os.system"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x0ctouch marker\x85R.", "asks to run os.system"),
        (b"\x80\x02c__builtin__\nbytearray\n\x8a\x05\x00\xe8\x76\x48\x17\x85R.", "asks to run __builtin__.bytearray"),
        (b"\x80\x02}q\x00(\x88\x86q\x01h\x01h\x01\x86q\x02u.", "repeats a tuple"),
        (b"\x80\x02(2l.", "DUP"),
        (b"\x80\x02" + b"(" * 200_000 + b".", "has more than 100,000 pickle instructions"),
        (b"\x80\x02}", "is damaged or no torch file"),
        (b"", "is damaged or no torch file"),
        (b"hello", "is damaged or no torch file"),
        (b"PK\x03\x04hello", "is damaged or no torch file"),
    ],
    ids=["GLOBAL", "INST", "STACK_GLOBAL", "memory", "hash", "DUP", "marks", "cut off", "empty", "text", "no zip"],
)
def test_a_crafted_pickle_is_refused_with_what_it_asks_for(content: bytes, reason: str) -> None:
    with pytest.raises(UnreadableEmbedding, match=reason):
        load_pickle(content)


def test_a_zip_that_unpacks_to_more_than_an_embedding_has_is_refused_before_it_is_unpacked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pickles, "MAX_BYTES", 2**20)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({}, 2))
        archive.writestr("archive/data/0", bytes(2**20))
    assert len(file.getvalue()) < 2**12
    with pytest.raises(UnreadableEmbedding, match=r"unpacks to 1,048,582 bytes; an embedding has at most 1,048,576"):
        load_pickle(file.getvalue())


def test_a_zip_of_very_many_members_is_refused() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for number in range(1001):
            archive.writestr(f"archive/data/{number}", b"")
    with pytest.raises(UnreadableEmbedding, match="more than 1000 members"):
        load_pickle(file.getvalue())


def test_a_zip_with_two_pickles_is_refused() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({}, 2))
        archive.writestr("archive/constants.pkl", pickle.dumps({}, 2))
    with pytest.raises(UnreadableEmbedding, match="a zip with 2 pickles"):
        load_pickle(file.getvalue())


def test_a_legacy_file_with_the_source_of_parameter_dict_is_read() -> None:
    """torch notes the source with the class's first mention, and later ones refer to that."""
    words = [torch.nn.ParameterDict({"*": torch.nn.Parameter(torch.full((2, 8), value))}) for value in (1.0, 2.0)]
    content = saved({"string_to_param": words[0], "more": words[1]}, as_zip=False)
    assert b"class ParameterDict(Module)" in content

    loaded = load_pickle(content)

    assert isinstance(loaded, dict)
    kept = [loaded[key]._parameters["*"] for key in ("string_to_param", "more")]
    assert [rows.unique().tolist() for rows in kept] == [[1.0], [2.0]]


def test_the_source_of_another_class_is_no_way_to_it(tmp_path: Path) -> None:
    """The source is never looked at, and only the name of ParameterDict is taken without it."""
    content = saved({"string_to_param": torch.nn.ParameterDict({})}, as_zip=False)
    other = content.replace(b"ctorch.nn.modules.container\nParameterDict\n", b"ccollections\nOrderedDict\n")
    assert other != content
    with pytest.raises(UnreadableEmbedding, match="damaged"):
        load_pickle(other)
    marker = tmp_path / "marker"
    evil = f"__import__('os').system('touch {marker}')".encode()
    start = content.index(b"class ParameterDict(Module)")
    load_pickle(content[:start] + evil + content[start + len(evil) :])
    assert not marker.exists()


def test_a_tensor_that_claims_a_huge_storage_is_refused() -> None:
    content = saved({"emb_params": torch.zeros(2, 8)}, as_zip=False)
    claimed = content.replace(b"K\x10", b"J" + struct.pack("<i", 2**31 - 1), 1)
    assert claimed != content
    with pytest.raises(UnreadableEmbedding, match="damaged"):
        load_pickle(claimed)


def test_a_tensor_that_repeats_one_number_without_end_is_refused_by_its_shape(tmp_path: Path) -> None:
    path = tmp_path / "cat.pt"
    torch.save({"emb_params": torch.zeros(1).expand(10**6, 10**6)}, path)
    with pytest.raises(UnreadableEmbedding, match=r"'emb_params' has the shape \[1000000, 1000000\]"):
        read_embedding(path)


def test_several_threads_leave_torchs_list_of_allowed_globals_as_it_was() -> None:
    before = set(torch.serialization.get_safe_globals())  # torch keeps them in a set, whose order may change
    content = (Path(__file__).resolve().parents[2] / "golden" / "rinongal.pt").read_bytes()
    failures: list[UnreadableEmbedding] = []

    def load_often() -> None:
        for _ in range(20):
            try:
                load_pickle(content)
            except UnreadableEmbedding as error:
                failures.append(error)

    threads = [threading.Thread(target=load_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert set(torch.serialization.get_safe_globals()) == before


@pytest.mark.parametrize("listed", [[], ["0"], ()])
def test_a_file_that_leaves_numbers_out_does_not_get_whatever_was_in_memory(listed: object) -> None:
    content = saved({"emb_params": torch.ones(4, 8)}, as_zip=False)
    file = io.BytesIO(content)
    for _ in range(4):
        list(pickletools.genops(file))
    with pytest.raises(UnreadableEmbedding, match="speaks of 1 blocks of numbers and leaves out 1 of them"):
        load_pickle(content[: file.tell()] + pickle.dumps(listed, 2) + bytes(200))


def test_tensors_that_share_their_numbers_are_still_read_from_torchs_older_form() -> None:
    shared = torch.ones(4, 8)
    whole = {"a": shared, "b": shared[1:], "c": torch.nn.Parameter(torch.zeros(2)), "d": OrderedDict(e=torch.zeros(0))}
    loaded = load_pickle(saved([whole, shared], as_zip=False))
    assert isinstance(loaded, list)
    assert torch.equal(loaded[0]["b"], shared[1:])
    assert loaded[0]["d"]["e"].shape == (0,)
