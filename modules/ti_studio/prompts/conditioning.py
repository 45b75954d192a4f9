"""Chunks into tensors: frozen token embeddings, the learned rows put in their places, and the text encoders over
them."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import CLIPTextModel

from ti_studio.prompts.chunks import CHUNK_TOKENS, Chunk
from ti_studio.prompts.tokens import PromptTokenizer

POSITIONS = CHUNK_TOKENS + 2
"""Tokens of an encoded chunk: begin, 75, end."""

Rows = Mapping[str, Tensor]
"""The learned rows of each word for one text encoder: name → [vectors, width]."""


@dataclass(frozen=True)
class TextEncoder:
    """One of a checkpoint's text encoders."""

    key: str
    """How files name it: `clip_l` (SD 1, SDXL), `clip_h` (SD 2), `clip_g` (SDXL)."""
    tokenizer: PromptTokenizer
    model: CLIPTextModel

    @property
    def token_embedding(self) -> nn.Embedding:
        """The frozen table of token embeddings, [49408, width]."""
        table = self.model.get_input_embeddings()
        assert isinstance(table, nn.Embedding)
        return table

    @property
    def width(self) -> int:
        """Columns of the table, and so of every row that is learned for this encoder."""
        return self.token_embedding.embedding_dim


def encode(encoder: TextEncoder, prompts: Sequence[Sequence[Chunk]], rows: Rows, clip_skip: int = 1) -> Tensor:
    """Encodes prompts for the UNet.

    Equal chunks are encoded once, however many prompts have them. A prompt with fewer chunks than the longest is filled
    up with empty ones. Weights multiply the encoder's output for their token, and the chunk is then scaled back to the
    mean it had (A1111's emphasis mode "Original").

    Args:
        encoder: the text encoder.
        prompts: the chunks of each prompt.
        rows: the rows of every word that is placed in a chunk; gradients flow into them.
        clip_skip: 1 takes the encoder's last layer, 2 the one before it, …

    Returns:
        [prompts, 77 · chunks, width]
    """
    length = max(len(chunks) for chunks in prompts)
    filled = [chunk for chunks in prompts for chunk in (*chunks, *([Chunk()] * (length - len(chunks))))]
    distinct = list(dict.fromkeys(filled))
    hidden = _encode_chunks(encoder, distinct, rows, clip_skip)
    place = {chunk: index for index, chunk in enumerate(distinct)}
    index = torch.tensor([place[chunk] for chunk in filled], device=hidden.device)
    return hidden[index].reshape(len(prompts), length * POSITIONS, hidden.shape[-1])


def _encode_chunks(encoder: TextEncoder, chunks: Sequence[Chunk], rows: Rows, clip_skip: int) -> Tensor:
    """Returns [chunks, 77, width], weights applied."""
    table = encoder.token_embedding
    ids = torch.tensor([encoder.tokenizer.framed(chunk.ids, POSITIONS) for chunk in chunks], device=table.weight.device)
    with spliced(table, chunks, rows):
        output = encoder.model(input_ids=ids, output_hidden_states=clip_skip > 1)
    hidden: Tensor
    if clip_skip > 1:
        hidden = encoder.model.final_layer_norm(output.hidden_states[-clip_skip])
    else:
        hidden = output.last_hidden_state
    if all(weight == 1.0 for chunk in chunks for weight in chunk.weights):
        return hidden
    return _emphasised(hidden, chunks)


@contextmanager
def spliced(table: nn.Embedding, chunks: Sequence[Chunk], rows: Rows) -> Iterator[None]:
    """Lets the table answer with the learned rows where words are placed, until the block ends; the table is not
    changed.

    Args:
        table: the token embedding that is about to be called with ids of shape [chunks, 77].
        chunks: the chunks in the order of the ids.
        rows: name → [vectors, width].
    """
    places = [
        (chunk_index, 1 + placement.offset + vector, rows[placement.name][vector])
        for chunk_index, chunk in enumerate(chunks)
        for placement in chunk.placements
        for vector in range(placement.vectors)
    ]
    if not places:
        yield
        return
    chunk_indices = torch.tensor([place[0] for place in places], device=table.weight.device)
    positions = torch.tensor([place[1] for place in places], device=table.weight.device)
    learned = torch.stack([place[2] for place in places]).to(table.weight.device, table.weight.dtype)

    def put_rows(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        return output.index_put((chunk_indices, positions), learned)

    handle = table.register_forward_hook(put_rows)
    try:
        yield
    finally:
        handle.remove()


def _emphasised(hidden: Tensor, chunks: Sequence[Chunk]) -> Tensor:
    """Multiplies each token's output by its weight and restores each chunk's mean."""
    padded = [[1.0, *chunk.weights, *([1.0] * (POSITIONS - 1 - len(chunk.weights)))] for chunk in chunks]
    weights = torch.tensor(padded, device=hidden.device, dtype=hidden.dtype).unsqueeze(-1)
    weighted = hidden * weights
    scale = hidden.mean(dim=(1, 2), keepdim=True) / weighted.mean(dim=(1, 2), keepdim=True)
    changed = (weights != 1).any(dim=1, keepdim=True)
    return torch.where(changed, weighted * scale, hidden)


class ConditioningCache:
    """Remembers encoded prompts by their chunks **and** the content of the rows in them, so that a word which was
    trained further or replaced on disk is never answered with its old meaning."""

    def __init__(self, encoder: TextEncoder, most: int = 64) -> None:
        self._encoder = encoder
        self._most = most
        self._encoded: OrderedDict[tuple[object, ...], Tensor] = OrderedDict()

    def encode(self, chunks: Sequence[Chunk], rows: Rows, clip_skip: int = 1) -> Tensor:
        """Returns [1, 77 · chunks, width] without gradients, on the encoder's device."""
        names = {placement.name for chunk in chunks for placement in chunk.placements}
        contents = tuple((name, rows[name].float().cpu().numpy().tobytes()) for name in sorted(names))
        key = (tuple(chunks), contents, clip_skip)
        if key in self._encoded:
            self._encoded.move_to_end(key)
            return self._encoded[key]
        with torch.no_grad():
            encoded = encode(self._encoder, [chunks], rows, clip_skip)
        self._encoded[key] = encoded
        if len(self._encoded) > self._most:
            self._encoded.popitem(last=False)
        return encoded
