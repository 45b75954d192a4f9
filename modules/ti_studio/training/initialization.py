"""The rows that a word starts from."""

import torch
from torch import Tensor

from ti_studio.embeddings.embedding import Embedding
from ti_studio.prompts.conditioning import TextEncoder


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
