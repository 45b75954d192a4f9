"""OneTrainer's embedding files, where they differ from those of others.

The sources are its `modelSaver/*/*EmbeddingSaver.py`, the `_setup_embeddings` of its `modelSetup/*Setup.py`, and
`BaseModel._apply_output_embeddings`.

OneTrainer trains words of two kinds. One is rows of the token table, as everywhere. The other, its *output embedding*,
takes the place of what the text encoder says at the word: its numbers stand under the rows' key with `_out` behind, and
the rows themselves are zeros.
"""

from collections.abc import Iterable, Mapping

from torch import Tensor

from ti_studio.embeddings.embedding import FAMILY_ENCODERS, Embedding
from ti_studio.embeddings.errors import EmbeddingError, UnreadableEmbedding

_ROWS = "emp_params"
"""The only key of SD 1 and SD 2, spelt so there."""
_CALLED_THERE = {"t5xxl": "t5"}
"""What OneTrainer and diffusers call the encoders that ComfyUI calls otherwise."""
_CALLED_HERE = {there: here for here, there in _CALLED_THERE.items()}
_ENCODERS = frozenset({"clip_l", "clip_g", "t5", "llama", "gemma"})
_OUTPUTS = frozenset(f"{key}_out" for key in {_ROWS, *_ENCODERS})

OUTPUT_ALONE = (
    "is an output embedding of OneTrainer, which can't be used here: it takes the place of what the text encoder says, "
    "and the rows that a prompt needs are zeros or not there; expected one that was trained with 'Output embedding' off"
)


def has_outputs(keys: Iterable[object]) -> bool:
    """Tells whether keys are among these under which only OneTrainer keeps something, which are no rows."""
    return not _OUTPUTS.isdisjoint(keys)


def is_output(key: str) -> bool:
    """Tells whether an encoder's output stands under this key."""
    return key in _OUTPUTS


def encoder_called(key: str) -> str:
    """Returns our name, which is ComfyUI's, of the text encoder that a file calls `key`."""
    return _CALLED_HERE.get(key, key)


def check_rows(vectors: Mapping[str, Tensor]) -> None:
    """Checks that what was learned is in the rows of a file which has outputs too, [n, width] by text encoder.

    Raises:
        UnreadableEmbedding: it is in the outputs.
    """
    if not all(bool(rows.any()) for rows in vectors.values()):
        raise UnreadableEmbedding(OUTPUT_ALONE)


def to_onetrainer(embedding: Embedding) -> dict[str, Tensor]:
    """Returns the tensors of a file that OneTrainer goes on training from, and reads beside a LoRA.

    Raises:
        EmbeddingError: the embedding has rows for a text encoder that OneTrainer has no key for.
    """
    if len(embedding.vectors) == 1 and embedding.family in FAMILY_ENCODERS:
        return {_ROWS: next(iter(embedding.vectors.values()))}
    tensors = {_CALLED_THERE.get(encoder, encoder): rows for encoder, rows in embedding.vectors.items()}
    if unknown := tensors.keys() - _ENCODERS:
        raise EmbeddingError(
            f"{embedding.name} has rows for {', '.join(sorted(unknown))}, for which OneTrainer has no key; expected "
            f"rows for {', '.join(sorted(_ENCODERS))}."
        )
    return tensors
