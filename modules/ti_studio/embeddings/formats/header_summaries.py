"""What can be said of an embedding without holding its rows: from a header, or from a pickle's instructions."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from ti_studio.embeddings.errors import UnreadableEmbedding
from ti_studio.embeddings.formats.headers import Header, TensorHeader
from ti_studio.embeddings.formats.layouts import FLOATING, Data, Parts, numbered, rows_by_encoder, shape_of
from ti_studio.embeddings.formats.onetrainer import has_outputs
from ti_studio.embeddings.formats.pickle_interpreter import StoredTensor
from ti_studio.embeddings.formats.torch_headers import read_torch_header
from ti_studio.embeddings.metadata import FAMILY, STEP

BUNDLED = "bundle_emb."
"""How the keys of embeddings begin that a LoRA file carries along."""

_WHOLE_NUMBER = re.compile("[0-9]{1,18}")


@dataclass(frozen=True)
class HeaderSummary:
    """What can be said of an embedding without holding its rows."""

    widths: Mapping[str, int]
    """Width of a row by text encoder."""
    vectors_per_token: int
    step: int | None
    metadata: Mapping[str, str]


def summarize_header(header: Header) -> HeaderSummary:
    """Returns what a safetensors header says of an embedding.

    Raises:
        UnreadableEmbedding: it is not one of an embedding.
    """
    bundled = [key for key in header.tensors if key.startswith(BUNDLED)]
    if bundled:
        raise UnreadableEmbedding(
            f"is a LoRA with embeddings bundled in it ({len(bundled)} tensors, such as {bundled[0][:60]!r}); "
            "`convert` writes each as a file of its own"
        )
    rows = rows_by_encoder(header.tensors, header.metadata.get(FAMILY))
    check_tensors(header.tensors)
    return _summary(rows, header.metadata, header.metadata.get(STEP))


def check_tensors(tensors: Mapping[str, TensorHeader]) -> None:
    """Checks that tensors hold floating-point numbers, and as many as their shapes say.

    Raises:
        UnreadableEmbedding: one does not.
    """
    for key, tensor in tensors.items():
        if tensor.dtype not in FLOATING:
            raise UnreadableEmbedding(
                f"is not an embedding: {key[:60]!r} holds {tensor.dtype[:20]}; expected one of {', '.join(FLOATING)}"
            )
        needed = math.prod(tensor.shape) * FLOATING[tensor.dtype].itemsize
        if tensor.end - tensor.start != needed:
            raise UnreadableEmbedding(
                f"is damaged: {key[:60]!r} has {tensor.end - tensor.start:,} bytes; its shape and type need {needed:,}"
            )


def summarize_pickle(content: bytes) -> HeaderSummary | None:
    """Returns what a `.pt` or `.bin` file says of an embedding; None if only loading it can tell.

    Raises:
        UnreadableEmbedding: it is no embedding.
    """
    data = read_torch_header(content)
    if isinstance(data, list):
        data = numbered(data)
    if not isinstance(data, dict):
        return None
    if has_outputs(data):
        return None
    strings = strings_of(data)
    rows = rows_by_encoder(data, strings.get(FAMILY))
    tensors = [part for parts in rows.values() for part in parts]
    if not all(isinstance(tensor, StoredTensor) and tensor.dtype in FLOATING for tensor in tensors):
        return None
    return _summary(rows, strings, data.get("step"))


def strings_of(data: Data) -> dict[str, str]:
    """Returns what a dict in A1111's layout says beside its rows: ours, or the checkpoint that A1111 names."""
    said = data.get("ti_studio")
    if not isinstance(said, Mapping):
        said = {key: data.get(key) for key in ("sd_checkpoint", "sd_checkpoint_name")}
    strings = ((key, value) for key, value in said.items() if isinstance(key, str) and isinstance(value, str))
    return {key: value for key, value in strings if _can_be_sent(key + value)}


def _can_be_sent(text: str) -> bool:
    """Tells whether an encoding has all of the text; half of a surrogate pair has none."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def whole_number(value: object) -> int | None:
    """Returns a count that a file states as a number or in digits; None where it states none."""
    if isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value):
        return int(value)
    return value if type(value) is int else None


def _summary(rows: Mapping[str, Parts], metadata: Mapping[str, str], step: object) -> HeaderSummary:
    shapes = {encoder: shape_of(parts) for encoder, parts in rows.items()}
    count = max(count for count, _ in shapes.values())
    widths = {encoder: width for encoder, (_, width) in shapes.items()}
    return HeaderSummary(widths, count, whole_number(step), metadata)
