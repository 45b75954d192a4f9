"""Optimizers by name, and their states."""

import sys
from pathlib import Path

import pytest
import torch

from ti_studio.training.config.optimizer import OptimizerOptions
from ti_studio.training.optim.factory import BadOptimizer, averaged_rows, make_optimizer
from ti_studio.training.optim.row_optimizers import Lion, NaturalRowSGD, RowSGD
from ti_studio.training.optim.state_dict import optimizer_state, restore_optimizer
from ti_studio.training.state import BadState, TrainingState


def options(optimizer: str, *arguments: str, **changes: float) -> OptimizerOptions:
    return OptimizerOptions(optimizer=optimizer, optimizer_args=arguments, **changes)  # type: ignore[arg-type]


def descend(optimizer: torch.optim.Optimizer, rows: torch.Tensor, steps: int = 3, rate: float = 0.01) -> None:
    """Minimises the squared distance from 1."""
    for _ in range(steps):
        rows.grad = 2 * (rows.detach() - 1)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()


class Averaging(torch.optim.SGD):
    """Shows other rows than it trains, as schedule-free optimizers do."""

    def eval(self) -> None:
        """Shows the average."""
        self._shift(0.1)

    def train(self) -> None:
        """Goes back to training."""
        self._shift(-0.1)

    @torch.no_grad()
    def _shift(self, by: float) -> None:
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.add_(by)


@pytest.mark.parametrize(
    ("name", "arguments", "steps"),
    [
        ("adamw", (), 3),
        ("adamw", ("betas=(0.8, 0.9)", "amsgrad=True"), 3),
        ("lion", (), 3),
        ("rsgd", (), 3),
        ("natural", ("damping=0.1",), 3),
        ("natural", (), 20),
        ("adafactor", (), 3),
        ("torch.optim.RMSprop", ("momentum=0.9",), 3),
        ("torch.optim.NAdam", (), 3),
        ("adamw", (), 0),
    ],
)
def test_an_optimizer_goes_on_from_its_state_to_the_last_bit(
    name: str, arguments: tuple[str, ...], steps: int, tmp_path: Path
) -> None:
    rows = torch.randn(2, 8, generator=torch.Generator().manual_seed(0)).requires_grad_(True)
    begun = rows.detach().clone()
    optimizer, _ = make_optimizer(options(name, *arguments), [rows])
    descend(optimizer, rows, steps)
    resumed_rows = rows.detach().clone().requires_grad_(True)
    optimizer_state(optimizer).write(tmp_path / "state.safetensors")
    resumed, _ = make_optimizer(options(name, *arguments), [resumed_rows])
    restore_optimizer(resumed, TrainingState.read(tmp_path / "state.safetensors"))

    descend(optimizer, rows)
    descend(resumed, resumed_rows)

    assert torch.equal(rows, resumed_rows)
    assert not torch.equal(rows, begun)


class Noting(torch.optim.SGD):
    """Notes something in its group at the first step, as Prodigy does, and keeps tensors in a dictionary, as
    bitsandbytes' optimizers do."""

    def step(self, closure: object = None) -> None:  # type: ignore[override]
        """Moves the rows by what has been noted."""
        for group in self.param_groups:
            group["moved"] = group.get("moved", 0.0) + 0.1
            for parameter in group["params"]:
                seen = self.state[parameter].setdefault("seen", {"sum": torch.zeros_like(parameter)})
                seen["sum"] += parameter.grad * group["moved"]
                parameter.data.sub_(seen["sum"], alpha=group["lr"])


def test_what_an_optimizer_notes_at_its_steps_is_kept() -> None:
    rows = torch.full((2, 8), 3.0, requires_grad=True)
    optimizer = Noting([rows], lr=0.1)
    descend(optimizer, rows)
    resumed_rows = rows.detach().clone().requires_grad_(True)
    resumed = Noting([resumed_rows], lr=0.1)
    restore_optimizer(resumed, optimizer_state(optimizer))

    descend(optimizer, rows)
    descend(resumed, resumed_rows)

    assert torch.equal(rows, resumed_rows)


def test_a_state_of_another_optimizer_or_shape_is_refused() -> None:
    rows = torch.ones(2, 8, requires_grad=True)
    optimizer, _ = make_optimizer(options("adamw"), [rows])
    descend(optimizer, rows)
    state = optimizer_state(optimizer)

    with pytest.raises(BadState, match="not of a Lion"):
        restore_optimizer(make_optimizer(options("lion"), [rows])[0], state)
    with pytest.raises(BadState, match=r"moments of \[2, 8\]; expected \[3, 8\]"):
        restore_optimizer(make_optimizer(options("adamw"), [torch.ones(3, 8, requires_grad=True)])[0], state)


@pytest.mark.parametrize(
    ("name", "package"), [("prodigy", "prodigyopt"), ("dadapt", "dadaptation"), ("schedulefree", "schedulefree")]
)
def test_a_missing_package_is_named_as_pip_names_it(name: str, package: str) -> None:
    try:
        __import__(package)
    except ImportError:
        with pytest.raises(BadOptimizer, match=f"pip install {package}$"):
            make_optimizer(options(name), [torch.ones(2, 8, requires_grad=True)])
    else:
        pytest.skip(f"{package} is installed")


def test_without_bitsandbytes_adamw_takes_its_place_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("bitsandbytes", "bitsandbytes.optim"):
        monkeypatch.setitem(sys.modules, module, None)

    optimizer, warnings = make_optimizer(options("adamw8bit"), [torch.ones(2, 8, requires_grad=True)])

    assert type(optimizer) is torch.optim.AdamW
    assert "bitsandbytes is not installed" in warnings[0]


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("torch.optim.Missing", (), "torch.optim has no Missing"),
        ("nothing.of.the.kind", (), "pip install nothing"),
        ("pathlib.Path", (), "expected a subclass of torch.optim.Optimizer"),
        ("os.getcwd", (), "is a builtin_function_or_method; expected a subclass"),
        ("torch.optim.LBFGS", (), "wants to evaluate the loss several times a step"),
        ("adamw", ("depth=3",), "The optimizer adamw does not take .*depth"),
        ("adamw", ("betas=(2, 0.9)",), "does not take"),
    ],
)
def test_what_is_no_usable_optimizer_is_refused(name: str, arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(BadOptimizer, match=message):
        make_optimizer(options(name, *arguments), [torch.ones(2, 8, requires_grad=True)])


def test_weight_decay_is_off_unless_asked_for_and_refused_where_there_is_none() -> None:
    rows = torch.ones(2, 8, requires_grad=True)

    assert make_optimizer(options("adamw"), [rows])[0].param_groups[0]["weight_decay"] == 0
    assert make_optimizer(options("adamw", weight_decay=0.1), [rows])[0].param_groups[0]["weight_decay"] == 0.1
    with pytest.raises(BadOptimizer, match="has no weight decay"):
        make_optimizer(options("torch.optim.Rprop", weight_decay=0.1), [rows])


def test_lion_moves_every_coordinate_by_the_rate() -> None:
    rows = torch.tensor([[0.0, 5.0]], requires_grad=True)

    descend(Lion([rows]), rows, steps=1, rate=0.1)

    assert torch.allclose(rows, torch.tensor([[0.1, 4.9]]))


def test_row_sgd_moves_every_row_by_the_rate_and_leaves_one_without_gradient() -> None:
    rows = torch.tensor([[4.0, 5.0], [1.0, 1.0]], requires_grad=True)

    descend(RowSGD([rows]), rows, steps=1, rate=0.1)

    assert torch.allclose(rows, torch.tensor([[3.94, 4.92], [1.0, 1.0]]))


def test_a_natural_step_is_as_long_as_the_rate_and_solves_what_it_says() -> None:
    generator = torch.Generator().manual_seed(0)
    rows = torch.zeros(2, 5, requires_grad=True)
    optimizer = NaturalRowSGD([rows], lr=0.1, decay=0.8, damping=0.3)
    fisher = torch.zeros(5, 5)
    for _ in range(12):
        before, rows.grad = rows.detach().clone(), torch.randn(2, 5, generator=generator)
        fisher = 0.8 * fisher + rows.grad.T @ rows.grad
        optimizer.step()

    expected = rows.grad @ torch.linalg.inv(fisher + 0.3 * fisher.trace() * torch.eye(5))
    assert torch.allclose(before - rows, 0.1 * torch.nn.functional.normalize(expected, dim=-1), atol=1e-6)


def test_a_natural_step_goes_further_than_a_plain_one_where_gradients_agree_and_leaves_a_row_without_one() -> None:
    def moved(kind: type[torch.optim.Optimizer]) -> torch.Tensor:
        rows = torch.zeros(2, 3, requires_grad=True)
        optimizer = kind([rows], lr=0.01)  # type: ignore[call-arg]
        for step in range(30):
            rows.grad = torch.tensor([[10.0 * (-1) ** step, -1.0, 0.0], [0.0, 0.0, 0.0]])
            optimizer.step()
        return rows.detach()

    assert moved(NaturalRowSGD)[0, 1] > 3 * moved(RowSGD)[0, 1] > 0
    assert torch.equal(moved(NaturalRowSGD)[1], torch.zeros(3))


def test_no_gradient_at_all_moves_nothing_by_a_natural_step() -> None:
    rows = torch.ones(2, 4, requires_grad=True)
    rows.grad = torch.zeros(2, 4)

    NaturalRowSGD([rows], lr=0.1).step()

    assert torch.equal(rows, torch.ones(2, 4))


def test_averaged_rows_are_shown_and_the_trained_ones_stay_as_they_are_to_the_last_bit() -> None:
    rows = torch.rand(2, 8, generator=torch.Generator().manual_seed(0)).requires_grad_(True)
    before = rows.detach().clone()

    shown = averaged_rows(Averaging([rows], lr=0.1), [rows])

    assert torch.allclose(shown[0], before + 0.1)
    assert torch.equal(rows, before)
