"""The ways in which the command line and the page make one embedding of several."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from ti_studio.embeddings.arithmetic import averaged, between, concatenated
from ti_studio.embeddings.embedding import Embedding, EmbeddingError

Method = Literal["concat", "average", "slerp"]
METHODS: tuple[Method, ...] = get_args(Method)

_TWO = 2


@dataclass(frozen=True)
class Mixture:
    """How several embeddings become one."""

    how: Method = "concat"
    """`concat` lays their vectors one after the other, `average` is their weighted sum, `slerp` a point on the arc from
    the first to the second."""
    weights: Sequence[float] | None = None
    """For `average`, one for each; None: equal ones that make 1 together."""
    share: float = 0.5
    """For `slerp`: 0 is the first, 1 the second."""


def merged(name: str, embeddings: Sequence[Embedding], mixture: Mixture) -> Embedding:
    """Returns the embedding that a mixture makes of several.

    Raises:
        EmbeddingError: they do not go together, or are too few, too many, or not as many as the weights.
    """
    if not embeddings:
        raise EmbeddingError("There is nothing to merge; expected one embedding at least.")
    if mixture.how == "concat":
        return concatenated(name, embeddings)
    if mixture.how == "average":
        return averaged(name, embeddings, mixture.weights or [1 / len(embeddings)] * len(embeddings))
    if len(embeddings) != _TWO:
        raise EmbeddingError(
            f"There are {len(embeddings)} embeddings; slerp goes from one to another, so expected two."
        )
    one, other = embeddings
    return between(name, one, other, mixture.share)
