"""Learned rows in encoded prompts."""

import pytest
import torch
from torch import Tensor

from ti_studio.models.checkpoint.checkpoints import CheckpointInfo
from ti_studio.models.hardware import Hardware
from ti_studio.models.loading import Model, load
from ti_studio.prompts.chunks import WordIndex, chunk_prompt
from ti_studio.prompts.conditioning import SMALLEST_MEAN, ConditioningCache, emphasised, encode
from ti_studio.prompts.grammar import MOST_WEIGHT, parse_attention
from ti_studio.prompts.layers import TooFewLayers


def encoded(model: Model, text: str, rows: dict[str, Tensor] | None = None, clip_skip: int = 1) -> Tensor:
    encoder = model.encoders[0]
    words = WordIndex.of({name: len(values) for name, values in (rows or {}).items()}, encoder.tokenizer)
    placed = {name: {encoder.key: values} for name, values in (rows or {}).items()}
    chunks = chunk_prompt(parse_attention(text), encoder.tokenizer, words)
    return encode(model.encoders, [chunks], placed, clip_skip).encoder_hidden_states


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

    both = encode(tiny_model.encoders, [short, long], {}).encoder_hidden_states

    assert torch.allclose(both[0, 77:], encoded(tiny_model, "")[0], atol=1e-5)
    assert torch.allclose(both[1], encoded(tiny_model, "a BREAK b")[0], atol=1e-5)


@pytest.fixture
def model_with_mean(tiny_checkpoint: CheckpointInfo) -> Model:
    """The tiny model with a text encoder whose layer norm has learned to give its results a mean, as real ones have."""
    model = load(tiny_checkpoint, Hardware.automatic())
    model.encoders[0].model.final_layer_norm.bias.data += 0.2
    return model


def test_emphasis_changes_the_weighted_token_and_keeps_the_chunks_mean(model_with_mean: Model) -> None:
    plain, weighted = encoded(model_with_mean, "a red tree"), encoded(model_with_mean, "a (red:1.5) tree")

    assert plain.mean() > 0.1
    assert torch.allclose(plain.mean(), weighted.mean(), atol=1e-5)
    ratio = weighted[0, 2] / plain[0, 2] / (weighted[0, 1] / plain[0, 1])
    assert torch.allclose(ratio, torch.full_like(ratio, 1.5), rtol=1e-3)


def chunk_with_mean(mean: float) -> Tensor:
    """Four tokens of two numbers, [1, 4, 2], each token's mean a share of their mean size, which is exactly 1. None of
    it is rounded."""
    return torch.tensor([[[1 + mean, mean - 1]]]).expand(1, 4, 2).contiguous()


TWICE_THE_SECOND = torch.tensor([[[1.0], [2.0], [1.0], [1.0]]])


@pytest.mark.parametrize("mean", [0.5, -0.25, 2.0**-12])
def test_a_chunk_whose_weights_change_its_mean_gets_it_back_as_in_a1111(mean: float) -> None:
    plain = chunk_with_mean(mean)

    weighted = emphasised(plain, TWICE_THE_SECOND, restores_mean=True)

    assert torch.allclose(weighted, plain * TWICE_THE_SECOND * 0.8)  # a mean of 1.25 times as much
    assert torch.allclose(weighted.mean(), plain.mean(), atol=2.0**-23)  # numbers below 2 are rounded by half of that


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize(
    ("plain", "weights"),
    [
        (chunk_with_mean(0.0), TWICE_THE_SECOND),
        (torch.zeros(1, 4, 2), TWICE_THE_SECOND),
        (chunk_with_mean(0.5), torch.tensor([[[1.0], [-3.0], [1.0], [1.0]]])),
        (chunk_with_mean(0.5), torch.zeros(1, 4, 1)),
        (torch.tensor([[[1.0, 1.0], [-1.0, -1.0], [1.0, 1.0], [-1.0, -1.0]]]), TWICE_THE_SECOND),
    ],
    ids=["no mean", "nothing", "none with weights", "all weights are zero", "none without weights"],
)
def test_a_chunk_with_a_mean_of_zero_has_its_tokens_weighted_and_is_not_scaled(
    plain: Tensor, weights: Tensor, dtype: torch.dtype
) -> None:
    assert torch.equal(emphasised(plain.to(dtype), weights, restores_mean=True), (plain * weights).to(dtype))


def test_a_mean_of_rounding_alone_is_taken_for_zero() -> None:
    below, above = (chunk_with_mean(SMALLEST_MEAN * share) for share in (0.5, 3.0))

    assert torch.equal(emphasised(below, TWICE_THE_SECOND, restores_mean=True), below * TWICE_THE_SECOND)
    assert not torch.equal(emphasised(above, TWICE_THE_SECOND, restores_mean=True), above * TWICE_THE_SECOND)


def test_one_chunk_with_a_mean_of_zero_leaves_the_others_theirs() -> None:
    chunks = torch.cat([chunk_with_mean(0.5), chunk_with_mean(0.0)])

    weighted = emphasised(chunks, TWICE_THE_SECOND.expand(2, 4, 1), restores_mean=True)

    assert torch.allclose(weighted[0], chunks[0] * TWICE_THE_SECOND[0] * 0.8)
    assert torch.equal(weighted[1], chunks[1] * TWICE_THE_SECOND[0])


@pytest.mark.parametrize("restores_mean", [True, False], ids=["Original", "No norm"])
def test_half_precision_holds_what_the_strongest_weights_make(restores_mean: bool) -> None:
    strongest = torch.tensor([[[1.0], [-MOST_WEIGHT], [1.0], [MOST_WEIGHT]]])
    hidden = (chunk_with_mean(0.5) * 30).half()

    assert emphasised(hidden, strongest, restores_mean=restores_mean).isfinite().all()


def test_gradients_are_finite_where_there_is_no_mean() -> None:
    plain = chunk_with_mean(0.0).requires_grad_()

    emphasised(plain, TWICE_THE_SECOND, restores_mean=True).sum().backward()

    assert plain.grad is not None
    assert torch.equal(plain.grad, TWICE_THE_SECOND.expand(1, 4, 2))


def test_every_family_encodes_emphasis_in_finite_numbers(tiny_families: dict[str, CheckpointInfo]) -> None:
    """Their encoders end in a layer norm that has learned nothing, whose results have no mean."""
    for info in tiny_families.values():
        model = load(info, Hardware.automatic())
        tokenizer = model.encoders[0].tokenizer
        plain, weighted = (
            encode(model.encoders, [chunk_prompt(parse_attention(text), tokenizer, WordIndex())], {})
            for text in ("a red tree", "a (red:1.5) tree")
        )
        assert weighted.encoder_hidden_states.isfinite().all()
        assert torch.allclose(plain.encoder_hidden_states.mean(), weighted.encoder_hidden_states.mean(), atol=1e-5)


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
    assert not torch.equal(changed.encoder_hidden_states, first.encoder_hidden_states)


def test_without_the_mean_restored_weights_only_multiply(model_with_mean: Model) -> None:
    encoder = model_with_mean.encoders[0]
    chunks = chunk_prompt(parse_attention("a (red:1.5) tree"), encoder.tokenizer, WordIndex())
    kept = encode(model_with_mean.encoders, [chunks], {}, restores_mean=False).encoder_hidden_states
    plain = encoded(model_with_mean, "a red tree")

    assert torch.equal(kept[:, 2], plain[:, 2] * 1.5)
    assert torch.equal(kept[:, 3:], plain[:, 3:])
    assert not torch.equal(kept, encoded(model_with_mean, "a (red:1.5) tree"))
