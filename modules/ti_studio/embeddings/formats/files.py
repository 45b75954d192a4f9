"""Reads any embedding file safely, and writes one so that it is whole or not there.

Nothing that a file says is believed: sizes are bounded before anything is allocated, and nothing in a file is run.
"""

import hashlib
import io
import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from ti_studio.embeddings.embedding import Embedding
from ti_studio.embeddings.errors import EmbeddingError, UnreadableEmbedding
from ti_studio.embeddings.formats.header_summaries import (
    HeaderSummary,
    strings_of,
    summarize_header,
    summarize_pickle,
    whole_number,
)
from ti_studio.embeddings.formats.headers import read_header
from ti_studio.embeddings.formats.layouts import (
    Data,
    as_rows,
    numbered,
    read_rows,
    to_a1111,
    to_safetensors,
)
from ti_studio.embeddings.formats.onetrainer import has_outputs, to_onetrainer
from ti_studio.embeddings.formats.pickles import load_pickle
from ti_studio.embeddings.formats.png_embeddings import PICTURE_ENDINGS, read_picture
from ti_studio.embeddings.links import pretends
from ti_studio.embeddings.metadata import FAMILY, HASH, SPECIFICATION, STEP
from ti_studio.embeddings.names import check_name, displayed
from ti_studio.embeddings.sharing import shareable
from ti_studio.errors import Conflict
from ti_studio.folders import atomic_write

__all__ = [
    "EMBEDDING_ENDINGS",
    "HeaderSummary",
    "check_name",
    "embedding_bytes",
    "file_sha256",
    "onetrainer_bytes",
    "read_embedding",
    "summarize_embedding",
    "write_embedding",
]

MAX_FILE_BYTES = 256 * 2**20

_LONGEST_REASON = 400
"""Characters: a file's own keys and numbers are in it, and may be of any length."""

_LENGTH_BYTES = 8
"""The length of a safetensors header, at the file's beginning."""


def read_embedding(path: Path) -> Embedding:
    """Returns the embedding in a file of any of the known endings; its name is the file's, as in A1111.

    Nothing in the file is run. Rows come as float32 on the CPU whatever they are stored as.

    Raises:
        UnreadableEmbedding: the file is missing, damaged, dangerous, too big or no embedding; the message says which.
    """
    with named(path), opened(path) as (file, size):
        return _READERS[_ending(path)](path.stem, file, size)


def summarize_embedding(path: Path) -> HeaderSummary:
    """Returns what is known of the embedding in a file. Its numbers are not looked at where that can be helped.

    Raises:
        UnreadableEmbedding: as `read_embedding`, except that NaN and infinity may go unnoticed.
    """
    with named(path), opened(path) as (file, size):
        ending = _ending(path)
        if ending == ".safetensors":
            header = read_header(file, size)
            summary = summarize_header(header)
            # Whether these rows are of use their numbers alone can tell.
            if not has_outputs(header.tensors):
                return summary
            file.seek(0)
        content = _bytes_of(file, size)
        if ending in _PICKLED and (pickled := summarize_pickle(content)) is not None:
            return pickled
        embedding = _READERS[ending](path.stem, io.BytesIO(content), size)
        return HeaderSummary(embedding.widths, embedding.vectors_per_token, embedding.step, embedding.metadata)


def write_embedding(embedding: Embedding, path: Path, *, overwrite: bool = True) -> None:
    """Writes the embedding in the layout that the path's ending asks for: `.safetensors`, or A1111's `.pt`.

    The file appears whole or not at all; an older file of that name stays until the new one is complete.

    Raises:
        EmbeddingError: the ending is another one, or a row holds NaN or infinity.
        Conflict: the file exists and `overwrite` is False.
        WriteFailed: the disk is full or the folder can't be written to; nothing is left behind.
    """
    if path.suffix.lower() not in _WRITERS:
        raise EmbeddingError(f"{path.name} ends in {path.suffix!r}; embeddings are written as {' or '.join(_WRITERS)}.")
    if not overwrite and path.exists():
        raise Conflict(f"{path.name} exists already; choose another name, or allow it to be overwritten.")
    atomic_write(path, embedding_bytes(embedding, path.suffix.lower()))


def embedding_bytes(embedding: Embedding, ending: str) -> bytes:
    """Returns the content of a `.safetensors` or `.pt` file. Paths in the metadata become names (`sharing.shareable`).

    Raises:
        EmbeddingError: a row holds NaN or infinity, or the layout can't hold the embedding.
    """
    return _WRITERS[ending](_complete(embedding))


def onetrainer_bytes(embedding: Embedding) -> bytes:
    """Returns the content of a `.safetensors` file that OneTrainer goes on training from.

    Raises:
        EmbeddingError: a row holds NaN or infinity, or the layout can't hold the embedding.
    """
    complete = _complete(embedding)
    return _packed(to_onetrainer(complete), complete.metadata)


def file_sha256(path: Path) -> str:
    """Returns the file's SHA-256 in hexadecimal; A1111's short hash in infotexts is the first 12 digits of it."""
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Puts the file's name before what the readers have to say about it."""
    try:
        yield
    except UnreadableEmbedding as error:
        raise type(error)(f"{displayed(path.name)} {_cut(displayed(str(error)))}.") from error
    except OSError as error:
        raise UnreadableEmbedding(f"{displayed(path.name)} could not be read: {error.strerror}.") from error


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]}…"


@contextmanager
def opened(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    """Opens a file of a known ending and gives its size with it."""
    if _ending(path) not in _READERS:
        raise UnreadableEmbedding(f"ends in {path.suffix!r}; expected {', '.join(_READERS)}")
    if pretends(path, _READERS):
        raise UnreadableEmbedding(
            f"is a link to a file of another kind, which was not opened; expected {', '.join(_READERS)}"
        )
    # Without waiting: a named pipe would keep the reader for ever.
    opened = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0))
    about = os.fstat(opened)
    if not stat.S_ISREG(about.st_mode):
        os.close(opened)
        raise UnreadableEmbedding("is no ordinary file")
    with open(opened, "rb") as file:
        if about.st_size == 0:
            raise UnreadableEmbedding("is empty")
        yield file, about.st_size


def _ending(path: Path) -> str:
    return path.suffix.lower()


def _read_safetensors(name: str, file: BinaryIO, size: int) -> Embedding:
    header = read_header(file, size)
    # A checkpoint or a LoRA is refused here, before gigabytes of it are read.
    summarize_header(header)
    file.seek(0)
    try:
        tensors = safetensors.torch.load(_bytes_of(file, size))
    except (SafetensorError, LookupError, RuntimeError, ValueError) as error:
        raise UnreadableEmbedding(f"is damaged ({error})") from error
    return _embedding(name, tensors, header.metadata, header.metadata.get(STEP))


def _read_pickle(name: str, file: BinaryIO, size: int) -> Embedding:
    data = load_pickle(_bytes_of(file, size))
    if isinstance(data, list):
        data = numbered(data)
    if not isinstance(data, Mapping):
        raise UnreadableEmbedding(f"is not an embedding: it holds a {type(data).__name__}; expected a dict")
    return _of_dict(name, data)


def _read_picture(name: str, file: BinaryIO, size: int) -> Embedding:
    return _of_dict(name, read_picture(_bytes_of(file, size)))


def _of_dict(name: str, data: Data) -> Embedding:
    return _embedding(name, data, strings_of(data), data.get("step"))


def _bytes_of(file: BinaryIO, size: int) -> bytes:
    if size > MAX_FILE_BYTES:
        raise UnreadableEmbedding(f"is {size:,} bytes; an embedding has at most {MAX_FILE_BYTES:,}")
    content = file.read(size + 1)
    if len(content) != size:
        raise UnreadableEmbedding("was changed while it was read; expected a file that is whole")
    return content


def _embedding(name: str, data: Data, metadata: Mapping[str, str], step: object) -> Embedding:
    return Embedding(name, read_rows(data, metadata.get(FAMILY)), whole_number(step), metadata)


def _complete(embedding: Embedding) -> Embedding:
    """Returns the embedding with rows as files hold them; its metadata have family and step, and no path."""
    try:
        rows = {encoder: as_rows(encoder, tensor.cpu()) for encoder, tensor in embedding.vectors.items()}
    except UnreadableEmbedding as error:
        raise EmbeddingError(f"{embedding.name} was not written: it {error}.") from error
    metadata = {**shareable(embedding.metadata), FAMILY: embedding.family}
    metadata.pop(HASH, None)  # of the file that it was read from
    if embedding.step is not None:
        metadata[STEP] = str(embedding.step)
    return Embedding(embedding.name, rows, embedding.step, metadata)


def _safetensors_bytes(embedding: Embedding) -> bytes:
    return _packed(to_safetensors(embedding), embedding.metadata)


def _packed(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    return _finished(safetensors.torch.save(dict(tensors), dict(metadata)))


def _finished(data: bytes) -> bytes:
    """Returns a safetensors file with its header in sorted order, padded to a multiple of 8 as the format asks; one
    that follows ModelSpec has the hash of the tensors' bytes in it.

    safetensors writes metadata in random order: without this, equal embeddings would have different hashes.
    """
    end = _LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES], "little")
    content = json.loads(data[_LENGTH_BYTES:end])
    if SPECIFICATION in content["__metadata__"]:
        content["__metadata__"][HASH] = f"0x{hashlib.sha256(data[end:]).hexdigest()}"
    header = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % _LENGTH_BYTES)
    return len(header).to_bytes(_LENGTH_BYTES, "little") + header + data[end:]


def _pickle_bytes(embedding: Embedding) -> bytes:
    file = io.BytesIO()
    # A1111's unpickler refuses the members of the zip form that torch has written since 2.1.
    torch.save(to_a1111(embedding), file, _use_new_zipfile_serialization=False)
    return file.getvalue()


_PICKLED = (".pt", ".bin", ".ckpt")
"""A1111's, diffusers', and what sd-scripts writes with `--save_model_as ckpt`."""
_READERS: Mapping[str, Callable[[str, BinaryIO, int], Embedding]] = {
    ".safetensors": _read_safetensors,
    **dict.fromkeys(_PICKLED, _read_pickle),
    **dict.fromkeys(PICTURE_ENDINGS, _read_picture),
}
_WRITERS: Mapping[str, Callable[[Embedding], bytes]] = {".safetensors": _safetensors_bytes, ".pt": _pickle_bytes}

EMBEDDING_ENDINGS = (".safetensors", *_PICKLED)
"""Files that the library looks at. Pictures with an embedding inside are read where they are asked for."""
