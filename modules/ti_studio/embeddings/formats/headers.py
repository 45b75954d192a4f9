"""Reads the header of a `.safetensors` file: what tensors there are and what is said of them, without the tensors.

Format: https://github.com/huggingface/safetensors#format — 8 bytes of length (little-endian), that much JSON, then the
tensors' bytes.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO

from ti_studio.embeddings.errors import UnreadableEmbedding

MAX_HEADER_BYTES = 16 * 2**20
"""The format allows 100 MB; an embedding needs some kilobytes, and JSON takes many times its size in memory."""

LENGTH_BYTES = 8


@dataclass(frozen=True)
class TensorHeader:
    """What a header says of one tensor."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    """Where its bytes begin, counted from the end of the header."""
    end: int


@dataclass(frozen=True)
class Header:
    """A header's content."""

    metadata: Mapping[str, str]
    tensors: Mapping[str, TensorHeader]


def read_header(file: BinaryIO, size: int) -> Header:
    """Returns the header of an open `.safetensors` file of `size` bytes.

    Raises:
        UnreadableEmbedding: the header is too long, cut off, or not what the format asks for.
    """
    length = int.from_bytes(file.read(LENGTH_BYTES), "little")
    if not 0 < length <= size - LENGTH_BYTES:
        raise UnreadableEmbedding(f"is cut off or no safetensors file: its header has {length:,} of {size:,} bytes")
    if length > MAX_HEADER_BYTES:
        raise UnreadableEmbedding(f"has a header of {length:,} bytes; an embedding has at most {MAX_HEADER_BYTES:,}")
    content = _parsed(file.read(length))
    metadata = content.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise UnreadableEmbedding("has a damaged header: __metadata__ is not a map of strings")
    tensors = {name: _summary(name, about) for name, about in content.items()}
    announced = _end_of(tensors)
    if announced != size - LENGTH_BYTES - length:
        raise UnreadableEmbedding(
            f"is cut off or damaged: its header tells of {announced:,} bytes of tensors, "
            f"the file has {size - LENGTH_BYTES - length:,}"
        )
    return Header(metadata, tensors)


def _end_of(tensors: Mapping[str, TensorHeader]) -> int:
    """Returns where the last tensor's bytes end, if each begins where the one before it ends."""
    end = 0
    for name, tensor in sorted(tensors.items(), key=lambda item: (item[1].start, item[1].end)):
        if tensor.start != end or tensor.end < end:
            raise UnreadableEmbedding(
                f"has a damaged header: the bytes of {name[:60]!r} are from {tensor.start} to {tensor.end}; "
                f"expected from {end}, where those before them end"
            )
        end = tensor.end
    return end


def _parsed(text: bytes) -> dict[str, object]:
    try:
        content = json.loads(text.decode())
        if b"\\u" in text:  # half of a surrogate pair is no text, and nobody can be told of it
            json.dumps(content, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise UnreadableEmbedding("has a damaged header: it is not JSON") from error
    if not isinstance(content, dict):
        raise UnreadableEmbedding("has a damaged header: it is not a JSON object")
    return content


def _summary(name: str, about: object) -> TensorHeader:
    match about:
        case {"dtype": str(dtype), "shape": list(shape), "data_offsets": [int(start), int(end)]}:
            if all(type(size) is int for size in [*shape, start, end]):
                return TensorHeader(dtype, tuple(shape), start, end)
    raise UnreadableEmbedding(f"has a damaged header: {name[:60]!r} has no dtype, shape and place")
