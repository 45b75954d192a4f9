"""Chunks into tensors: frozen token embeddings, the learned rows put in their places, and the text encoders over
them."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from transformers import CLIPTextModel

from ti_studio.device import to_device
from ti_studio.prompts.chunks import CHUNK_TOKENS, Chunk
from ti_studio.prompts.layers import Layer, TooFewLayers
from ti_studio.prompts.tokens import PromptTokenizer

POSITIONS = CHUNK_TOKENS + 2
"""Tokens of an encoded chunk: begin, 75, end."""

SMALLEST_MEAN = 1e-4
"""Of the mean of a chunk's absolute values: means below that are taken for zero.

Rounding alone makes means of up to 3e-5 of it in bfloat16 and 3e-6 in float16 (768 columns, which is the narrowest
encoder), and 1e-8 in float32.
"""

Rows = Mapping[str, Tensor]
"""The learned rows of each word for one text encoder: name → [vectors, width]."""

Words = Mapping[str, Mapping[str, Tensor]]
"""The learned rows of each word: name → the encoder's key → [vectors, width]."""


@dataclass(frozen=True)
class TextEncoder:
    """One of a checkpoint's text encoders."""

    key: str
    """How files name it: `clip_l` (SD 1, SDXL), `clip_h` (SD 2), `clip_g` (SDXL)."""
    tokenizer: PromptTokenizer
    model: CLIPTextModel
    layer: Layer = Layer.BY_CLIP_SKIP
    projection: nn.Module | None = None
    """What makes the pooled output of the end token's last hidden state; None if the UNet does not ask for one."""

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


@dataclass(frozen=True)
class Conditioning:
    """Encoded prompts: what the UNet is told."""

    encoder_hidden_states: Tensor
    """[n, 77 · chunks, width]"""
    pooled: Tensor | None = None
    """SDXL: the projected end token of each prompt's first chunk, [n, d]; None for the other families."""

    def repeated(self, count: int) -> "Conditioning":
        """Returns the one prompt that this is, `count` times."""
        pooled = None if self.pooled is None else self.pooled.expand(count, -1)
        return Conditioning(self.encoder_hidden_states.expand(count, -1, -1), pooled)

    def joined(self, other: "Conditioning") -> "Conditioning":
        """Returns these prompts and then those of another one, which have as many chunks."""
        encoder_hidden_states = torch.cat([self.encoder_hidden_states, other.encoder_hidden_states])
        if self.pooled is None or other.pooled is None:
            return Conditioning(encoder_hidden_states)
        return Conditioning(encoder_hidden_states, torch.cat([self.pooled, other.pooled]))

    def zeros(self) -> "Conditioning":
        """Returns as many prompts that say nothing at all, which is less than an empty text says."""
        pooled = None if self.pooled is None else torch.zeros_like(self.pooled)
        return Conditioning(torch.zeros_like(self.encoder_hidden_states), pooled)


@dataclass(frozen=True)
class EncodedChunks:
    """Distinct chunks, each encoded once: prompts are put together from them."""

    outputs: Conditioning
    """Of the chunks one by one: [chunks, 77, width] and, for SDXL, [chunks, d]."""
    places: Mapping[Chunk, int]
    """Where each chunk stands among them."""

    def conditioning(self, prompts: Sequence[Sequence[Chunk]]) -> Conditioning:
        """Returns prompts for the UNet. One with fewer chunks than the longest is filled up with empty ones."""
        chunks = padded(prompts)
        hidden, pooled = self.outputs.encoder_hidden_states, self.outputs.pooled
        length = len(chunks) // len(prompts)
        places = [self.places[chunk] for chunk in chunks]
        if places != list(range(len(hidden))):
            index = to_device(torch.tensor(places), hidden.device)
            hidden = hidden[index]
            pooled = None if pooled is None else pooled[index]
        encoder_hidden_states = hidden.reshape(len(prompts), length * POSITIONS, hidden.shape[-1])
        return Conditioning(encoder_hidden_states, None if pooled is None else pooled[::length])

    def detached(self) -> "EncodedChunks":
        """Returns a float32 copy that collects the gradients of everything that is made of it."""
        hidden, pooled = self.outputs.encoder_hidden_states, self.outputs.pooled
        leaves = Conditioning(_leaf(hidden), None if pooled is None else _leaf(pooled))
        return replace(self, outputs=leaves)


def encode(
    encoders: Sequence[TextEncoder],
    prompts: Sequence[Sequence[Chunk]],
    words: Words,
    clip_skip: int = 1,
    *,
    restores_mean: bool = True,
) -> Conditioning:
    """Encodes prompts for the UNet: those of one batch, which are filled up to the longest of them.

    Weights multiply the encoder's output for their token; they leave the pooled output alone, as in A1111.

    Args:
        encoders: the text encoders, whose outputs stand side by side.
        prompts: the chunks of each prompt.
        words: the rows of every word that is placed in a chunk; gradients flow into them.
        clip_skip: 1 takes the encoder's last layer, 2 the one before it, … where the family leaves the choice.
        restores_mean: whether each chunk with weights in it is scaled back to the mean it had without them (A1111's
            emphasis modes "Original" and "No norm"), where it has one to speak of (`emphasised`).
    """
    encoded = encode_chunks(encoders, padded(prompts), words, clip_skip, restores_mean=restores_mean)
    return encoded.conditioning(prompts)


def encode_chunks(
    encoders: Sequence[TextEncoder],
    chunks: Sequence[Chunk],
    words: Words,
    clip_skip: int = 1,
    *,
    restores_mean: bool = True,
) -> EncodedChunks:
    """Encodes chunks, equal ones once; the arguments are `encode`'s."""
    distinct = list(dict.fromkeys(chunks))
    outputs = [
        _encode_chunks(encoder, distinct, {name: rows[encoder.key] for name, rows in words.items()}, clip_skip)
        for encoder in encoders
    ]
    weights = _weights(distinct)
    hidden = torch.cat(
        [emphasised(output.encoder_hidden_states, weights, restores_mean=restores_mean) for output in outputs], dim=-1
    )
    pooled = [output.pooled for output in outputs if output.pooled is not None]
    places = {chunk: index for index, chunk in enumerate(distinct)}
    return EncodedChunks(Conditioning(hidden, pooled[0] if pooled else None), places)


def padded(prompts: Sequence[Sequence[Chunk]]) -> list[Chunk]:
    """Returns the chunks of all prompts, one prompt after the other, each filled up to the longest with empty ones."""
    length = max((len(chunks) for chunks in prompts), default=0)
    return [chunk for chunks in prompts for chunk in (*chunks, *([Chunk()] * (length - len(chunks))))]


def _leaf(tensor: Tensor) -> Tensor:
    return tensor.detach().float().requires_grad_(tensor.requires_grad)


def _encode_chunks(encoder: TextEncoder, chunks: Sequence[Chunk], rows: Rows, clip_skip: int) -> Conditioning:
    """Returns one encoder's outputs: [chunks, 77, width] and, if it has a projection, [chunks, d]."""
    table = encoder.token_embedding
    with_special_tokens = torch.tensor(
        [encoder.tokenizer.with_special_tokens(chunk.ids, POSITIONS) for chunk in chunks]
    )
    ids = to_device(with_special_tokens, table.weight.device)
    back = {Layer.BY_CLIP_SKIP: clip_skip, Layer.LAST: 1, Layer.PENULTIMATE: 2}[encoder.layer]
    if back > (layers := encoder.model.config.num_hidden_layers):
        raise TooFewLayers(f"Clip skip {back}: the checkpoint's text encoder has {layers} layers; expected no more.")
    with injected(table, chunks, rows):
        output = encoder.model(input_ids=ids, output_hidden_states=back > 1)
    hidden: Tensor = output.last_hidden_state if back == 1 else output.hidden_states[-back]
    if back > 1 and encoder.layer is Layer.BY_CLIP_SKIP:
        hidden = encoder.model.final_layer_norm(hidden)
    return Conditioning(hidden, _pooled(encoder, output.last_hidden_state, chunks))


def _pooled(encoder: TextEncoder, hidden: Tensor, chunks: Sequence[Chunk]) -> Tensor | None:
    """Projects the end token behind each chunk's own tokens.

    transformers looks for the highest id or for the first end token instead, which is another place when a new word has
    an id of its own or a prompt spells the end token out.
    """
    if encoder.projection is None:
        return None
    ends = to_device(torch.tensor([1 + len(chunk.ids) for chunk in chunks]), hidden.device)
    projected: Tensor = encoder.projection(hidden[torch.arange(len(chunks), device=hidden.device), ends])
    return projected


@contextmanager
def injected(table: nn.Embedding, chunks: Sequence[Chunk], rows: Rows) -> Iterator[None]:
    """Lets the table answer with the learned rows where words are placed, until the block ends; the table is not
    changed.

    Args:
        table: the token embedding that is about to be called with ids of shape [chunks, 77].
        chunks: the chunks in the order of the ids.
        rows: name → [vectors, width].
    """
    placements = [(index, placement) for index, chunk in enumerate(chunks) for placement in chunk.placements]
    if not placements:
        yield
        return
    places = [
        (index, 1 + placement.offset + vector) for index, placement in placements for vector in range(placement.vectors)
    ]
    chunk_indices, positions = to_device(torch.tensor(places), table.weight.device).unbind(dim=1)
    learned = torch.cat([rows[placement.name][: placement.vectors] for _, placement in placements])
    learned = learned.to(table.weight.device, table.weight.dtype)

    def put_rows(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        return output.index_put((chunk_indices, positions), learned)

    handle = table.register_forward_hook(put_rows)
    try:
        yield
    finally:
        handle.remove()


def _weights(chunks: Sequence[Chunk]) -> Tensor | None:
    """Returns the weight of every position, [chunks, 77, 1]; None where all are 1."""
    if all(weight == 1.0 for chunk in chunks for weight in chunk.weights):
        return None
    padded = [[1.0, *chunk.weights, *([1.0] * (POSITIONS - 1 - len(chunk.weights)))] for chunk in chunks]
    return torch.tensor(padded).unsqueeze(-1)


def emphasised(hidden: Tensor, weights: Tensor | None, *, restores_mean: bool) -> Tensor:
    """Multiplies each token's output by its weight, and restores each chunk's mean if that is asked for.

    A chunk is scaled by the mean that it had without weights, divided by the one that it has with them: A1111's
    arithmetic. A mean which is next to nothing beside the numbers it is the mean of (SMALLEST_MEAN) is one of rounding,
    or of numbers that happen to cancel out; it says nothing about a chunk, and the quotient may be anything up to
    infinity. Such a chunk has its tokens weighted and is not scaled.

    Args:
        hidden: a text encoder's output, [chunks, 77, width].
        weights: of each position, [chunks, 77, 1]; None where all are 1.
        restores_mean: `encode`'s.

    Returns:
        [chunks, 77, width] in the precision of `hidden`; finite if that is. What this precision could not hold is the
        largest number that it can.
    """
    if weights is None:
        return hidden
    weights = to_device(weights, hidden.device)
    plain = hidden.float()  # before the mean is restored, weighted numbers may be more than half precision holds
    weighted = plain * weights
    if restores_mean:
        weighted = weighted * _scale(plain, weighted)
        weighted = torch.where((weights != 1).any(dim=1, keepdim=True), weighted, plain)
    most = torch.finfo(hidden.dtype).max
    return weighted.clamp(-most, most).to(hidden.dtype)


def _scale(plain: Tensor, weighted: Tensor) -> Tensor:
    """Returns what restores the mean of each chunk, [chunks, 1, 1]: 1 for one with a mean that says nothing."""
    (before, before_is_one), (after, after_is_one) = _mean(plain), _mean(weighted)
    are_some = before_is_one & after_is_one
    return torch.where(are_some, before / torch.where(are_some, after, 1.0), 1.0)


def _mean(chunks: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the mean of each chunk, [chunks, 1, 1], and whether it is more than SMALLEST_MEAN."""
    mean = chunks.mean(dim=(1, 2), keepdim=True)
    size = chunks.detach().abs().mean(dim=(1, 2), keepdim=True)
    return mean, mean.detach().abs() > SMALLEST_MEAN * size


class ConditioningCache:
    """Remembers encoded prompts by their chunks **and** the content of the rows in them, so that a word which was
    trained further or replaced on disk is never answered with its old meaning."""

    def __init__(self, encoders: Sequence[TextEncoder], most: int = 64, most_chunks: int = 256) -> None:
        """Remembers so many prompts, and no more than so many chunks of all of them together: a chunk of SDXL takes
        600 KB."""
        self._encoders = encoders
        self._most = most
        self._most_chunks = most_chunks
        self._chunks = 0
        self._encoded: OrderedDict[tuple[object, ...], Conditioning] = OrderedDict()

    def encode(
        self, chunks: Sequence[Chunk], words: Words, clip_skip: int = 1, *, restores_mean: bool = True
    ) -> Conditioning:
        """Returns the one prompt without gradients, on the encoders' device."""
        names = sorted({placement.name for chunk in chunks for placement in chunk.placements})
        contents = tuple(
            (name, encoder.key, words[name][encoder.key].float().cpu().numpy().tobytes())
            for name in names
            for encoder in self._encoders
        )
        key = (tuple(chunks), contents, clip_skip, restores_mean)
        if key in self._encoded:
            self._encoded.move_to_end(key)
            return self._encoded[key]
        with torch.no_grad():
            encoded = encode(self._encoders, [chunks], words, clip_skip, restores_mean=restores_mean)
        self._encoded[key] = encoded
        self._chunks += len(chunks)
        while len(self._encoded) > self._most or self._chunks > self._most_chunks:
            _, oldest = self._encoded.popitem(last=False)
            self._chunks -= oldest.encoder_hidden_states.shape[1] // POSITIONS
        return encoded
