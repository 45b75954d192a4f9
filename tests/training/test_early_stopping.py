"""Validations, the best rows, and finishing early."""

import statistics
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.training.test_run import prepared, request, rows_of, run
from ti_studio.embeddings.formats.files import read_embedding
from ti_studio.models.loading import Model
from ti_studio.training import events
from ti_studio.training.early_stopping import EarlyStopping
from ti_studio.training.output.initialization import initial_rows
from ti_studio.training.preparation import RunPaths
from ti_studio.training.state import BadState, TrainingState
from ti_studio.training.validation import batch_loss, validation_loss

ROWS = {"clip_l": torch.zeros(2, 4)}
WORSE = {"learning_rate": "0.05", "optimizer_args": ["maximize=True"]}
"""Climbs the loss, so that the first validation is the best."""
TIRING: dict[str, object] = {**WORSE, "validation_every": 2, "patience": 3}
FLAT: dict[str, object] = {
    "learning_rate": "0.05:3, 1e-9",
    "validation_every": 1,
    "patience": 4,
    "early_stopping": "variance",
}
"""Learns for three steps and hardly any more."""


def validated(told: list[events.Event]) -> list[events.Validated]:
    return [event for event in told if isinstance(event, events.Validated)]


def test_every_validation_looks_at_the_same(tiny_model: Model, place: RunPaths) -> None:
    training_batches = prepared(request(validation_every=2, validation_count=3, batch_size=4), tiny_model, place)

    once, again = list(training_batches.validation_batches()), list(training_batches.validation_batches())

    assert [len(batch.prompts) for batch in once] == [4, 4, 1]
    for batch, other in zip(once, again, strict=True):
        assert torch.equal(batch.pictures.noisy, other.pictures.noisy)
        assert batch.prompts == other.prompts
    timesteps = torch.cat([batch.pictures.timesteps for batch in once]).sort().values
    assert [int(timestep) * 9 // 1000 for timestep in timesteps] == list(range(9))


def test_the_validation_loss_is_the_mean_over_everything_validated(tiny_model: Model, place: RunPaths) -> None:
    training_batches = prepared(request(validation_every=2, validation_count=3, batch_size=4), tiny_model, place)
    rows = {"clip_l": initial_rows(tiny_model.encoders[0], "tree", 2)}

    with torch.no_grad():
        losses = [
            batch_loss(tiny_model, batch, {"zzzz1234": rows}).item() * len(batch.prompts)
            for batch in training_batches.validation_batches()
        ]

    assert validation_loss(tiny_model, training_batches, rows) == pytest.approx(sum(losses) / 9, rel=1e-5)


def test_validations_are_made_before_the_first_step_at_their_steps_and_at_the_last(
    tiny_model: Model, place: RunPaths
) -> None:
    told = run(request(validation_every=4, max_steps=6), tiny_model, place)

    made = validated(told)
    assert [event.step for event in made] == [0, 4, 6]
    assert made[2].best == min(made[1].loss, made[2].loss)
    assert made[2].best_step in (4, 6)
    written = rows_of(place).norm(dim=-1).tolist()
    assert made[2].vector_norms["clip_l"] == pytest.approx(written)


def test_validating_changes_nothing_of_what_is_learned(tiny_model: Model, place: RunPaths, tmp_path: Path) -> None:
    run(request(), tiny_model, place)
    plain = rows_of(place)
    other = replace(place, job=tmp_path / "other", embeddings=tmp_path / "others")
    other.job.mkdir()
    other.embeddings.mkdir()

    run(request(validation_every=1), tiny_model, other)

    assert torch.equal(rows_of(other), plain)


def test_the_best_rows_are_kept_and_published_if_asked(
    tiny_model: Model, place: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = iter([1.0, 0.9, 0.5, 0.7, 0.6, 0.8, 0.9])
    monkeypatch.setattr("ti_studio.training.callbacks.validation_loss", lambda *_: next(losses))

    told = run(request(validation_every=1, keep_best=True), tiny_model, place)

    made = validated(told)[1:]
    best = min(made, key=lambda event: event.loss)
    kept = read_embedding(place.job / "snapshots" / "zzzz1234-best.safetensors")
    published = read_embedding(place.embeddings / "zzzz1234.safetensors")
    assert best.step == 2
    assert (kept.step, published.step, made[-1].best_step) == (best.step,) * 3
    assert torch.equal(kept.vectors["clip_l"], published.vectors["clip_l"])
    assert published.vectors["clip_l"].norm(dim=-1).tolist() == pytest.approx(best.vector_norms["clip_l"])
    assert told[-1] == events.Finished(6, str(place.embeddings / "zzzz1234.safetensors"))


def test_a_training_without_improvement_finishes_early_and_says_so(tiny_model: Model, place: RunPaths) -> None:
    wanted = request(learning_rate="1e-9", validation_every=1, patience=2, max_steps=50, save_every=100)

    told = run(wanted, tiny_model, place)

    assert [event.step for event in validated(told)] == [0, 1, 2]
    assert any(isinstance(e, events.Saved) and e.path.endswith("-000002.safetensors") for e in told)
    early = (
        "Finished early at step 2: the last 2 validations brought no improvement by 0.5%. The best was at step "
        f"{validated(told)[-1].best_step}. 48 of 50 steps were saved."
    )
    assert told[-1] == events.Finished(2, str(place.embeddings / "zzzz1234.safetensors"), early)


def test_a_training_whose_loss_hardly_varies_any_more_finishes_early(tiny_model: Model, place: RunPaths) -> None:
    wanted = request(**FLAT, max_steps=30)

    told = run(wanted, tiny_model, place)

    losses = [event.loss for event in validated(told)]
    shares = [
        statistics.pvariance(losses[: count + 1][-4:]) / statistics.pvariance(losses[: count + 1])
        for count in range(4, len(losses))
    ]
    assert [share < 0.15 for share in shares] == [False] * (len(shares) - 1) + [True]
    assert "the loss of the last 4 validations varies by" in told[-1].early  # type: ignore[attr-defined]
    assert told[-1].early.endswith(f"{30 - len(losses) + 1} of 30 steps were saved.")  # type: ignore[attr-defined]


def test_a_training_that_was_killed_when_it_was_over_goes_no_further(tiny_model: Model, place: RunPaths) -> None:
    wanted = request(learning_rate="1e-9", validation_every=1, patience=2, max_steps=50, overwrite=True)
    whole = run(wanted, tiny_model, place)

    again = run(wanted, tiny_model, place)

    assert not any(isinstance(event, events.Step) for event in again)
    assert again[-1] == whole[-1]


@pytest.mark.parametrize("stopped_after", [1, 2, 5])
@pytest.mark.parametrize("options", [TIRING, FLAT], ids=["improvement", "variance"])
def test_stopping_and_resuming_keeps_the_best_and_the_patience(
    tiny_model: Model, place: RunPaths, tmp_path: Path, options: dict[str, object], stopped_after: int
) -> None:
    wanted = request(**options, keep_best=True, max_steps=12, overwrite=True)
    whole = run(wanted, tiny_model, place)
    uninterrupted = (place.embeddings / "zzzz1234.safetensors").read_bytes()
    other = replace(place, job=tmp_path / "other")
    other.job.mkdir()

    told = run(wanted, tiny_model, other, stop_after=stopped_after) + run(wanted, tiny_model, other)

    assert 6 <= whole[-1].step < 12  # type: ignore[attr-defined]
    assert validated(told) == validated(whole)
    assert told[-1] == whole[-1]
    assert (place.embeddings / "zzzz1234.safetensors").read_bytes() == uninterrupted


def test_less_than_half_a_percent_is_no_improvement() -> None:
    early_stopping = EarlyStopping(ROWS)
    early_stopping.begin(1.0)

    for step, loss in enumerate((0.999, 0.997, 0.996, 0.99, 1.2), 1):
        early_stopping.record(step, loss, ROWS)
        assert early_stopping.since_improvement == [1, 2, 3, 0, 1][step - 1]
    assert (early_stopping.best_step, early_stopping.best_loss) == (4, 0.99)


def test_a_state_without_validations_is_refused() -> None:
    with pytest.raises(BadState, match="validations can't be read"):
        EarlyStopping(ROWS).restore(TrainingState({}, {}))
