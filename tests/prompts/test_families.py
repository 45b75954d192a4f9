"""What each family of checkpoints is told by a prompt, against transformers' own reading of it."""

from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from ti_studio.models.checkpoint.checkpoints import CheckpointInfo
from ti_studio.models.loading import Model
from ti_studio.prompts.chunks import WordIndex, chunk_prompt
from ti_studio.prompts.conditioning import Conditioning, encode
from ti_studio.prompts.grammar import parse_attention

PROMPT = "a red tree, by monet!"


def encoded(model: Model, text: str, words: dict[str, dict[str, Tensor]] | None = None, **how: int) -> Conditioning:
    tokenizer = model.encoders[0].tokenizer
    vectors = {name: len(rows["clip_l"]) for name, rows in (words or {}).items()}
    chunks = chunk_prompt(parse_attention(text), tokenizer, WordIndex.of(vectors, tokenizer))
    return encode(model.encoders, [chunks], words or {}, **how)


def read_by_transformers(info: CheckpointInfo, ids: list[int]) -> dict[str, Any]:
    """Returns the outputs of the checkpoint's text encoders, loaded anew, for framed and padded ids."""
    kinds = {"text_encoder": CLIPTextModel, "text_encoder_2": CLIPTextModelWithProjection}
    outputs = {}
    for folder, kind in kinds.items():
        if (info.path / folder).is_dir():
            model = kind.from_pretrained(info.path / folder, dtype=torch.float32)
            with torch.no_grad():
                outputs[folder] = model(input_ids=torch.tensor([ids]), output_hidden_states=True)
    return outputs


def with_special_tokens(model: Model, text: str, pad: int) -> list[int]:
    ids = model.encoders[0].tokenizer.ids(text)
    return [49406, *ids, 49407, *([pad] * (75 - len(ids)))]


def test_sd2_is_told_the_last_layer_there_is_padded_with_zeros(tiny_sd2: Model) -> None:
    expected = read_by_transformers(tiny_sd2.info, with_special_tokens(tiny_sd2, PROMPT, pad=0))[
        "text_encoder"
    ].last_hidden_state

    assert torch.allclose(encoded(tiny_sd2, PROMPT).encoder_hidden_states, expected, atol=1e-5)
    assert torch.equal(
        encoded(tiny_sd2, PROMPT).encoder_hidden_states, encoded(tiny_sd2, PROMPT, clip_skip=2).encoder_hidden_states
    )
    assert encoded(tiny_sd2, PROMPT).pooled is None


def test_sdxl_is_told_the_penultimate_layers_of_both_encoders_and_the_pooled_end_token(tiny_sdxl: Model) -> None:
    first = read_by_transformers(tiny_sdxl.info, with_special_tokens(tiny_sdxl, PROMPT, pad=49407))["text_encoder"]
    second = read_by_transformers(tiny_sdxl.info, with_special_tokens(tiny_sdxl, PROMPT, pad=0))["text_encoder_2"]

    told = encoded(tiny_sdxl, PROMPT)

    expected = torch.cat([first.hidden_states[-2], second.hidden_states[-2]], dim=-1)
    assert torch.allclose(told.encoder_hidden_states, expected, atol=1e-5)
    assert told.pooled is not None
    assert torch.allclose(told.pooled, second.text_embeds, atol=1e-5)
    assert torch.equal(told.encoder_hidden_states, encoded(tiny_sdxl, PROMPT, clip_skip=2).encoder_hidden_states)


def test_an_exclamation_mark_is_a_token_of_its_own_and_no_padding(tiny_sd2: Model) -> None:
    assert tiny_sd2.encoders[0].tokenizer.ids("wow!")[-1] == 256


def test_sdxl_pools_the_end_token_also_where_a_prompt_spells_one_out(tiny_sdxl: Model) -> None:
    spelled = encoded(tiny_sdxl, "a tree <|endoftext|> red").pooled
    other = encoded(tiny_sdxl, "a tree <|endoftext|> blue").pooled

    assert spelled is not None
    assert other is not None
    assert not torch.equal(spelled, other)


def test_sdxl_pools_the_first_chunk(tiny_sdxl: Model) -> None:
    one, two = encoded(tiny_sdxl, "a tree"), encoded(tiny_sdxl, "a tree BREAK a house")

    assert one.pooled is not None
    assert two.pooled is not None
    assert torch.allclose(one.pooled, two.pooled, atol=1e-5)
    assert two.encoder_hidden_states.shape == (1, 2 * 77, 40)


def test_a_word_with_the_rows_of_tree_means_tree_to_both_encoders(tiny_sdxl: Model) -> None:
    (tree,) = tiny_sdxl.encoders[0].tokenizer.ids("tree")
    rows = {encoder.key: encoder.token_embedding.weight[[tree]] for encoder in tiny_sdxl.encoders}

    word, plain = encoded(tiny_sdxl, "a zzzz1234", {"zzzz1234": rows}), encoded(tiny_sdxl, "a tree")

    assert torch.equal(word.encoder_hidden_states, plain.encoder_hidden_states)
    assert word.pooled is not None
    assert plain.pooled is not None
    assert torch.equal(word.pooled, plain.pooled)


@pytest.mark.parametrize("part", ["encoder_hidden_states", "pooled"])
def test_gradients_reach_the_rows_through(tiny_sdxl: Model, part: str) -> None:
    rows = {encoder.key: torch.zeros(2, encoder.width, requires_grad=True) for encoder in tiny_sdxl.encoders}

    getattr(encoded(tiny_sdxl, "a zzzz1234", {"zzzz1234": rows}), part).square().sum().backward()

    assert rows["clip_g"].grad is not None
    assert rows["clip_g"].grad.abs().sum() > 0
    assert (rows["clip_l"].grad is not None) == (part == "encoder_hidden_states")


def test_emphasis_leaves_the_pooled_prompt_alone(tiny_sdxl: Model) -> None:
    plain, weighted = encoded(tiny_sdxl, "a red tree"), encoded(tiny_sdxl, "a (red:1.5) tree")

    assert plain.pooled is not None
    assert weighted.pooled is not None
    assert torch.equal(plain.pooled, weighted.pooled)
    assert not torch.allclose(plain.encoder_hidden_states, weighted.encoder_hidden_states)
