"""The options of how a word learns, and the rates that follow from them."""

import math

import pytest
import torch
from pydantic import ValidationError

from ti_studio.training.config.optimizer import read_arguments
from ti_studio.training.config.request import TrainRequest
from ti_studio.training.optim.lr_schedule import StepLearningRate
from ti_studio.training.optim.scheduler_classes import BadScheduler


def request(**changes: object) -> TrainRequest:
    return TrainRequest(**{"name": "word", "dataset_directory": "x", **changes})  # type: ignore[arg-type]


def rates(*steps: int, **changes: object) -> list[float]:
    rate = StepLearningRate.of(request(learning_rate="1", max_steps=10, **changes))
    return [rate.rate(step) for step in steps]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"optimizer": "adam w"}, "There is no optimizer 'adam w'; expected adamw, adamw8bit"),
        ({"optimizer": "os;x.y"}, "There is no optimizer"),
        ({"optimizer_args": ["betas"]}, "'betas' is no name=value pair"),
        ({"optimizer_args": ["eps=open('x')"]}, "is no Python literal"),
        ({"prior_weight": 0.1}, "prior_weight is for parametrization direction"),
        ({"parametrization": "direction", "norm_limit": 1.0}, "norm_limit has no meaning"),
        ({"min_timestep": 500, "max_timestep": 500}, "min_timestep 500 is not below max_timestep 500"),
        ({"adaptive_noise_scale": 0.1}, "need noise_offset"),
        ({"noise_offset_random_strength": True}, "need noise_offset"),
        ({"ip_noise_gamma_random_strength": True}, "needs ip_noise_gamma"),
        ({"timestep_bias": 1.0}, "timestep_bias is of timestep_distribution logit_normal"),
        ({"keep_best": True}, "need validation_every"),
        ({"patience": 3}, "need validation_every"),
        (
            {"patience": 2, "validation_every": 10, "early_stopping": "variance"},
            "variance of the last patience validations; found 2, expected at least 3",
        ),
        ({"optimizer": "schedulefree", "ema_decay": 0.9}, "schedulefree averages the rows by itself"),
        ({"lr_scheduler": "cosine", "learning_rate": "1:5, 0.1"}, "has steps of its own; expected one rate"),
        ({"lr_scheduler": "sine"}, "There is no scheduler 'sine'; expected schedule, constant, linear"),
        ({"lr_scheduler": "cosine", "lr_scheduler_args": ["T_max=3"]}, "cosine has options of its own"),
        ({"lr_scheduler_args": ["T_max"]}, "'T_max' is no name=value pair"),
        ({"parametrization": "direction", "norm_pull": 0.1}, "norm_pull has no meaning"),
        ({"optimizer": "schedulefree", "norm_pull": 0.1}, "schedulefree averages the rows by itself"),
    ],
)
def test_options_that_do_not_go_together_are_refused_with_the_reason(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        request(**wrong)

    assert message in str(refused.value)


def test_arguments_are_python_literals() -> None:
    texts = ("betas=(0.9, 0.99)", "eps = 1e-6", "amsgrad=True", "mode='max'")

    assert read_arguments(texts) == {"betas": (0.9, 0.99), "eps": 1e-6, "amsgrad": True, "mode": "max"}


def test_the_pages_lines_are_arguments() -> None:
    assert request(optimizer_args="eps=1e-6\n\nbetas=(0.9, 0.99)").optimizer_args == ("eps=1e-6", "betas=(0.9, 0.99)")


def test_a1111s_schedule_is_the_default() -> None:
    rate = StepLearningRate.of(request(learning_rate="0.5:3, 0.1"))

    assert [rate.rate(step) for step in (1, 3, 4, 999)] == [0.5, 0.5, 0.1, 0.1]


def test_the_rate_rises_over_the_warm_up_and_no_step_is_wasted() -> None:
    for scheduler in ("schedule", "constant_with_warmup", "linear"):
        assert rates(1, 2, 3, 4, lr_scheduler=scheduler, lr_warmup_steps=3) == [0.25, 0.5, 0.75, 1.0]


def test_each_scheduler_bends_the_rate_its_own_way() -> None:
    assert rates(1, 6, 10, lr_scheduler="constant") == [1, 1, 1]
    assert rates(1, 6, 10, lr_scheduler="linear") == pytest.approx([1, 0.5, 0.1])
    assert rates(1, 6, 10, lr_scheduler="polynomial", lr_power=2) == pytest.approx([1, 0.25, 0.01])
    assert rates(1, 6, lr_scheduler="cosine") == pytest.approx([1, 0.5])
    assert rates(1, 5, 6, 10, lr_scheduler="cosine_with_restarts", lr_num_cycles=2) == pytest.approx(
        [1, 0.0955, 1, 0.0955], abs=1e-3
    )


def test_the_rates_agree_with_torchs_own_cosine() -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=10)
    expected = []
    for _ in range(10):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        theirs.step()

    assert rates(*range(1, 11), lr_scheduler="cosine") == pytest.approx(expected)


def test_the_schedulers_of_other_trainers_follow_their_formulas() -> None:
    """transformers' `get_inverse_sqrt_schedule`, `…_with_min_lr_…` and `get_wsd_schedule`; OneTrainer's REX."""
    assert rates(1, 4, 10, lr_scheduler="inverse_sqrt", lr_timescale=3) == pytest.approx([1, 2**-0.5, 0.5])
    assert rates(5, lr_scheduler="inverse_sqrt", lr_warmup_steps=3) == pytest.approx([(3 / 4) ** 0.5])
    assert rates(1, 6, 10, lr_scheduler="cosine_with_min_lr", lr_min_ratio=0.2) == pytest.approx(
        [1, 0.6, 0.2 + 0.8 * 0.5 * (1 + math.cos(0.9 * math.pi))]
    )
    stable = {"lr_scheduler": "warmup_stable_decay", "lr_warmup_steps": 1, "lr_decay_steps": 4, "lr_min_ratio": 0.1}
    assert rates(1, 2, 7, 9, **stable) == pytest.approx([0.5, 1, 1, 0.55])
    assert rates(1, 6, lr_scheduler="rex") == pytest.approx([1, 2 / 3])


def test_a_scheduler_may_be_any_class_and_its_rates_follow_from_the_step_alone() -> None:
    chosen = {"lr_scheduler": "torch.optim.lr_scheduler.StepLR", "lr_scheduler_args": ["step_size=2", "gamma=0.5"]}

    assert rates(1, 2, 3, 4, 5, **chosen) == [1, 1, 0.5, 0.5, 0.25]
    assert rates(5, 1, 3, **chosen) == [0.25, 1, 0.5]
    assert rates(1, 2, 3, 4, 5, lr_warmup_steps=1, **chosen) == [0.5, 1, 1, 0.5, 0.5]
    cycle = {
        "lr_scheduler": "torch.optim.lr_scheduler.OneCycleLR",
        "lr_scheduler_args": ["max_lr=2.0", "total_steps=10", "pct_start=0.5"],
    }
    assert rates(1, 5, **cycle) == pytest.approx([2 / 25, 2])


@pytest.mark.parametrize(
    ("path", "arguments", "message"),
    [
        ("torch.optim.lr_scheduler.Step", [], "has no Step"),
        ("nothing.at_all.StepLR", [], "can't be imported: No module named 'nothing'"),
        ("torch.optim.lr_scheduler.StepLR", ["size=2"], r"does not take \{'size': 2\}"),
        ("torch.optim.lr_scheduler.ReduceLROnPlateau", [], "has no rate for step 2: .*metrics"),
        ("torch.optim.SGD", [], "is a type; expected a subclass of torch's LRScheduler"),
        ("os.system", [], "is a builtin_function_or_method; expected a subclass"),
    ],
)
def test_what_is_no_usable_scheduler_is_refused(path: str, arguments: list[str], message: str) -> None:
    with pytest.raises(BadScheduler, match=message):
        rates(2, lr_scheduler=path, lr_scheduler_args=arguments)
