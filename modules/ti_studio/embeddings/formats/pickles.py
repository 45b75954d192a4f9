"""Reads torch's pickle files without running what is in them.

The bytes that were checked are the bytes that are loaded: nothing is opened twice. First every instruction is looked
at, then torch's restricted unpickler (`weights_only=True`) loads what passed.
"""

import io
import struct
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pickle import UnpicklingError

import torch

from ti_studio.embeddings.errors import UnreadableEmbedding
from ti_studio.embeddings.formats.legacy_classes import without_sources
from ti_studio.embeddings.formats.legacy_storages import check_storages
from ti_studio.embeddings.formats.pickle_allowlist import check_instructions

MAX_BYTES = 256 * 2**20
MAX_ZIP_MEMBERS = 1000

ZIP_START = b"PK\x03\x04"
ZIP_MEMBER = b"PK\x01\x02"
_LEGACY_PICKLES, _LEGACY_OBJECT = 5, 3
"""torch's older form: magic number, protocol, system, the object, names of the storages; then the storages' bytes."""

# torch's list of allowed globals belongs to the process: two threads that changed it at once would leave it changed.
_ALLOWED_GLOBALS = threading.Lock()

# What torch and pickle raise on damaged bytes is whatever they stumble over.
DAMAGE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    UnpicklingError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
)

StandIn = tuple[Callable[..., object], str]
"""What is called in place of what a pickle names."""


class ParameterDict:
    """Stands in for `torch.nn.ParameterDict`, which rinongal's files hold: its tensors are kept, nothing else of it."""

    __slots__ = ("_parameters",)

    def __setstate__(self, state: Mapping[str, object]) -> None:
        self._parameters = state["_parameters"]


_OLD_PARAMETERS: StandIn = (ParameterDict, "torch.nn.modules.container.ParameterDict")


@contextmanager
def globals_allowed(stand_ins: Sequence[StandIn]) -> Iterator[None]:
    """Lets torch's restricted unpickler take something of ours for names in a pickle, until the block ends."""
    with _ALLOWED_GLOBALS, torch.serialization.safe_globals(list(stand_ins)):
        yield


def load_pickle(data: bytes) -> object:
    """Returns what a `.pt` or `.bin` file holds, with its tensors on the CPU.

    Raises:
        UnreadableEmbedding: the file is too big, damaged, or asks for anything but tensors and plain containers.
    """
    if len(data) > MAX_BYTES:
        raise UnreadableEmbedding(f"is {len(data):,} bytes; an embedding has at most {MAX_BYTES:,}")
    try:
        checked = _checked_zip(data) if data.startswith(ZIP_START) else _checked_legacy(data)
        with globals_allowed([_OLD_PARAMETERS]):
            return torch.load(checked, map_location="cpu", weights_only=True)
    except DAMAGE as error:
        raise UnreadableEmbedding("is damaged or no torch file") from error


def _checked_legacy(data: bytes) -> io.BytesIO:
    file = io.BytesIO(data)
    beginnings: list[int] = []
    for _ in range(_LEGACY_PICKLES):
        beginnings.append(file.tell())
        check_instructions(file)
    start, end = beginnings[_LEGACY_OBJECT : _LEGACY_OBJECT + 2]
    pickled = data[start:end]
    plain = without_sources(pickled)
    if plain is not pickled:
        file = io.BytesIO(b"".join([data[:start], plain, data[end:]]))
    file.seek(start)
    check_storages(file)
    file.seek(0)
    return file


def _checked_zip(data: bytes) -> io.BytesIO:
    """Returns a zip of the same members, after a look at their instructions and at the memory that they take.

    It is packed anew because two readers of zips may see two different archives in the same bytes: torch gets what was
    looked at.
    """
    # Counted before `zipfile` sees it, which makes an object of each member.
    if data.count(ZIP_MEMBER) > MAX_ZIP_MEMBERS:
        raise UnreadableEmbedding(f"is a zip of more than {MAX_ZIP_MEMBERS} members; an embedding has a handful")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
        unpacked = sum(member.file_size for member in members)
        if unpacked > MAX_BYTES:
            raise UnreadableEmbedding(f"unpacks to {unpacked:,} bytes; an embedding has at most {MAX_BYTES:,}")
        contents = {member.filename: _unpacked(archive, member) for member in members}
    if len(contents) != len(members):
        raise UnreadableEmbedding("is no embedding: a zip with two members of one name")
    pickles = [name for name in contents if name.endswith(".pkl")]
    if len(pickles) != 1:
        raise UnreadableEmbedding(f"is no embedding: a zip with {len(pickles)} pickles in it; expected one")
    check_instructions(io.BytesIO(contents[pickles[0]]))
    checked = io.BytesIO()
    with zipfile.ZipFile(checked, "w") as anew:
        for name, content in contents.items():
            anew.writestr(name, content)
    checked.seek(0)
    return checked


def _unpacked(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """Returns a member's content, and never more than the size that it gives itself."""
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise UnreadableEmbedding("is no embedding: a zip that is packed as torch packs none")
    with archive.open(member) as file:
        return file.read(member.file_size)
