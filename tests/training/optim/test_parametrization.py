"""What the optimizer moves."""

import pytest
import torch

from ti_studio.embeddings.embedding import Embedding
from ti_studio.models.loading import Model
from ti_studio.training.config.regularization import LearningOptions
from ti_studio.training.optim.grad_scaler import GradScaler
from ti_studio.training.optim.parametrization import NoDirection, vocabulary_norms
from ti_studio.training.optim.trainable_embedding import TrainableEmbedding

CPU = torch.device("cpu")


def trainable(
    rows: torch.Tensor, scale: GradScaler | None = None, norm: float = 0.5, **options: object
) -> TrainableEmbedding:
    word = Embedding("word", {"clip_l": rows})
    return TrainableEmbedding(word, CPU, LearningOptions(**options), {"clip_l": norm}, scale)  # type: ignore[arg-type]


def step(taught: TrainableEmbedding, gradient: torch.Tensor, rate: float = 0.1) -> None:
    """Makes a step with this gradient of the rows."""
    (taught.rows["clip_l"] * gradient).sum().backward()
    taught.update(rate)


def test_directions_stay_on_the_sphere_at_the_vocabularys_norm() -> None:
    taught = trainable(torch.randn(2, 8), parametrization="direction")

    for _ in range(5):
        step(taught, torch.randn(2, 8))

    assert torch.allclose(taught.rows["clip_l"].norm(dim=-1), torch.full((2,), 0.5))
    assert torch.equal(taught.embedding().vectors["clip_l"], taught.rows["clip_l"])


def test_a_gradient_that_only_lengthens_the_row_moves_no_direction() -> None:
    taught = trainable(torch.tensor([[0.0, 1.0, 0.0]]), parametrization="direction", optimizer="torch.optim.SGD")

    step(taught, torch.tensor([[0.0, -3.0, 0.0]]))

    assert torch.allclose(taught.rows["clip_l"], torch.tensor([[0.0, 0.5, 0.0]]))


def test_riemannian_descent_turns_a_direction_by_the_rate() -> None:
    taught = trainable(torch.tensor([[0.0, 1.0, 0.0]]), parametrization="direction", optimizer="rsgd", norm=1.0)

    step(taught, torch.tensor([[-7.0, 2.0, 0.0]]), rate=0.1)

    assert torch.allclose(taught.rows["clip_l"], torch.tensor([[0.1, 1.0, 0.0]]) / 1.01**0.5)


def test_the_prior_turns_a_direction_back_towards_the_initial_one() -> None:
    def after(prior_weight: float) -> float:
        taught = trainable(
            torch.tensor([[0.0, 1.0]]),
            parametrization="direction",
            optimizer="torch.optim.SGD",
            prior_weight=prior_weight,
        )
        for _ in range(200):
            step(taught, torch.tensor([[-1.0, 0.0]]))
        return taught.rows["clip_l"].detach()[0, 1].item()

    assert after(0.0) == pytest.approx(0.0, abs=1e-2)
    # Where the pull of the gradient, 0.5 long, and of the prior balance: at atan(0.5 / 1) from the initial direction.
    assert after(1.0) == pytest.approx(0.5 * 2 / 5**0.5, abs=1e-3)


def test_directions_need_an_initialization_text() -> None:
    with pytest.raises(NoDirection, match="initialization text is empty"):
        trainable(torch.zeros(2, 8), parametrization="direction")


def test_rows_grow_up_to_their_limit_and_shorter_ones_are_left_alone() -> None:
    taught = trainable(torch.tensor([[0.7, 0.0], [0.1, 0.0]]), norm=0.5, norm_limit=1.5, optimizer="torch.optim.SGD")

    step(taught, torch.tensor([[-1.0, 0.0], [-1.0, 0.0]]))

    assert torch.allclose(taught.rows["clip_l"], torch.tensor([[0.75, 0.0], [0.2, 0.0]]))


def test_rows_are_drawn_back_towards_the_vocabularys_norm() -> None:
    rows, still = torch.tensor([[0.8, 0.0], [0.0, 0.2]]), torch.zeros(2, 2)

    gently = trainable(rows, norm=0.4, norm_pull=0.5, optimizer="torch.optim.SGD")
    step(gently, still)
    wholly = trainable(rows, norm=0.4, norm_pull=1.0, norm_limit=0.5, optimizer="torch.optim.SGD")
    step(wholly, still)
    nothing = trainable(torch.zeros(1, 2), norm=0.4, norm_pull=0.1, optimizer="torch.optim.SGD")
    step(nothing, still[:1])

    assert torch.allclose(gently.rows["clip_l"], torch.tensor([[0.8 / 2**0.5, 0.0], [0.0, 0.2 * 2**0.5]]))
    assert torch.allclose(wholly.rows["clip_l"], torch.tensor([[0.2, 0.0], [0.0, 0.2]]))
    assert nothing.rows["clip_l"].tolist() == [[0.0, 0.0]]


SCALES = pytest.mark.parametrize("precision", [torch.float32, torch.float16], ids=["plain", "scaled"])
"""In float16 the loss and so the gradient is 65536 times as large; clipping must see what it really is."""


@SCALES
def test_a_large_coordinate_of_the_gradient_counts_up_to_its_limit(precision: torch.dtype) -> None:
    taught = trainable(torch.zeros(1, 2), GradScaler(precision), max_grad_value=2.0, optimizer="torch.optim.SGD")

    step(taught, torch.tensor([[-30.0, -1.0]]) * taught.grad_scaler.factor)

    assert torch.allclose(taught.rows["clip_l"], torch.tensor([[0.2, 0.1]]))


@SCALES
def test_a_long_gradient_is_scaled_down_to_the_limit(precision: torch.dtype) -> None:
    taught = trainable(torch.zeros(1, 2), GradScaler(precision), max_grad_norm=1.0, optimizer="torch.optim.SGD")

    step(taught, torch.tensor([[-30.0, -40.0]]) * taught.grad_scaler.factor)

    assert torch.allclose(taught.rows["clip_l"], torch.tensor([[0.06, 0.08]]))


def test_the_average_is_shown_and_the_rows_are_trained() -> None:
    taught = trainable(torch.zeros(1, 1), ema_decay=0.25, optimizer="torch.optim.SGD")

    step(taught, torch.tensor([[-1.0]]), rate=1.0)  # the row is 1; the young average keeps 2/11
    step(taught, torch.tensor([[-1.0]]), rate=1.0)  # the row is 2; it keeps 1/4

    assert taught.rows["clip_l"].item() == pytest.approx(2.0)
    assert taught.embedding().vectors["clip_l"].item() == pytest.approx(0.25 * 9 / 11 + 0.75 * 2)


def test_the_vocabularys_norm_is_the_mean_over_its_rows(tiny_model: Model) -> None:
    table = tiny_model.encoders[0].token_embedding.weight.float()

    assert vocabulary_norms(tiny_model.encoders) == {"clip_l": pytest.approx(table.norm(dim=1).mean().item())}
