import pytest
import torch

from ti_studio.embeddings.embedding import Embedding, EmbeddingError


@pytest.mark.parametrize(
    ("shapes", "family"),
    [
        ({"clip_l": 768}, "SD 1"),
        ({"clip_l": 96}, "SD 1"),
        ({"clip_h": 1024}, "SD 2"),
        ({"clip_l": 768, "clip_g": 1280}, "SDXL"),
        ({"clip_g": 1280}, "unknown"),
    ],
)
def test_the_family_follows_from_the_text_encoders(shapes: dict[str, int], family: str) -> None:
    embedding = Embedding("cat", {encoder: torch.zeros(3, width) for encoder, width in shapes.items()})
    assert embedding.family == family
    assert embedding.vectors_per_token == 3
    assert embedding.widths == shapes


@pytest.mark.parametrize(
    "vectors",
    [
        {},
        {"clip_l": torch.zeros(768)},
        {"clip_l": torch.zeros(0, 768)},
        {"clip_l": torch.zeros(2, 768), "clip_g": torch.zeros(3, 1280)},
    ],
)
def test_rows_that_are_no_matrices_of_one_length_are_refused_with_their_shapes(
    vectors: dict[str, torch.Tensor],
) -> None:
    with pytest.raises(EmbeddingError, match=r"'cat' has rows of shape \{.*\}; expected \[n, width\]"):
        Embedding("cat", vectors)
