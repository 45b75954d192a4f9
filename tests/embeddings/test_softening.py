"""Words brought part of the way back to what their class means."""

import pytest
import torch

from ti_studio.embeddings.embedding import Embedding, EmbeddingError, IncompatibleEmbedding
from ti_studio.embeddings.softening import METHODS, Softening, softened


def embedding(name: str, seed: int, count: int = 3, **widths: int) -> Embedding:
    drawn = torch.Generator().manual_seed(seed)
    vectors = {key: torch.randn(count, width, generator=drawn) * (seed + 1) for key, width in widths.items()}
    return Embedding(name, vectors, 7, {"note": "mine"})


def angles(one: torch.Tensor, other: torch.Tensor) -> list[float]:
    return torch.nn.functional.cosine_similarity(one, other, dim=-1).clamp(-1, 1).acos().tolist()


WORD, CLASS = (embedding(name, seed, clip_l=16, clip_g=24) for name, seed in (("my-cat", 1), ("cat", 2)))


@pytest.mark.parametrize("method", METHODS)
def test_no_strength_leaves_every_bit_as_it_was(method: str) -> None:
    soft = softened("soft", WORD, CLASS, Softening(0, 0, method))  # type: ignore[arg-type]
    assert all(torch.equal(soft.vectors[key], rows) for key, rows in WORD.vectors.items())
    assert (soft.name, soft.step, soft.metadata["note"]) == ("soft", 7, "mine")
    assert "of my-cat towards cat" in soft.metadata["ti_studio.made_by"]
    again = softened("softer", soft, CLASS, Softening())
    assert again.metadata["ti_studio.made_by"].endswith(f"; before: {soft.metadata['ti_studio.made_by']}")


def test_the_whole_strength_is_the_class_word_itself() -> None:
    soft = softened("soft", WORD, CLASS, Softening(1, 1))
    for key, rows in CLASS.vectors.items():
        torch.testing.assert_close(soft.vectors[key], rows, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("key", ["clip_l", "clip_g"])
def test_more_strength_is_nearer_to_the_class_word(method: str, key: str) -> None:
    before: list[float] = [10.0] * 3
    for strength in (0, 0.25, 0.5, 0.75, 1):
        soft = softened("soft", WORD, CLASS, Softening(0, strength, method))  # type: ignore[arg-type]
        now = angles(soft.vectors[key], CLASS.vectors[key])
        assert all(a < b for a, b in zip(now, before, strict=True))
        torch.testing.assert_close(soft.vectors[key].norm(dim=-1), WORD.vectors[key].norm(dim=-1))
        before = now


def test_the_norm_goes_by_itself() -> None:
    soft = softened("soft", WORD, CLASS, Softening(0.5, 0))
    for key, rows in WORD.vectors.items():
        halfway = (rows.norm(dim=-1) + CLASS.vectors[key].norm(dim=-1)) / 2
        torch.testing.assert_close(soft.vectors[key].norm(dim=-1), halfway)
        assert max(angles(soft.vectors[key], rows)) < 1e-3


def test_the_drift_is_taken_back_where_the_rows_drifts_mostly_lie_and_nowhere_else() -> None:
    main, small = torch.zeros(8), torch.zeros(8)
    main[0], small[1] = 10.0, 0.1
    class_rows = torch.ones(2, 8)
    word = Embedding("w", {"clip_l": class_rows + torch.stack([main, main + small])})
    soft = softened("s", word, Embedding("c", {"clip_l": class_rows}), Softening(0, 1, "subspace")).vectors["clip_l"]
    drawn_back = soft / soft.norm(dim=-1, keepdim=True) * (8**0.5)
    assert abs(float(drawn_back[1, 0] - 1)) < 0.05
    assert float(drawn_back[1, 1]) > 1.03


@pytest.mark.parametrize("method", METHODS)
def test_rows_of_zeros_and_opposite_rows_stay_finite(method: str) -> None:
    rows = torch.stack([torch.zeros(8), torch.ones(8), torch.ones(8)])
    class_word = Embedding("cat", {"clip_l": torch.stack([torch.ones(8), -torch.ones(8), torch.zeros(8)])})
    for strength in (0.25, 0.5, 1):
        soft = softened("s", Embedding("w", {"clip_l": rows}), class_word, Softening(strength, strength, method))  # type: ignore[arg-type]
        assert torch.isfinite(soft.vectors["clip_l"]).all()


@pytest.mark.parametrize("method", METHODS)
def test_halfway_to_the_opposite_row_a_row_keeps_its_length(method: str) -> None:
    word, class_word = (
        Embedding(name, {"clip_l": torch.full((1, 8), size)}) for name, size in (("w", 2.0), ("c", -1.0))
    )
    soft = softened("s", word, class_word, Softening(0, 2 / 3 if method == "subspace" else 0.5, method))  # type: ignore[arg-type]
    torch.testing.assert_close(soft.vectors["clip_l"].norm(), word.vectors["clip_l"].norm())


@pytest.mark.parametrize("method", METHODS)
def test_a_row_whose_square_is_too_large_for_float32_is_softened_like_any_other(method: str) -> None:
    word, class_word = (
        Embedding(name, {"clip_l": torch.full((1, 8), size)}) for name, size in (("w", 3e38), ("c", 1.0))
    )
    soft = softened("s", word, class_word, Softening(0.5, 0.5, method)).vectors["clip_l"]  # type: ignore[arg-type]
    assert soft.dtype == torch.float32
    torch.testing.assert_close(soft, torch.full((1, 8), 1.5e38))


def test_what_does_not_go_together_is_refused() -> None:
    with pytest.raises(IncompatibleEmbedding, match="expected the same"):
        softened("s", WORD, embedding("cat", 2, clip_l=16), Softening())
    with pytest.raises(IncompatibleEmbedding, match="expected the same"):
        softened("s", WORD, embedding("cat", 2, 2, clip_l=16, clip_g=24), Softening())
    with pytest.raises(EmbeddingError, match=r"share of the norm is 1\.5; expected 0 to 1"):
        softened("s", WORD, CLASS, Softening(1.5))
    broken = Embedding("b", {key: torch.full_like(rows, float("nan")) for key, rows in WORD.vectors.items()})
    with pytest.raises(EmbeddingError, match="not finite"):
        softened("s", broken, CLASS, Softening())
