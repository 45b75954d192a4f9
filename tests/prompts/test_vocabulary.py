"""Learned rows beside the vocabulary."""

import pytest
import torch

from ti_studio.models.loading import Model
from ti_studio.prompts.vocabulary import compare_with_vocabulary


def test_a_row_is_nearest_to_the_word_that_it_points_at(tiny_model: Model) -> None:
    encoder = tiny_model.encoders[0]
    table = encoder.token_embedding.weight
    tree, red = (table[encoder.tokenizer.ids(word)[0]].detach() for word in ("tree", "red"))

    whole, mixed = compare_with_vocabulary(encoder, torch.stack([tree * 3, tree + 0.1 * red]), 2)

    assert whole.nearest[0].word == "tree"
    assert whole.nearest[0].cosine == pytest.approx(1, abs=1e-5)
    assert whole.relative_norm == pytest.approx(3 * float(tree.norm() / table[:-2].norm(dim=-1).mean()), rel=1e-4)
    assert mixed.nearest[0].word == "tree"
    assert mixed.nearest[1].cosine < mixed.nearest[0].cosine < 1


def test_a_row_of_zeros_is_near_to_nothing(tiny_model: Model) -> None:
    (row,) = compare_with_vocabulary(tiny_model.encoders[0], torch.zeros(1, 16), 3)

    assert row.norm == 0
    assert all(neighbour.cosine == 0 for neighbour in row.nearest)
