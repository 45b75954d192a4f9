"""Matrix products with frozen weights."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ti_studio.models.cpu import onednn_linear
from ti_studio.models.cpu.onednn_linear import linear, product, stacked_products

LINEAR = "mkldnn::_linear_pointwise"


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def distance(found: Tensor, expected: Tensor) -> float:
    return float((found.double() - expected.double()).norm() / expected.double().norm())


def asked_of_pytorch(compute: Callable[[], object]) -> set[str]:
    """Returns the names of the operators that ran."""
    with torch.profiler.profile() as seen:
        compute()
    return {event.name for event in seen.events()}


@pytest.fixture(params=["oneDNN's", "without oneDNN"])
def by_onednn(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Lets small products be as large ones, where PyTorch was built with oneDNN and where it was not."""
    monkeypatch.setattr(onednn_linear, "_FEWEST", 0)
    if request.param == "without oneDNN":
        monkeypatch.setattr(onednn_linear, "_onednn", lambda: None)
    return bool(request.param == "oneDNN's")


@pytest.mark.parametrize("bias", [None, numbers(6, seed=2)], ids=["without bias", "with bias"])
def test_a_linear_layer_is_pytorchs_there_and_back_and_keeps_nothing(by_onednn: bool, bias: Tensor | None) -> None:
    rows, weight, gradient = numbers(2, 5, 8), numbers(6, 8, seed=1), numbers(2, 5, 6, seed=3)
    expected = rows.clone().requires_grad_()
    plain = F.linear(expected, weight, bias)
    plain.backward(gradient)
    leaf = rows.clone().requires_grad_()
    kept: list[Tensor] = []

    with torch.autograd.graph.saved_tensors_hooks(kept.append, lambda nothing: nothing):  # type: ignore[func-returns-value]
        found = linear(leaf, weight, bias)
    asked = asked_of_pytorch(lambda: found.backward(gradient))

    assert not kept
    assert (LINEAR in asked) == by_onednn
    assert distance(found.detach(), plain.detach()) < 1e-6
    assert leaf.grad is not None and expected.grad is not None
    assert distance(leaf.grad, expected.grad) < 1e-6


def test_a_stack_of_products_is_that_of_each(by_onednn: bool) -> None:
    stack, weights = numbers(9, 5, 8), numbers(9, 6, 8, seed=1)

    found = stacked_products(stack, weights)

    assert distance(found, torch.stack([rows @ weight.t() for rows, weight in zip(stack, weights, strict=True)])) < 1e-6
    assert distance(product(stack[0], weights[0]), found[0]) < 1e-6


def test_small_products_are_pytorchs_own_to_the_last_bit() -> None:
    rows, weight, bias = numbers(77, 64), numbers(64, 64, seed=1), numbers(64, seed=2)

    assert torch.equal(linear(rows, weight, bias), F.linear(rows, weight, bias))
    assert LINEAR not in asked_of_pytorch(lambda: linear(rows, weight, bias))


def test_products_in_bfloat16_are_pytorchs_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onednn_linear, "_FEWEST", 0)
    rows, weight = numbers(16, 8).bfloat16(), numbers(6, 8, seed=1).bfloat16()

    assert LINEAR not in asked_of_pytorch(lambda: linear(rows, weight))
    assert torch.equal(product(rows, weight), F.linear(rows, weight))


def test_the_pinned_pytorch_has_onednns_product() -> None:
    """A later one that does not would be slower by a tenth, and nothing else would tell."""
    if torch.backends.mkldnn.is_available():
        assert onednn_linear._onednn() is not None
