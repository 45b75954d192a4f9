"""Outlines a `.pt` or `.bin` file without reading its numbers: what it holds, and that it is whole.

Both of torch's forms are known: the zip of today, with `data.pkl` and a member for each storage; and the older one,
five pickles and the bytes of the storages behind them.
"""

import io
import zipfile

from ti_studio.embeddings.formats.pickle_interpreter import Storage, Unfamiliar, follow
from ti_studio.embeddings.formats.pickles import DAMAGE, MAX_BYTES, MAX_ZIP_MEMBERS, ZIP_MEMBER, ZIP_START

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_COUNT_BYTES = 8
_DATA = "/data.pkl"


def read_torch_header(data: bytes) -> object:
    """Returns what the file holds, with a `StoredTensor` for each tensor; None if that is left to `load_pickle`."""
    try:
        return _of_zip(data) if data.startswith(ZIP_START) else _of_legacy(data)
    except DAMAGE:
        return None


def _of_zip(data: bytes) -> object:
    # Counted before `zipfile` sees it, which makes an object of each member.
    if data.count(ZIP_MEMBER) > MAX_ZIP_MEMBERS:
        raise Unfamiliar
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
        sizes = {member.filename: member.file_size for member in members}
        # torch finds members whatever their case.
        if len({name.lower() for name in sizes}) != len(members) or sum(sizes.values()) > MAX_BYTES:
            raise Unfamiliar
        if any(member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1 for member in members):
            raise Unfamiliar
        (pickle,) = (name for name in sizes if name.lower().endswith(".pkl"))
        top = members[0].filename.partition("/")[0]
        if pickle != top + _DATA or f"{top}/version" not in sizes:
            raise Unfamiliar
        if f"{top}/byteorder" in sizes and archive.read(f"{top}/byteorder") != b"little":
            raise Unfamiliar
        instructions = archive.read(pickle)
    storages: dict[str, Storage] = {}
    made, end = follow(instructions, 0, storages)
    whole = all(sizes.get(f"{top}/data/{key}") == storage.size for key, storage in storages.items())
    if not whole or end != len(instructions):
        raise Unfamiliar
    return made


def _of_legacy(data: bytes) -> object:
    storages: dict[str, Storage] = {}
    magic, position = follow(data, 0, {})
    protocol, position = follow(data, position, {})
    system, position = follow(data, position, {})
    if magic != _MAGIC or protocol != _PROTOCOL or not isinstance(system, dict) or not system.get("little_endian"):
        raise Unfamiliar
    made, position = follow(data, position, storages)
    keys, position = follow(data, position, {})
    if not isinstance(keys, list) or sorted(keys) != sorted(storages):
        raise Unfamiliar
    for key in keys:
        if int.from_bytes(data[position : position + _COUNT_BYTES], "little") != storages[key].count:
            raise Unfamiliar
        position += _COUNT_BYTES + storages[key].size
    if position != len(data):
        raise Unfamiliar
    return made
