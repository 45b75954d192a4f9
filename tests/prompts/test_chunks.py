"""Prompts cut into chunks of 75 tokens, with words placed in them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import CLIPTokenizer

from tests.checkpoints import DEMO
from ti_studio.prompts.chunks import CHUNK_TOKENS, PLACEHOLDER, Chunk, Placement, WordIndex, chunk_prompt
from ti_studio.prompts.grammar import parse_attention
from ti_studio.prompts.tokens import PromptTokenizer


@pytest.fixture(scope="module")
def tokenizer() -> PromptTokenizer:
    return PromptTokenizer(CLIPTokenizer.from_pretrained(DEMO / "tokenizer", local_files_only=True))


def cut(tokenizer: PromptTokenizer, text: str, **vectors: int) -> tuple[Chunk, ...]:
    return chunk_prompt(parse_attention(text), tokenizer, WordIndex.of(vectors, tokenizer))


def test_the_vocabulary_is_clips(tokenizer: PromptTokenizer) -> None:
    assert tokenizer.ids("a photo of a") == (320, 1125, 539, 320)
    assert tokenizer.framed((320,), 5) == [49406, 320, 49407, 49407, 49407]


def test_a_word_takes_as_many_places_as_it_has_vectors(tokenizer: PromptTokenizer) -> None:
    (chunk,) = cut(tokenizer, "a zzzz1234 tree", zzzz1234=3)

    assert chunk.placements == (Placement(1, "zzzz1234", 3),)
    assert chunk.ids == (320, PLACEHOLDER, PLACEHOLDER, PLACEHOLDER, *tokenizer.ids("tree"))


def test_words_match_without_regard_to_case_and_the_longest_first(tokenizer: PromptTokenizer) -> None:
    (chunk,) = cut(tokenizer, "Style-1-B and STYLE-1", **{"style-1": 1, "style-1-b": 2})

    assert [placed.name for placed in chunk.placements] == ["style-1-b", "style-1"]


def test_a_word_inside_another_word_does_not_match(tokenizer: PromptTokenizer) -> None:
    (chunk,) = cut(tokenizer, "category", cat=1)

    assert chunk.placements == ()


def test_every_vector_of_a_word_has_the_weight_of_its_emphasis(tokenizer: PromptTokenizer) -> None:
    (chunk,) = cut(tokenizer, "a (zzzz1234:1.4)", zzzz1234=2)

    assert chunk.weights == (1.0, 1.4, 1.4)


def test_a_word_that_no_longer_fits_begins_a_new_chunk_and_is_not_split(tokenizer: PromptTokenizer) -> None:
    first, second = cut(tokenizer, "tree " * 70 + "zzzz1234", zzzz1234=8)

    assert len(first.ids) == 70
    assert first.placements == ()
    assert second.placements == (Placement(0, "zzzz1234", 8),)


def test_a_word_behind_the_last_comma_moves_to_the_next_chunk_with_its_place(tokenizer: PromptTokenizer) -> None:
    first, second = cut(tokenizer, "tree " * 65 + ", red zzzz1234 " + "tree " * 10, zzzz1234=4)

    assert len(first.ids) == 66
    assert first.placements == ()
    assert second.placements == (Placement(1, "zzzz1234", 4),)
    assert second.ids[1:5] == (PLACEHOLDER,) * 4


def test_a_comma_too_far_back_does_not_break_the_chunk(tokenizer: PromptTokenizer) -> None:
    first, second = cut(tokenizer, "tree " * 40 + ", " + "tree " * 40)

    assert (len(first.ids), len(second.ids)) == (75, 6)


def test_break_begins_a_new_chunk(tokenizer: PromptTokenizer) -> None:
    assert [len(chunk.ids) for chunk in cut(tokenizer, "a BREAK a tree")] == [1, 2]


def test_an_empty_prompt_is_one_empty_chunk(tokenizer: PromptTokenizer) -> None:
    assert cut(tokenizer, "") == (Chunk(),)


def test_a_word_of_75_vectors_fills_a_chunk_and_a_longer_one_is_not_found(tokenizer: PromptTokenizer) -> None:
    chunks = cut(tokenizer, "a zzzz1234 a", zzzz1234=75)

    assert [len(chunk.ids) for chunk in chunks] == [1, 75, 1]
    assert not any(chunk.placements for chunk in cut(tokenizer, "a zzzz1234", zzzz1234=76))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["tree", ",", "zzzz1234", "yyyy5678", "BREAK", "(red:1.2)", "[dark"]), max_size=120))
def test_no_chunk_overflows_and_no_vector_is_lost(tokenizer: PromptTokenizer, pieces: list[str]) -> None:
    chunks = cut(tokenizer, " ".join(pieces), zzzz1234=5, yyyy5678=11)

    placed = [placement for chunk in chunks for placement in chunk.placements]
    assert all(len(chunk.ids) == len(chunk.weights) <= CHUNK_TOKENS for chunk in chunks)
    assert [word.name for word in placed] == [piece for piece in pieces if piece.endswith(("1234", "5678"))]
    for chunk in chunks:
        kept = {word.offset + vector for word in chunk.placements for vector in range(word.vectors)}
        assert kept == {index for index, token in enumerate(chunk.ids) if token == PLACEHOLDER}
