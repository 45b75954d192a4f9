"""Prompts cut into chunks of 75 tokens, with words placed in them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import CLIPTokenizer

from tests.checkpoints import DEMO
from ti_studio.prompts.chunks import (
    CHUNK_TOKENS,
    COMMA_PADDING_BACKTRACK,
    PLACEHOLDER,
    Chunk,
    Placement,
    Word,
    WordIndex,
    chunk_prompt,
)
from ti_studio.prompts.grammar import Break, Named, Part, Span, parse_attention
from ti_studio.prompts.tokens import PromptTokenizer


@pytest.fixture(scope="module")
def tokenizer() -> PromptTokenizer:
    return PromptTokenizer(CLIPTokenizer.from_pretrained(DEMO / "tokenizer", local_files_only=True))


def cut(tokenizer: PromptTokenizer, text: str, **vectors: int) -> tuple[Chunk, ...]:
    return chunk_prompt(parse_attention(text), tokenizer, WordIndex.of(vectors, tokenizer))


def test_the_vocabulary_is_clips(tokenizer: PromptTokenizer) -> None:
    assert tokenizer.ids("a photo of a") == (320, 1125, 539, 320)
    assert tokenizer.with_special_tokens((320,), 5) == [49406, 320, 49407, 49407, 49407]


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


NAMES = ("zzzz1234", "zzzz1234-b", "yyyy5678", "red tree")
SPANS = st.builds(
    lambda pieces, weight: Span(" ".join(pieces), weight),
    st.lists(st.sampled_from(["tree", ",", "a big cat", "tree " * 18, "!", *NAMES]), max_size=12),
    st.sampled_from([1.0, 1.1, 0.5, -1.0]),
)
PARTS = st.lists(
    SPANS | st.just(Break()) | st.builds(Named, st.sampled_from([*NAMES, "nobody"]), st.just(1.4)), max_size=12
)
Unit = tuple[int | str, float, int]
"""A token's id or a learned word's name, its weight, and the places it takes; a Break takes none."""


def units(tokenizer: PromptTokenizer, parts: list[Part], vectors: dict[str, int]) -> list[Unit]:
    """What stands in a prompt, one after the other, whatever chunks it is cut into."""
    spelled = sorted(((tokenizer.ids(name), name) for name in vectors), key=lambda pair: -len(pair[0]))
    found: list[Unit] = []
    for part in parts:
        if isinstance(part, Break):
            found.append(("BREAK", 1.0, 0))
        elif isinstance(part, Named):
            found += [(part.name, part.weight, vectors[part.name])] if part.name in vectors else []
        else:
            ids = tokenizer.ids(part.text)
            while ids:
                name = next((name for spelling, name in spelled if ids[: len(spelling)] == spelling), None)
                found.append((ids[0], part.weight, 1) if name is None else (name, part.weight, vectors[name]))
                ids = ids[1 if name is None else len(tokenizer.ids(name)) :]
    return found


def units_of(chunk: Chunk) -> list[Unit]:
    """What stands in a chunk; a placeholder that belongs to no learned word is an exclamation mark, whose id it has."""
    at = {placed.offset: placed for placed in chunk.placements}
    found: list[Unit] = []
    position = 0
    while position < len(chunk.ids):
        placed = at.get(position)
        count = placed.vectors if placed else 1
        (weight,) = set(chunk.weights[position : position + count])
        found.append((placed.name if placed else chunk.ids[position], weight, count))
        assert placed is None or chunk.ids[position : position + count] == (PLACEHOLDER,) * count
        position += count
    return found


@settings(max_examples=150, deadline=None)
@given(PARTS, st.lists(st.integers(1, CHUNK_TOKENS), min_size=len(NAMES), max_size=len(NAMES)))
def test_any_prompt_is_cut_into_chunks_without_loss_and_only_where_it_has_to_be(
    tokenizer: PromptTokenizer, parts: list[Part], counts: list[int]
) -> None:
    vectors = dict(zip(NAMES, counts, strict=True))
    words = WordIndex.of(vectors, tokenizer)
    named = {name: Word(name, (), count) for name, count in vectors.items()}
    chunks = chunk_prompt(parts, tokenizer, words.with_named(named))
    wanted = units(tokenizer, parts, vectors)

    # Nothing is lost, added, split or out of order, and every weight stays with its token.
    assert [unit for chunk in chunks for unit in units_of(chunk)] == [unit for unit in wanted if unit[2]]
    assert all(len(chunk.ids) <= CHUNK_TOKENS for chunk in chunks)
    assert all(len(tokenizer.with_special_tokens(chunk.ids, CHUNK_TOKENS + 2)) == CHUNK_TOKENS + 2 for chunk in chunks)
    # A BREAK ends a chunk, an empty one too; at the end of a prompt it begins no other, as in A1111.
    places = [unit[2] for unit in wanted]
    assert len(chunks) >= max(1, places.count(0) + (not places or places[-1] > 0))

    # A chunk ends before its places are used up for one of three reasons.
    ahead = iter(wanted)
    for chunk in chunks[:-1]:
        for _ in units_of(chunk):
            while next(ahead)[2] == 0:
                pass
        rest = list(ahead)
        ahead = iter(rest)
        room = CHUNK_TOKENS - len(chunk.ids)
        if room and rest and rest[0][2] <= room and rest[0][2]:
            assert chunk.ids[-1] == tokenizer.comma
            assert room <= COMMA_PADDING_BACKTRACK
