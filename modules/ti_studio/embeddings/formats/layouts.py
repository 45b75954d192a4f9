"""Every way in which tools lay out an embedding's rows in a file, as a table of predicates and readers.

The sources are the writers themselves: A1111's `Embedding.save`, rinongal's `embedding_manager.save`, sd-scripts'
`save_weights`, diffusers' `save_progress`, OneTrainer's embedding savers; ComfyUI's `load_embed` for lists and for the
encoders of newer models. Readers look only at keys and shapes: a safetensors header is enough.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeGuard

import torch
from torch import Tensor

from ti_studio.embeddings.embedding import FAMILY_ENCODERS, KNOWN_ENCODERS, Embedding
from ti_studio.embeddings.errors import EmbeddingError, UnreadableEmbedding
from ti_studio.embeddings.formats.onetrainer import OUTPUT_ALONE, check_rows, encoder_called, has_outputs, is_output
from ti_studio.embeddings.metadata import CHECKPOINT, CHECKPOINT_SHA256

MAX_ROWS = 1000
MAX_WIDTH = 16_384
EXPECTED = "emb_params; clip_l and clip_g; string_to_param; one tensor under any name; or <token>, <token>_1, …"
FLOATING: Mapping[str, torch.dtype] = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
}
"""What rows may be stored as, by the name that a safetensors header has for it."""

_FOREIGN_ENCODERS = frozenset(
    {"t5xxl", "t5xl", "umt5xxl", "llama", "gemma", "gemma2_2b", "qwen25_7b", "qwen3_06b", "qwen3_4b", "qwen3_8b"}
)
"""Text encoders of models that are read for inspection only, by ComfyUI's names; `gemma` is OneTrainer's for Sana's."""
_NUMBERED = re.compile(r"(?P<token>.+)_(?P<number>[1-9]\d{0,2})")
_UNET_LAYER = re.compile(r"(IN|OUT)\d\d|MID")
_ENCODER_OF_WIDTH = {1024: "clip_h", 1280: "clip_g"}
_KEYS_SHOWN = 4
_SIZES_SHOWN = 4


class Shaped(Protocol):
    """A tensor, or what a safetensors header says of one."""

    @property
    def shape(self) -> Sequence[int]:
        """Returns the size of each dimension."""


Data = Mapping[str, object]
Parts = tuple[Shaped, ...]
"""Rows in several tensors, which stand one below the other."""


def read_rows(data: Data, family: str | None = None) -> dict[str, Tensor]:
    """Returns the learned rows in `data` by text encoder, as float32 [n, width] on the CPU.

    Args:
        data: as for `rows_by_encoder`, with the tensors themselves.
        family: as for `rows_by_encoder`.

    Raises:
        UnreadableEmbedding: as `rows_by_encoder` and `as_rows`; or the rows are zeros, for what was learned stands
            where only OneTrainer looks for it.
    """
    vectors = {encoder: joined_rows(encoder, parts) for encoder, parts in rows_by_encoder(data, family).items()}
    if has_outputs(data):
        check_rows(vectors)
    return vectors


def rows_by_encoder(data: Data, family: str | None = None) -> dict[str, Parts]:
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
            for encoder, parts in rows.items():
                _check_parts(encoder, parts)
            return rows
    if has_outputs(data) and not _tensors(data):
        raise UnreadableEmbedding(OUTPUT_ALONE)
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
        more = ", …" if len(shape) > _SIZES_SHOWN else ""
        raise UnreadableEmbedding(
            f"is not an embedding: {key[:60]!r} has the shape [{', '.join(map(str, shape[:_SIZES_SHOWN]))}{more}]; "
            f"expected [n, width] with 1 to {MAX_ROWS} rows, at most {MAX_WIDTH} wide"
        )


def numbered(items: Sequence[object]) -> Data:
    """Returns a list of tensors, or of dicts of tensors as ComfyUI reads it, as the several tokens of one word."""
    tensors = [tensor for item in items for tensor in (item.values() if isinstance(item, Mapping) else [item])]
    return {f"*_{number}" if number else "*": tensor for number, tensor in enumerate(tensors)}


def shape_of(parts: Parts) -> tuple[int, int]:
    """Returns how many rows these are, and their width."""
    return sum(1 if len(part.shape) == 1 else part.shape[0] for part in parts), parts[0].shape[-1]


def _check_parts(encoder: str, parts: Parts) -> None:
    for part in parts:
        check_shape(encoder, part.shape)
    widths = {part.shape[-1] for part in parts}
    if len(widths) != 1:
        raise UnreadableEmbedding(f"is damaged: the rows of {encoder} are {sorted(widths)} wide; expected one width")
    check_shape(encoder, shape_of(parts))


def joined_rows(key: str, parts: Parts) -> Tensor:
    """Returns the values of all parts as one float32 [n, width].

    Raises:
        UnreadableEmbedding: as `as_rows`.
    """
    return torch.cat([as_rows(key, part) for part in parts])


def as_rows(key: str, tensor: object) -> Tensor:
    """Returns a tensor's values as contiguous float32 [n, width] on the CPU, free of the storage that it came in.

    Raises:
        UnreadableEmbedding: it is no plain floating-point tensor, or holds NaN or infinity.
    """
    if not isinstance(tensor, Tensor) or tensor.layout is not torch.strided or tensor.device.type != "cpu":
        raise UnreadableEmbedding(f"is not an embedding: {key[:60]!r} is no plain tensor")
    check_shape(key, tensor.shape)
    if tensor.dtype not in FLOATING.values():
        raise UnreadableEmbedding(
            f"is not an embedding: {key[:60]!r} holds {tensor.dtype}; expected floating-point numbers"
        )
    rows = tensor.detach().to(torch.float32, copy=True).contiguous()
    rows = rows.unsqueeze(0) if rows.dim() == 1 else rows
    broken = int((~torch.isfinite(rows)).sum())
    if broken:
        raise UnreadableEmbedding(f"is damaged: {broken} of {rows.numel()} numbers in {key[:60]!r} are NaN or infinite")
    return rows


def to_safetensors(embedding: Embedding) -> dict[str, Tensor]:
    """Returns the tensors of a `.safetensors` file: `emb_params` alone, or exactly `clip_l` and `clip_g` for SDXL.

    Rows of other models stand under the names that ComfyUI has for their text encoders.
    """
    if len(embedding.vectors) == 1 and embedding.family in FAMILY_ENCODERS:
        return {"emb_params": next(iter(embedding.vectors.values()))}
    return dict(embedding.vectors)


def to_a1111(embedding: Embedding) -> dict[str, object]:
    """Returns A1111's dict for a `.pt` file; what it has no place for goes under one extra key, as plain strings.

    Of an SDXL embedding it is the rows alone: A1111 takes a dict with `clip_l` and `clip_g` for one only if there are
    tensors in it and nothing else.

    Raises:
        EmbeddingError: the embedding has rows for other text encoders, which this layout can't hold.
    """
    if embedding.vectors.keys() == FAMILY_ENCODERS["SDXL"]:
        return dict(embedding.vectors)
    if len(embedding.vectors) != 1 or not embedding.vectors.keys() <= KNOWN_ENCODERS:
        raise EmbeddingError(
            f"{embedding.name} has rows for {', '.join(embedding.vectors)}, which A1111's layout can't hold; expected "
            ".safetensors."
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


def _from_a1111(data: Data, family: str | None) -> dict[str, Parts]:
    parameters = data["string_to_param"]
    # rinongal's files and A1111's oldest hold a torch.nn.ParameterDict, whose tensors are in its `_parameters`.
    parameters = getattr(parameters, "_parameters", parameters)
    tensors = _tensors(parameters) if isinstance(parameters, Mapping) else {}
    if len(tensors) != 1:
        raise UnreadableEmbedding(
            f"is no single word: string_to_param holds {_described(tensors)}; expected one tensor"
        )
    return _from_single_tensor(tensors, family)


def _is_by_encoder(data: Data) -> bool:
    """Two encoders or more: SDXL's, or those of models that can only be inspected here."""
    keys = _tensors(data).keys()
    return len(keys) > 1 and keys <= KNOWN_ENCODERS | _FOREIGN_ENCODERS


def _from_encoders(data: Data, family: str | None) -> dict[str, Parts]:
    tensors = _tensors(data)
    rows: dict[str, Parts] = {encoder: (tensors[encoder],) for encoder in sorted(tensors, key=_file_order)}
    counts = {encoder: shape_of(parts)[0] for encoder, parts in rows.items()}
    if len(set(counts.values())) != 1:
        row_counts = " and ".join(f"{encoder} has {count} rows" for encoder, count in counts.items())
        raise UnreadableEmbedding(f"is damaged: {row_counts}; expected as many for each")
    return rows


def _is_xti(data: Data) -> bool:
    """sd-scripts' `train_textual_inversion_XTI.py`: rows for each layer of the UNet that listens to the prompt."""
    keys = _tensors(data).keys()
    return len(keys) > 1 and all(_UNET_LAYER.fullmatch(key) for key in keys)


def _from_xti(data: Data, family: str | None) -> dict[str, Parts]:
    raise UnreadableEmbedding(
        f"is an XTI embedding, which can't be used here: it has rows of their own for each of {len(_tensors(data))} "
        "layers of the UNet; expected the same for all"
    )


def _is_single_tensor(data: Data) -> bool:
    return len(_tensors(data)) == 1


def _from_single_tensor(data: Data, family: str | None) -> dict[str, Parts]:
    key, tensor = next(iter(_tensors(data).items()))
    check_shape(key, tensor.shape)
    return {_encoder_of(key, tensor, family): (tensor,)}


def _is_numbered(data: Data) -> bool:
    """diffusers' several tokens of one word: `<x>`, `<x>_1`, `<x>_2`."""
    return len(_numbered(_tensors(data))) > 1


def _from_numbered(data: Data, family: str | None) -> dict[str, Parts]:
    parts = _numbered(_tensors(data))
    return {_encoder_of("", parts[0], family): parts}


def _numbered(tensors: Mapping[str, Shaped]) -> Parts:
    """Returns the tensors of one word in the order of their numbers; nothing if they are not those of one word."""
    tokens = [key for key in tensors if _NUMBERED.fullmatch(key) is None or len(tensors) == 1]
    if len(tokens) != 1:
        return ()
    names = [tokens[0], *(f"{tokens[0]}_{number}" for number in range(1, len(tensors)))]
    return tuple(tensors[name] for name in names) if tensors.keys() == set(names) else ()


def _encoder_of(key: str, tensor: Shaped, family: str | None) -> str:
    encoders = FAMILY_ENCODERS.get(family or "", frozenset())
    if key in KNOWN_ENCODERS | _FOREIGN_ENCODERS:
        return key
    if len(encoders) == 1:
        return next(iter(encoders))
    return _ENCODER_OF_WIDTH.get(tensor.shape[-1], "clip_l")


def _file_order(encoder: str) -> tuple[bool, bool, str]:
    return encoder in _FOREIGN_ENCODERS, encoder != "clip_l", encoder


def _tensors(data: Mapping[str, object]) -> dict[str, Shaped]:
    """Returns the tensors of rows, with text encoders by our names; of two names for one encoder both stay.

    A pickle's keys may be anything that can be hashed; only texts name tensors.
    """
    tensors = {key: value for key, value in data.items() if isinstance(key, str) and _is_shaped(value)}
    rows = {key: tensor for key, tensor in tensors.items() if not is_output(key)}
    return {key if encoder_called(key) in rows else encoder_called(key): tensor for key, tensor in rows.items()}


def _is_shaped(value: object) -> TypeGuard[Shaped]:
    return hasattr(value, "shape")


def _described(data: Data) -> str:
    keys = sorted(key if isinstance(key, str) else f"a {type(key).__name__}" for key in data)
    more = f" and {len(keys) - _KEYS_SHOWN} more" if len(keys) > _KEYS_SHOWN else ""
    return ", ".join(repr(key[:60]) for key in keys[:_KEYS_SHOWN]) + more if keys else "nothing"


LAYOUTS: tuple[tuple[Callable[[Data], bool], Callable[[Data, str | None], dict[str, Parts]]], ...] = (
    (_is_a1111, _from_a1111),
    (_is_by_encoder, _from_encoders),
    (_is_xti, _from_xti),
    (_is_single_tensor, _from_single_tensor),
    (_is_numbered, _from_numbered),
)
