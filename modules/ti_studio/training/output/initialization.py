"""The rows that a word starts from."""

from pathlib import Path

import torch
from torch import Tensor

from ti_studio.embeddings.embedding import Embedding, IncompatibleEmbedding
from ti_studio.embeddings.formats.files import read_embedding
from ti_studio.prompts.conditioning import TextEncoder
from ti_studio.training.config.concept import Concept
from ti_studio.training.config.request import TrainRequest
from ti_studio.training.word_rows import block_of


def initial_rows(encoder: TextEncoder, text: str, vectors: int) -> Tensor:
    """Returns the token embeddings of the initialization text, stretched or cut to `vectors` rows, by A1111's rule.

    Row i is token ⌊i · tokens / vectors⌋ of the text's first `vectors` tokens: two words give five rows 0 0 0 1 1. An
    empty text gives rows of zeros.

    Returns:
        float32 [vectors, width] on the CPU.
    """
    ids = encoder.tokenizer.ids(text)[:vectors] if text.strip() else ()
    if not ids:
        return torch.zeros(vectors, encoder.width)
    chosen = [ids[index * len(ids) // vectors] for index in range(vectors)]
    table = encoder.token_embedding.weight
    return table[torch.tensor(chosen, device=table.device)].detach().float().cpu().clone()


def initial_embedding(name: str, encoders: tuple[TextEncoder, ...], text: str, vectors: int) -> Embedding:
    """Returns an embedding that has not been trained: it means what its initialization text means."""
    return Embedding(name, {encoder.key: initial_rows(encoder, text, vectors) for encoder in encoders}, step=0)


def starting_embedding(request: TrainRequest, encoders: tuple[TextEncoder, ...]) -> Embedding:
    """Returns the word, or the block of all words, as it is before the first step: each from its initialization file
    if there is one, else from its text.

    Raises:
        UnreadableEmbedding: the file can't be read.
        IncompatibleEmbedding: it is for another family of checkpoints, or has another number of vectors.
    """
    return block_of([_starting_word(word, encoders) for word in request.words])


def _starting_word(word: Concept, encoders: tuple[TextEncoder, ...]) -> Embedding:
    if not word.initialization_file:
        return initial_embedding(word.name, encoders, word.initialization_text, word.vectors_per_token)
    path = Path(word.initialization_file).expanduser()
    existing = read_embedding(path)
    expected = {encoder.key: encoder.width for encoder in encoders}
    if existing.widths != expected or existing.vectors_per_token != word.vectors_per_token:
        raise IncompatibleEmbedding(
            f"{path.name} has {existing.vectors_per_token} vectors of {_widths_text(existing.widths)}; the training "
            f"wants {word.vectors_per_token} of {_widths_text(expected)}."
        )
    return Embedding(word.name, existing.vectors, step=0)


def _widths_text(widths: dict[str, int]) -> str:
    return " and ".join(f"{encoder} {width}" for encoder, width in widths.items())
