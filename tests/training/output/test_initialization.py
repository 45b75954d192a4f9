"""Rows from an initialization text."""

import pytest
import torch

from ti_studio.models.loading import Model
from ti_studio.training.output.initialization import initial_rows


@pytest.mark.parametrize(
    ("text", "vectors", "words"),
    [
        ("tree", 1, ["tree"]),
        ("tree", 3, ["tree", "tree", "tree"]),
        ("red tree", 5, ["red", "red", "red", "tree", "tree"]),
        ("a red tree", 2, ["a", "red"]),
        ("*", 1, ["*"]),
    ],
)
def test_tokens_are_stretched_over_the_rows_as_a1111_does(
    tiny_model: Model, text: str, vectors: int, words: list[str]
) -> None:
    encoder = tiny_model.encoders[0]
    expected = torch.cat([encoder.token_embedding.weight[list(encoder.tokenizer.ids(word))] for word in words])

    assert torch.equal(initial_rows(encoder, text, vectors), expected.float())


def test_an_empty_text_gives_zeros(tiny_model: Model) -> None:
    assert torch.equal(initial_rows(tiny_model.encoders[0], " ", 2), torch.zeros(2, 16))


def test_75_rows_can_be_had_of_one_word(tiny_model: Model) -> None:
    assert initial_rows(tiny_model.encoders[0], "tree", 75).shape == (75, 16)
