"""Embeddings that a LoRA file carries along: tensors under `bundle_emb.<name>.<key>` beside the LoRA's own.

The naming is that of A1111's Lora extension (`networks.py`, `load_network`), ComfyUI's `load_embed` and OneTrainer's
LoRA savers. A LoRA is large, so only the header and the bundled tensors themselves are read.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import BinaryIO, TypeVar

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from ti_studio.embeddings.embedding import Embedding
from ti_studio.embeddings.errors import UnreadableEmbedding
from ti_studio.embeddings.formats.files import MAX_FILE_BYTES, named, opened, read_embedding
from ti_studio.embeddings.formats.header_summaries import BUNDLED, check_tensors
from ti_studio.embeddings.formats.headers import LENGTH_BYTES, Header, TensorHeader, read_header
from ti_studio.embeddings.formats.layouts import Data, read_rows, rows_by_encoder

_PARAMETERS = "string_to_param"

Rows = TypeVar("Rows")
"""What a reader of rows returns."""


def read_embeddings(path: Path) -> list[Embedding]:
    """Returns the embedding in a file; of a LoRA file, those that are bundled in it.

    Raises:
        UnreadableEmbedding: as `read_embedding`; or a LoRA has none, or one that can't be read.
    """
    if path.suffix.lower() != ".safetensors":
        return [read_embedding(path)]
    with named(path), opened(path) as (file, size):
        header = read_header(file, size)
        keys = [key for key in header.tensors if key.startswith(BUNDLED)]
        if keys:
            return _read(file, header, keys)
    return [read_embedding(path)]


def grouped(keys: Iterable[str]) -> dict[str, list[tuple[str, str]]]:
    """Returns bundled keys by the name of their embedding, each with its key inside of it.

    Raises:
        UnreadableEmbedding: a key has no name in it.
    """
    groups: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for key in sorted(keys):
        rest = key.removeprefix(BUNDLED)
        name, separator, inner = rest.rpartition(f".{_PARAMETERS}.")
        if not separator:
            name, _, inner = rest.rpartition(".")
        if not name or not inner:
            raise UnreadableEmbedding(f"is damaged: {key[:60]!r} names no bundled embedding")
        groups[name].append((key, f"{_PARAMETERS}.{inner}" if separator else inner))
    return dict(groups)


def _read(file: BinaryIO, header: Header, keys: list[str]) -> list[Embedding]:
    outlines = {key: header.tensors[key] for key in keys}
    check_tensors(outlines)
    groups = grouped(keys)
    for name, members in groups.items():
        _rows(rows_by_encoder, name, {inner: outlines[key] for key, inner in members})
    tensors = _tensors(file, outlines)
    return [
        Embedding(name, _rows(read_rows, name, {inner: tensors[key] for key, inner in members}))
        for name, members in groups.items()
    ]


def _rows(read: Callable[[Data], Rows], name: str, data: Mapping[str, object]) -> Rows:
    nested = {key.removeprefix(f"{_PARAMETERS}."): value for key, value in data.items() if key.startswith(_PARAMETERS)}
    try:
        return read({_PARAMETERS: nested} if nested else data)
    except UnreadableEmbedding as error:
        raise UnreadableEmbedding(f"has a bundled embedding {name[:60]!r} that can't be read: it {error}") from error


def _tensors(file: BinaryIO, outlines: Mapping[str, TensorHeader]) -> dict[str, Tensor]:
    """Reads the bytes of these tensors alone; the file stands where its header ends."""
    size = sum(summary.end - summary.start for summary in outlines.values())
    if size > MAX_FILE_BYTES:
        raise UnreadableEmbedding(f"has {size:,} bytes of bundled embeddings; expected at most {MAX_FILE_BYTES:,}")
    beginning = file.tell()
    contents, about, position = [], {}, 0
    for key, summary in outlines.items():
        file.seek(beginning + summary.start)
        contents.append(file.read(summary.end - summary.start))
        places = [position, position + len(contents[-1])]
        about[key] = {"dtype": summary.dtype, "shape": list(summary.shape), "data_offsets": places}
        position = places[1]
    text = json.dumps(about).encode()
    try:
        return safetensors.torch.load(b"".join([len(text).to_bytes(LENGTH_BYTES, "little"), text, *contents]))
    except (SafetensorError, LookupError, RuntimeError, ValueError) as error:
        raise UnreadableEmbedding(f"is damaged ({error})") from error
