"""Embeddings made of others: one after the other, mixed, or without something."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ti_studio.embeddings.embedding import Embedding, EmbeddingError

_PARALLEL = 1e-6
_HALFWAY = 0.5


def concatenated(name: str, embeddings: Sequence[Embedding]) -> Embedding:
    """Returns a word that stands for all of these, one after the other: as many vectors as they have together.

    Raises:
        EmbeddingError: there are none, or they are of different text encoders or widths.
    """
    first = _alike(embeddings)
    vectors = {encoder: torch.cat([each.vectors[encoder] for each in embeddings]) for encoder in first.vectors}
    return Embedding(name, vectors, metadata=_origin("concatenation", embeddings))


def averaged(name: str, embeddings: Sequence[Embedding], weights: Sequence[float]) -> Embedding:
    """Returns the weighted sum of the rows, the first of each with the first of the others and so on.

    Where an embedding has fewer rows, the others share its weight. Weights are used as they are: 0.5 and 0.5 mix, 1 and
    -1 subtract.

    Raises:
        EmbeddingError: there are none, or they are of different text encoders or widths, or there are not as many
            weights.
    """
    first = _alike(embeddings)
    if len(weights) != len(embeddings):
        raise EmbeddingError(
            f"There are {len(weights)} weights for {len(embeddings)} embeddings; expected one for each."
        )
    total = sum(weights)
    vectors = {}
    for encoder in first.vectors:
        rows = [each.vectors[encoder] for each in embeddings]
        mixed = []
        for index in range(max(map(len, rows))):
            there = [(row[index], weight) for row, weight in zip(rows, weights, strict=True) if index < len(row)]
            share = sum(weight for _, weight in there)
            scale = total / share if share else 1.0
            mixed.append(torch.stack([row * weight * scale for row, weight in there]).sum(dim=0))
        vectors[encoder] = torch.stack(mixed)
    return Embedding(name, vectors, metadata=_origin(f"weighted sum {list(weights)}", embeddings))


def between(name: str, one: Embedding, other: Embedding, share: float) -> Embedding:
    """Returns the rows on the way from one embedding to another: directions on the arc between them (slerp), norms
    evenly. Words of one direction and another mean more on the arc than on the straight line, which is shorter.

    Args:
        name: of the new word.
        one: where the way begins.
        other: where it ends; as many vectors.
        share: 0 is `one`, 1 is `other`.

    Raises:
        EmbeddingError: they are of different text encoders, widths or numbers of vectors.
    """
    _alike([one, other])
    if one.vectors_per_token != other.vectors_per_token:
        raise EmbeddingError(
            f"{one.name} has {one.vectors_per_token} vectors and {other.name} {other.vectors_per_token}; expected as "
            "many in one as in the other."
        )
    vectors = {encoder: slerp(rows, other.vectors[encoder], share) for encoder, rows in one.vectors.items()}
    return Embedding(name, vectors, metadata=_origin(f"slerp {share:g}", [one, other]))


def of_two_files(name: str, one: Embedding, other: Embedding) -> Embedding:
    """Returns one SDXL embedding of the two files that diffusers writes, one for each text encoder.

    Raises:
        EmbeddingError: they are not rows of `clip_l` and of `clip_g`.
    """
    vectors = {**one.vectors, **other.vectors}
    if vectors.keys() != {"clip_l", "clip_g"} or len(one.vectors) + len(other.vectors) != len(vectors):
        raise EmbeddingError(
            f"{one.name} has rows of {' and '.join(one.vectors)}, {other.name} of {' and '.join(other.vectors)}; "
            "expected one file of clip_l and one of clip_g, as diffusers writes SDXL embeddings."
        )
    ordered = {encoder: vectors[encoder] for encoder in ("clip_l", "clip_g")}
    return Embedding(name, ordered, one.step or other.step, {**other.metadata, **one.metadata})


def slerp(one: Tensor, other: Tensor, share: float) -> Tensor:
    """Returns rows on the arc, [n, width]; on the straight line where two rows are parallel.

    Between opposite rows there is no one arc: the direction stays as it was until halfway, and is the other's then.
    """
    norms = one.norm(dim=-1, keepdim=True), other.norm(dim=-1, keepdim=True)
    start, end = (rows / norm.clamp(min=1e-12) for rows, norm in zip((one, other), norms, strict=True))
    angle = (start * end).sum(dim=-1, keepdim=True).clamp(-1, 1).acos()
    sine = angle.sin()
    curved = (((1 - share) * angle).sin() * start + (share * angle).sin() * end) / sine.clamp(min=_PARALLEL)
    straight = torch.where(angle < torch.pi / 2, (1 - share) * start + share * end, start if share < _HALFWAY else end)
    rows: Tensor = torch.where(sine > _PARALLEL, curved, straight) * ((1 - share) * norms[0] + share * norms[1])
    return rows


def _alike(embeddings: Sequence[Embedding]) -> Embedding:
    if not embeddings:
        raise EmbeddingError("There are no embeddings to put together; expected one at least.")
    first = embeddings[0]
    for each in embeddings[1:]:
        if each.widths != first.widths:
            raise EmbeddingError(
                f"{first.name} is of {_description(first)} and {each.name} of {_description(each)}; "
                "expected embeddings of one kind."
            )
    return first


def _description(embedding: Embedding) -> str:
    return f"{embedding.family} ({', '.join(f'{key} {width}' for key, width in embedding.widths.items())})"


def _origin(how: str, embeddings: Sequence[Embedding]) -> dict[str, str]:
    return {"ti_studio.made_by": f"{how} of {', '.join(each.name for each in embeddings)}"}
