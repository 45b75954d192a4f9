"""A1111's learning-rate schedules."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ti_studio.training.config.learning_rate import BadSchedule, LearningRateSchedule


def rates(text: str, *steps: int) -> list[float]:
    schedule = LearningRateSchedule.parse(text)
    return [schedule.rate(step) for step in steps]


def test_a_single_rate_holds_throughout() -> None:
    assert rates("0.005", 1, 1000, 100_000) == [0.005] * 3


def test_each_rate_holds_up_to_its_step_and_the_last_to_the_end() -> None:
    assert rates("0.005:100, 1e-3:1000, 1e-5", 1, 100, 101, 1000, 1001, 9999) == [5e-3, 5e-3, 1e-3, 1e-3, 1e-5, 1e-5]


def test_a_last_rate_with_a_step_holds_to_the_end_and_does_not_end_the_training() -> None:
    assert rates("0.005:100, 1e-3:1000", 1001, 5000) == [1e-3, 1e-3]


def test_step_minus_one_means_the_end() -> None:
    assert rates("0.005:100, 1e-3:-1", 5000) == [1e-3]


def test_blanks_and_empty_pairs_do_not_count() -> None:
    assert rates(" ,0.005 : 10 ,, 1e-3 ,", 10, 11) == [5e-3, 1e-3]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        (" , ", "is empty"),
        ("abc", "at character 1: 'abc' is not a number"),
        ("0.005:100, nan", "at character 12: the rate is nan; expected a number above 0, and 100 at most"),
        ("inf", "the rate is inf"),
        ("101", "the rate is 101"),
        ("-0.1", "the rate is -0.1"),
        ("0:10, 1", "the rate is 0"),
        ("0.005:100:7, 1e-4", "at character 1: '0.005:100:7' has 2 colons"),
        ("0.1:2.5", "'2.5' is not a whole number of steps"),
        ("0.1:0", "step 0 is before the first step"),
        ("0.01:200, 0.1:100", "at character 11: step 100 does not come after step 200"),
        ("0.01:200, 0.1:200", "step 200 does not come after step 200"),
        ("0.1:" + "9" * 400 + ", 0.1:5", "is later than any training goes; expected 1,000,000,000 at most"),
        ("0.1:" + "9" * 5000, "is not a whole number"),
        ("0.01, 0.1:100", "the rate 0.01 before it already holds to the end"),
    ],
)
def test_a_schedule_that_cannot_be_followed_is_refused_at_its_place(text: str, message: str) -> None:
    with pytest.raises(BadSchedule) as refused:
        LearningRateSchedule.parse(text)

    assert message in str(refused.value)


@given(st.text(alphabet="0123456789.e-:, nai", max_size=30))
def test_every_text_is_a_schedule_of_usable_rates_or_refused(text: str) -> None:
    try:
        schedule = LearningRateSchedule.parse(text)
    except BadSchedule:
        return

    assert all(math.isfinite(schedule.rate(step)) and schedule.rate(step) > 0 for step in (1, 10, 10**6))
