"""Every way in which tools lay out an embedding's rows in a file, as a table of predicates and readers.

The sources are the writers themselves: A1111's `Embedding.save`, rinongal's `embedding_manager.save`, sd-scripts'
`save_weights`, diffusers' `save_progress`. Readers look only at keys and shapes: a safetensors header is enough.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from ti_studio.embeddings.embedding import FAMILY_ENCODERS, Embedding
from ti_studio.embeddings.errors import EmbeddingError, UnreadableEmbedding
from ti_studio.embeddings.metadata import CHECKPOINT, CHECKPOINT_SHA256

MAX_ROWS = 1000
MAX_WIDTH = 16_384
EXPECTED = "emb_params; clip_l and clip_g; string_to_param; or one tensor under any name"
FLOATING: Mapping[str, torch.dtype] = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
}
"""What rows may be stored as, by the name that a safetensors header has for it."""

_ENCODERS = frozenset().union(*FAMILY_ENCODERS.values())
_ENCODER_OF_WIDTH = {1024: "clip_h", 1280: "clip_g"}
_KEYS_SHOWN = 4


@runtime_checkable
class Shaped(Protocol):
    """A tensor, or what a safetensors header says of one."""

    @property
    def shape(self) -> Sequence[int]:
        """Returns the size of each dimension."""


Data = Mapping[str, object]


def rows_by_encoder(data: Data, family: str | None = None) -> dict[str, Shaped]:
    """Returns the learned rows in `data` by text encoder, whatever tool laid them out.

    Args:
        data: a file's top level: its tensors by key, or a dict with A1111's `string_to_param`.
        family: the family that the file itself names; it decides where the width of a row does not.

    Raises:
        UnreadableEmbedding: no layout matches; the message says which keys were found.
    """
    for matches, read in LAYOUTS:
        if matches(data):
            rows = read(data, family)
            for encoder, tensor in rows.items():
                check_shape(encoder, tensor.shape)
            return rows
    raise UnreadableEmbedding(f"is not an embedding: found {_described(data)}; expected {EXPECTED}")


def check_shape(key: str, shape: Sequence[int]) -> None:
    """Checks that a tensor of this shape can be learned rows: [width], or [n, width] with 1 to 1000 rows.

    Raises:
        UnreadableEmbedding: it can't.
    """
    match tuple(shape):
        case (width,):
            rows = 1
        case (rows, width):
            pass
        case _:
            rows = width = 0
    if not 1 <= rows <= MAX_ROWS or not 1 <= width <= MAX_WIDTH:
        raise UnreadableEmbedding(
            f"is not an embedding: {key!r} has the shape {list(shape)}; "
            f"expected [n, width] with 1 to {MAX_ROWS} rows, at most {MAX_WIDTH} wide"
        )


def as_rows(key: str, tensor: object) -> Tensor:
    """Returns a tensor's values as contiguous float32 [n, width] on the CPU, free of the storage that it came in.

    Raises:
        UnreadableEmbedding: it is no plain floating-point tensor, or holds NaN or infinity.
    """
    if not isinstance(tensor, Tensor) or tensor.layout is not torch.strided or tensor.device.type != "cpu":
        raise UnreadableEmbedding(f"is not an embedding: {key!r} is no plain tensor")
    check_shape(key, tensor.shape)
    if tensor.dtype not in FLOATING.values():
        raise UnreadableEmbedding(f"is not an embedding: {key!r} holds {tensor.dtype}; expected floating-point numbers")
    rows = tensor.detach().to(torch.float32, copy=True).contiguous()
    rows = rows.unsqueeze(0) if rows.dim() == 1 else rows
    broken = int((~torch.isfinite(rows)).sum())
    if broken:
        raise UnreadableEmbedding(f"is damaged: {broken} of {rows.numel()} numbers in {key!r} are NaN or infinite")
    return rows


def to_safetensors(embedding: Embedding) -> dict[str, Tensor]:
    """Returns the tensors of a `.safetensors` file: `emb_params` alone, or exactly `clip_l` and `clip_g` for SDXL."""
    if len(embedding.vectors) == 1:
        return {"emb_params": next(iter(embedding.vectors.values()))}
    return dict(embedding.vectors)


def to_a1111(embedding: Embedding) -> dict[str, object]:
    """Returns A1111's dict for a `.pt` file; what it has no place for goes under one extra key, as plain strings.

    Raises:
        EmbeddingError: the embedding has rows for two text encoders, which this layout can't hold.
    """
    if len(embedding.vectors) != 1:
        raise EmbeddingError(
            f"{embedding.name} is an {embedding.family} embedding, which A1111's .pt layout can't hold; "
            "expected .safetensors."
        )
    sha256 = embedding.metadata.get(CHECKPOINT_SHA256)
    return {
        "string_to_token": {"*": 265},
        "string_to_param": {"*": next(iter(embedding.vectors.values()))},
        "name": embedding.name,
        "step": embedding.step,
        "sd_checkpoint": sha256[:10] if sha256 else embedding.metadata.get("sd_checkpoint"),
        "sd_checkpoint_name": embedding.metadata.get(CHECKPOINT, embedding.metadata.get("sd_checkpoint_name")),
        "ti_studio": dict(embedding.metadata),
    }


def _is_a1111(data: Data) -> bool:
    return "string_to_param" in data


def _from_a1111(data: Data, family: str | None) -> dict[str, Shaped]:
    parameters = data["string_to_param"]
    # rinongal's files and A1111's oldest hold a torch.nn.ParameterDict, whose tensors are in its `_parameters`.
    parameters = getattr(parameters, "_parameters", parameters)
    tensors = _tensors(parameters) if isinstance(parameters, Mapping) else {}
    if len(tensors) != 1:
        raise UnreadableEmbedding(f"is no single word: string_to_param holds {sorted(map(str, tensors))}; expected one")
    return _from_single_tensor({str(key): tensor for key, tensor in tensors.items()}, family)


def _is_sdxl(data: Data) -> bool:
    return _tensors(data).keys() == FAMILY_ENCODERS["SDXL"]


def _from_sdxl(data: Data, family: str | None) -> dict[str, Shaped]:
    tensors = _tensors(data)
    rows = {encoder: tensors[encoder] for encoder in ("clip_l", "clip_g")}
    counts = {encoder: 1 if len(tensor.shape) == 1 else tensor.shape[0] for encoder, tensor in rows.items()}
    if len(set(counts.values())) != 1:
        raise UnreadableEmbedding(f"is damaged: clip_l has {counts['clip_l']} rows and clip_g {counts['clip_g']}")
    return rows


def _is_single_tensor(data: Data) -> bool:
    return len(_tensors(data)) == 1


def _from_single_tensor(data: Data, family: str | None) -> dict[str, Shaped]:
    key, tensor = next(iter(_tensors(data).items()))
    check_shape(key, tensor.shape)
    encoders = FAMILY_ENCODERS.get(family or "", frozenset())
    if key in _ENCODERS:
        return {key: tensor}
    if len(encoders) == 1:
        return {next(iter(encoders)): tensor}
    return {_ENCODER_OF_WIDTH.get(tensor.shape[-1], "clip_l"): tensor}


def _tensors(data: Mapping[str, object]) -> dict[str, Shaped]:
    return {key: value for key, value in data.items() if isinstance(value, Shaped)}


def _described(data: Data) -> str:
    keys = sorted(map(str, data))
    more = f" and {len(keys) - _KEYS_SHOWN} more" if len(keys) > _KEYS_SHOWN else ""
    return ", ".join(repr(key[:60]) for key in keys[:_KEYS_SHOWN]) + more if keys else "nothing"


LAYOUTS: tuple[tuple[Callable[[Data], bool], Callable[[Data, str | None], dict[str, Shaped]]], ...] = (
    (_is_a1111, _from_a1111),
    (_is_sdxl, _from_sdxl),
    (_is_single_tensor, _from_single_tensor),
)
