"""Reads torch's pickle files without running what is in them.

The bytes that were checked are the bytes that are loaded: nothing is opened twice. First every instruction is looked
at, then torch's restricted unpickler (`weights_only=True`) loads what passed.
"""

import io
import struct
import threading
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pickle import UnpicklingError

import torch

from ti_studio.embeddings.errors import UnreadableEmbedding
from ti_studio.embeddings.instructions import check_instructions

MAX_BYTES = 256 * 2**20
MAX_ZIP_MEMBERS = 1000

_ZIP_START = b"PK\x03\x04"
_ZIP_MEMBER = b"PK\x01\x02"
_LEGACY_PICKLES = 5
"""torch's older form: magic number, protocol, system, the object, names of the storages; then the storages' bytes."""

# torch's list of allowed globals belongs to the process: two threads that changed it at once would leave it changed.
_ALLOWED_GLOBALS = threading.Lock()

# What torch and pickle raise on damaged bytes is whatever they stumble over.
_DAMAGE = (
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
    """Stands in for `torch.nn.ParameterDict`, which rinongal's files hold: its state is kept, nothing of it is run."""


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
        if data.startswith(_ZIP_START):
            _check_zip(data)
        else:
            _check_legacy(data)
        with globals_allowed([_OLD_PARAMETERS]):
            return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except _DAMAGE as error:
        raise UnreadableEmbedding("is damaged or no torch file") from error


def _check_legacy(data: bytes) -> None:
    file = io.BytesIO(data)
    for _ in range(_LEGACY_PICKLES):
        check_instructions(file)


def _check_zip(data: bytes) -> None:
    """Checks a zip's instructions, and that it takes little more memory than its own size, before it is unpacked."""
    # Counted before `zipfile` sees it, which makes an object of each member.
    if data.count(_ZIP_MEMBER) > MAX_ZIP_MEMBERS:
        raise UnreadableEmbedding(f"is a zip of more than {MAX_ZIP_MEMBERS} members; an embedding has a handful")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > MAX_BYTES:
            raise UnreadableEmbedding(f"unpacks to {unpacked:,} bytes; an embedding has at most {MAX_BYTES:,}")
        pickles = [name for name in archive.namelist() if name.endswith(".pkl")]
        if len(pickles) != 1:
            raise UnreadableEmbedding(f"is no embedding: a zip with {len(pickles)} pickles in it; expected one")
        check_instructions(io.BytesIO(archive.read(pickles[0])))
