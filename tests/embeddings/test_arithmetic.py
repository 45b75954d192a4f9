"""Embeddings made of others."""

import pytest
import torch
from torch import Tensor

from ti_studio.embeddings.arithmetic import averaged, between, concatenated, of_two_files
from ti_studio.embeddings.embedding import Embedding, EmbeddingError


def word(name: str, rows: Tensor, encoder: str = "clip_l") -> Embedding:
    return Embedding(name, {encoder: rows})


A, B = word("a", torch.tensor([[1.0, 0.0], [0.0, 2.0]])), word("b", torch.tensor([[0.0, 1.0]]))


def test_concatenated_words_stand_one_after_the_other() -> None:
    both = concatenated("both", [A, B])

    assert both.vectors["clip_l"].tolist() == [[1, 0], [0, 2], [0, 1]]
    assert both.metadata["ti_studio.made_by"] == "concatenation of a, b"


def test_an_average_weighs_row_by_row_and_a_missing_row_gives_its_weight_to_the_others() -> None:
    assert averaged("mix", [A, B], [0.75, 0.25]).vectors["clip_l"].tolist() == [[0.75, 0.25], [0, 2]]


def test_weights_of_one_and_minus_one_subtract() -> None:
    assert averaged("less", [word("a", A.vectors["clip_l"][:1]), B], [1, -1]).vectors["clip_l"].tolist() == [[1, -1]]


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_slerp_begins_at_one_word_and_ends_at_the_other(share: float) -> None:
    one, other = (word(name, torch.randn(3, 16)) for name in "ab")

    reached = between("c", one, other, share).vectors["clip_l"]

    assert torch.allclose(reached, (one, other)[int(share)].vectors["clip_l"], atol=1e-6)


def test_slerp_stays_on_the_arc_and_between_the_norms() -> None:
    one, other = word("a", torch.tensor([[2.0, 0.0]])), word("b", torch.tensor([[0.0, 4.0]]))

    (row,) = between("c", one, other, 0.5).vectors["clip_l"]

    assert torch.allclose(row, torch.tensor([3.0, 3.0]) / 2**0.5)


def test_slerp_of_parallel_rows_is_the_straight_line() -> None:
    one, other = word("a", torch.tensor([[1.0, 0.0]])), word("b", torch.tensor([[3.0, 0.0]]))

    assert between("c", one, other, 0.25).vectors["clip_l"].tolist() == [[1.5, 0]]


@pytest.mark.parametrize(("share", "expected"), [(0.25, 1.75), (0.5, -1.5), (0.75, -1.25)])
def test_opposite_rows_do_not_vanish_halfway(share: float, expected: float) -> None:
    one, other = (Embedding(name, {"clip_l": torch.tensor([[size, 0.0]])}) for name, size in (("a", 2.0), ("b", -1.0)))
    assert between("c", one, other, share).vectors["clip_l"].tolist() == [[pytest.approx(expected), 0]]


def test_the_two_files_of_diffusers_become_one_sdxl_embedding() -> None:
    both = of_two_files("c", word("b", torch.ones(2, 10), "clip_g"), word("a", torch.zeros(2, 8)))

    assert list(both.vectors) == ["clip_l", "clip_g"]
    assert both.family == "SDXL"


def test_words_that_do_not_go_together_are_refused_with_what_they_are() -> None:
    other = word("h", torch.ones(1, 4), "clip_h")

    with pytest.raises(EmbeddingError, match=r"a is of SD 1 \(clip_l 2\) and h of SD 2 \(clip_h 4\)"):
        concatenated("c", [A, other])
    with pytest.raises(EmbeddingError, match="2 vectors and b 1"):
        between("c", A, B, 0.5)
    with pytest.raises(EmbeddingError, match="1 weights for 2"):
        averaged("c", [A, B], [1])
    with pytest.raises(EmbeddingError, match="expected one file of clip_l and one of clip_g"):
        of_two_files("c", A, B)
