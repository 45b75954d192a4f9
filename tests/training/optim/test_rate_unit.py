"""A rate that is a share of the vocabulary's norm means the same for every optimizer and encoder."""

import pytest
import torch
from pydantic import ValidationError

from ti_studio.embeddings.embedding import Embedding
from ti_studio.training.config.regularization import LearningOptions
from ti_studio.training.optim.trainable_embedding import TrainableEmbedding

CPU = torch.device("cpu")
NORMS = {"clip_l": 0.4, "clip_g": 1.5}


def trainable(**options: object) -> TrainableEmbedding:
    rows = {"clip_l": torch.randn(2, 768), "clip_g": torch.randn(2, 1280)}
    made = LearningOptions(learning_rate_unit="vocabulary", **options)  # type: ignore[arg-type]
    return TrainableEmbedding(Embedding("word", rows), CPU, made, NORMS)


def moved(taught: TrainableEmbedding, rate: float) -> dict[str, float]:
    """Makes a step and returns how far the rows moved, in shares of the norms."""
    before = {encoder: rows.detach().clone() for encoder, rows in taught.rows.items()}
    sum((rows * torch.randn_like(rows)).sum() for rows in taught.rows.values()).backward()  # type: ignore[union-attr]
    taught.update(rate)
    return {e: float((rows.detach() - before[e]).norm(dim=-1).mean()) / NORMS[e] for e, rows in taught.rows.items()}


@pytest.mark.parametrize("optimizer", ["adamw", "lion", "adafactor", "rsgd", "natural"])
def test_a_first_step_moves_the_rows_of_every_encoder_by_the_share_that_is_given(optimizer: str) -> None:
    torch.manual_seed(0)
    assert moved(trainable(optimizer=optimizer), 0.1) == pytest.approx({"clip_l": 0.1, "clip_g": 0.1}, rel=0.02)


@pytest.mark.parametrize("optimizer", ["adamw", "rsgd"])
def test_directions_turn_by_the_share(optimizer: str) -> None:
    torch.manual_seed(0)
    taught = trainable(optimizer=optimizer, parametrization="direction")
    assert moved(taught, 0.05) == pytest.approx({"clip_l": 0.05, "clip_g": 0.05}, rel=0.1)


def test_the_share_goes_on_after_a_stop() -> None:
    torch.manual_seed(0)
    first = trainable(optimizer="adamw")
    moved(first, 0.1)
    second = trainable(optimizer="adamw")
    second.restore(first.state())
    for one in (first, second):
        torch.manual_seed(1)
        moved(one, 0.1)
    assert all(torch.equal(first.rows[encoder], second.rows[encoder]) for encoder in NORMS)


@pytest.mark.parametrize("optimizer", ["prodigy", "dadapt", "torch.optim.SGD"])
def test_a_share_of_steps_whose_length_nobody_knows_is_refused(optimizer: str) -> None:
    with pytest.raises(ValidationError, match="learning_rate_unit vocabulary goes with"):
        trainable(optimizer=optimizer)
