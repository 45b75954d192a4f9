"""What a .safetensors file says about itself, read without its tensors. Imports no torch."""

import json
import struct
from pathlib import Path
from typing import Any

from ti_studio.errors import StudioError

_LENGTH_BYTES = 8
_MOST_HEADER_BYTES = 100 * 1024 * 1024


class BrokenFile(StudioError):
    """A weights file that is cut off or is not what its name says."""


def read_header(path: Path) -> dict[str, Any]:
    """Returns the header of a .safetensors file: tensor name → dtype, shape, offsets; `__metadata__` → strings.

    Raises:
        BrokenFile: the file is no safetensors file, or shorter than its header says.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        prefix = file.read(_LENGTH_BYTES)
        length = struct.unpack("<Q", prefix)[0] if len(prefix) == _LENGTH_BYTES else 0
        if not 2 <= length <= min(size - _LENGTH_BYTES, _MOST_HEADER_BYTES):
            raise BrokenFile(
                f"{path} is not a safetensors file: its header would be {length:,} of {size:,} bytes long."
            )
        try:
            header = json.loads(file.read(length))
        except ValueError as error:
            raise BrokenFile(f"{path} is not a safetensors file: its header is not JSON ({error}).") from error
    if not isinstance(header, dict):
        raise BrokenFile(
            f"{path} is not a safetensors file: its header is a {type(header).__name__}, expected an object."
        )
    _check_size(path, header, size - _LENGTH_BYTES - length)
    return header


def _check_size(path: Path, header: dict[str, Any], data_bytes: int) -> None:
    tensors = [entry for name, entry in header.items() if name != "__metadata__"]
    try:
        end = max((int(entry["data_offsets"][1]) for entry in tensors), default=0)
    except (TypeError, KeyError, IndexError, ValueError) as error:
        raise BrokenFile(f"{path} is not a safetensors file: a tensor has no offsets in its header.") from error
    if end > data_bytes:
        raise BrokenFile(f"{path} is truncated: its tensors need {end:,} bytes, {data_bytes:,} are there.")
