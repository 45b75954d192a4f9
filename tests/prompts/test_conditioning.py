"""Learned rows in encoded prompts."""

import pytest
import torch
from torch import Tensor

from ti_studio.models.loading import Model
from ti_studio.prompts.chunks import WordIndex, chunk_prompt
from ti_studio.prompts.conditioning import ConditioningCache, encode
from ti_studio.prompts.grammar import parse_attention
from ti_studio.prompts.layers import TooFewLayers


def encoded(model: Model, text: str, rows: dict[str, Tensor] | None = None, clip_skip: int = 1) -> Tensor:
    encoder = model.encoders[0]
    words = WordIndex.of({name: len(values) for name, values in (rows or {}).items()}, encoder.tokenizer)
    placed = {name: {encoder.key: values} for name, values in (rows or {}).items()}
    chunks = chunk_prompt(parse_attention(text), encoder.tokenizer, words)
    return encode(model.encoders, [chunks], placed, clip_skip).context


def row_of(model: Model, word: str) -> Tensor:
    encoder = model.encoders[0]
    return encoder.token_embedding.weight[list(encoder.tokenizer.ids(word))].detach().clone()


def test_a_word_whose_row_is_that_of_tree_means_tree_to_the_last_bit(tiny_model: Model) -> None:
    rows = {"zzzz1234": row_of(tiny_model, "tree")}

    with_the_word = encoded(tiny_model, "a zzzz1234 by monet", rows)

    assert torch.equal(with_the_word, encoded(tiny_model, "a tree by monet"))
    assert not torch.equal(with_the_word, encoded(tiny_model, "a house by monet"))


def test_the_encoder_is_left_as_it_was(tiny_model: Model) -> None:
    before = encoded(tiny_model, "a tree")

    encoded(tiny_model, "a zzzz1234", {"zzzz1234": torch.ones(2, 16)})

    assert torch.equal(before, encoded(tiny_model, "a tree"))
    assert not tiny_model.encoders[0].token_embedding._forward_hooks


def test_gradients_reach_the_rows_and_nothing_else(tiny_model: Model) -> None:
    rows = torch.zeros(2, 16, requires_grad=True)

    encoded(tiny_model, "a zzzz1234", {"zzzz1234": rows}).sum().backward()

    assert rows.grad is not None
    assert rows.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in tiny_model.encoders[0].model.parameters())


def test_every_chunk_of_a_long_prompt_is_encoded(tiny_model: Model) -> None:
    assert encoded(tiny_model, "a BREAK b BREAK c").shape == (1, 3 * 77, 16)


def test_prompts_of_different_lengths_are_filled_up_with_empty_chunks(tiny_model: Model) -> None:
    encoder = tiny_model.encoders[0]
    short, long = (chunk_prompt(parse_attention(text), encoder.tokenizer, WordIndex()) for text in ("a", "a BREAK b"))

    both = encode(tiny_model.encoders, [short, long], {}).context

    assert torch.allclose(both[0, 77:], encoded(tiny_model, "")[0], atol=1e-5)
    assert torch.allclose(both[1], encoded(tiny_model, "a BREAK b")[0], atol=1e-5)


def test_emphasis_changes_the_weighted_token_and_keeps_the_chunks_mean(tiny_model: Model) -> None:
    plain, weighted = encoded(tiny_model, "a red tree"), encoded(tiny_model, "a (red:1.5) tree")

    assert torch.allclose(plain.mean(), weighted.mean(), atol=1e-5)
    ratio = weighted[0, 2] / plain[0, 2] / (weighted[0, 1] / plain[0, 1])
    assert torch.allclose(ratio, torch.full_like(ratio, 1.5), rtol=1e-3)


def test_clip_skip_takes_an_earlier_layer(tiny_model: Model) -> None:
    assert not torch.allclose(encoded(tiny_model, "a tree"), encoded(tiny_model, "a tree", clip_skip=2))
    with pytest.raises(TooFewLayers, match="Clip skip 3: the checkpoint's text encoder has 2 layers"):
        encoded(tiny_model, "a tree", clip_skip=3)


def test_the_cache_answers_a_changed_word_with_its_new_meaning(tiny_model: Model) -> None:
    encoder = tiny_model.encoders[0]
    cache = ConditioningCache(tiny_model.encoders)
    chunks = chunk_prompt(
        parse_attention("a zzzz1234"), encoder.tokenizer, WordIndex.of({"zzzz1234": 1}, encoder.tokenizer)
    )

    first = cache.encode(chunks, {"zzzz1234": {"clip_l": torch.zeros(1, 16)}})
    again = cache.encode(chunks, {"zzzz1234": {"clip_l": torch.zeros(1, 16)}})
    changed = cache.encode(chunks, {"zzzz1234": {"clip_l": torch.ones(1, 16)}})

    assert again is first
    assert not torch.equal(changed.context, first.context)


def test_without_the_mean_restored_weights_only_multiply(tiny_model: Model) -> None:
    encoder = tiny_model.encoders[0]
    chunks = chunk_prompt(parse_attention("a (red:1.5) tree"), encoder.tokenizer, WordIndex())
    kept = encode(tiny_model.encoders, [chunks], {}, restores_mean=False).context
    plain = encoded(tiny_model, "a red tree")

    assert torch.equal(kept[:, 2], plain[:, 2] * 1.5)
    assert torch.equal(kept[:, 3:], plain[:, 3:])
    assert not torch.equal(kept, encoded(tiny_model, "a (red:1.5) tree"))
