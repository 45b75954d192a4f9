"""The benchmark of learning: what it reads off curves, and a tiny run of the whole."""

import runpy
import sys
from pathlib import Path

import pytest

from ti_studio.models.checkpoint.checkpoints import find_checkpoint
from ti_studio.training.config.preset_kinds import Preset
from tools.learning import comparison, curves
from tools.learning.comparison import NO_TRAINING, PLAIN, Outcome, Pair, Task, pairs_of, read_outcomes, report, verdict
from tools.learning.curves import COARSE, Curve, Point


def falling(losses: list[float]) -> Curve:
    return Curve([Point((place + 1) * COARSE, float(place), loss) for place, loss in enumerate(losses)])


def test_a_curve_that_still_falls_is_not_flat_and_one_that_only_trembles_is() -> None:
    assert not falling([0.1 * 0.99**place for place in range(12)]).is_flat
    assert falling([0.1, 0.08, 0.07, 0.065, 0.06, 0.0601, 0.0599, 0.06, 0.0601, 0.0599, *[0.06] * 8]).is_flat
    assert not falling([0.06] * 11).is_flat  # too short to tell


def test_the_level_is_the_mean_of_the_last_coarse_points_alone() -> None:
    curve = falling([0.09, 0.08, 0.02, 0.04, 0.03, 0.02, 0.04, 0.03])
    curve.points.append(Point(8 * COARSE + 10, 8.0, 1.0))
    assert curve.level == pytest.approx(0.03)


def test_the_first_point_within_a_loss_counts_even_if_the_curve_rises_again() -> None:
    curve = falling([0.09, 0.05, 0.07, 0.04])
    assert curve.first_within(0.05) == curve.points[1]
    assert curve.first_within(0.01) is None


def outcome(recipe: str, reached: int, loss: float = 0.05, obeyed: float = 0.5) -> Outcome:
    """A training whose loss is low from one step on."""
    curve = Curve([Point(step, step / 10, loss if step >= reached else 0.08) for step in range(5, 400, 5)])
    task = Task(recipe, "trizebra", reached, 4, 3000)
    return Outcome(task, curve, Point(395, 40.0, loss), {"small": obeyed, "at night": obeyed}, 0.7)


def pair(plain: int, preset: int, loss: float = 0.049) -> Pair:
    return Pair(outcome(PLAIN, plain), outcome("object", preset, loss, 0.9))


def test_the_verdict_tells_medians_and_counts_a_training_that_never_gets_there_as_the_slowest() -> None:
    told = verdict([pair(100, 30), pair(100, 40, loss=0.06), pair(200, 50)])
    assert "plain 100, object 50; object over plain 0.30 (seconds 0.30). Never reached by object: 1." in told
    assert "plain 50 %, object 90 %" in told
    assert "object over plain inf" in verdict([pair(100, 30, 0.06), pair(100, 30, 0.06), pair(200, 50)])


def test_within_one_percent_of_the_plain_level_is_reached() -> None:
    assert pair(100, 30, loss=0.0504).reached(outcome("object", 30, 0.0504)) is not None
    assert pair(100, 30, loss=0.0506).reached(outcome("object", 30, 0.0506)) is None


def test_only_words_and_seeds_that_both_recipes_taught_are_compared() -> None:
    both = [outcome(PLAIN, 100), outcome("object", 100), outcome(NO_TRAINING, 100)]
    assert pairs_of([*both, outcome(PLAIN, 200), outcome("quick", 200)], "object") == [Pair(both[0], both[1])]
    assert report([outcome(PLAIN, 200)], "object") == ""


def test_outcomes_come_back_from_the_file_as_they_were_written(tmp_path: Path) -> None:
    file = tmp_path / "outcomes.jsonl"
    assert read_outcomes(file) == []
    file.write_text(f"{outcome(PLAIN, 100).to_json()}\n{outcome('object', 30).to_json()}\n", encoding="utf-8")
    assert read_outcomes(file) == [outcome(PLAIN, 100), outcome("object", 30)]


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of a diffusers scheduler
def test_a_tiny_run_measures_each_training_once_and_goes_on_where_it_was(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = find_checkpoint(root / "models" / "Stable-diffusion", "demo").path
    results = tmp_path / "outputs" / "outcomes.jsonl"
    monkeypatch.setattr(comparison, "TIMESTEPS", 1)
    monkeypatch.setattr(comparison, "DEMANDS", comparison.DEMANDS[:1])
    monkeypatch.setattr(curves, "FINE", 1)
    two = {"quick": Preset("Two steps.", "Of the test.", {"max_steps": 2, "learning_rate": "0.02"})}
    monkeypatch.setattr(comparison, "presets_for", lambda _info: two)
    monkeypatch.setattr(sys, "path", list(sys.path))
    script = runpy.run_path(str(root / "tools" / "benchmark_learning.py"))
    monkeypatch.setitem(script["main"].__globals__, "ProcessPoolExecutor", InThisProcess)
    arguments = ["--concepts", "trizebra", "--training-seeds", "1", "--seeds", "1", "--steps", "3", "--preset", "quick"]
    arguments += ["--results", str(results), "--ckpt", str(checkpoint)]
    assert script["main"]([*arguments, "--recipes", "plain"]) == 0
    assert script["main"](arguments) == 0
    found = {outcome.task.recipe: outcome for outcome in read_outcomes(results)}
    plain, quick, text = found[PLAIN], found["quick"], found[NO_TRAINING]
    assert [point.step for point in plain.curve.points] == [1, 2, 3]
    assert [point.step for point in quick.curve.points] == [1, 2]
    assert (plain.end.step, quick.end.step, text.end.step) == (3, 2, 0)
    assert quick.end.loss == pytest.approx(quick.curve.points[-1].loss)
    assert "| trizebra |" in capsys.readouterr().out
    monkeypatch.setitem(script["main"].__globals__, "measure_task", None)
    assert script["main"](arguments) == 0
    assert "| trizebra |" in capsys.readouterr().out


class InThisProcess:
    """A pool that is none."""

    def __init__(self, *_arguments: object, **_options: object) -> None:
        pass

    def __enter__(self) -> "InThisProcess":
        return self

    def __exit__(self, *_error: object) -> None:
        pass

    def submit(self, work, *arguments):
        from concurrent.futures import Future  # noqa: PLC0415

        future: Future = Future()
        future.set_result(work(*arguments))
        return future
