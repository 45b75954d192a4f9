"""Trainings with the optimizers of packages that are not required; each is skipped where its package is missing."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.training.test_run import request, rows_of, run
from ti_studio.models.loading import Model
from ti_studio.training import events
from ti_studio.training.preparation import RunPaths

OPTIMIZERS = {
    "prodigyopt": {"optimizer": "prodigy", "learning_rate": "1", "optimizer_args": ("d_coef=10",)},
    "dadaptation": {"optimizer": "dadapt", "learning_rate": "1", "optimizer_args": ("d0=1e-3",)},
    "schedulefree": {"optimizer": "schedulefree", "learning_rate": "0.05"},
    "bitsandbytes": {"optimizer": "adamw8bit", "learning_rate": "0.05"},
}


@pytest.mark.parametrize("package", OPTIMIZERS)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_word_is_learned_and_a_stop_changes_nothing(
    tiny_model: Model, place: RunPaths, tmp_path: Path, package: str
) -> None:
    pytest.importorskip(package)
    wanted = request(**OPTIMIZERS[package], overwrite=True, max_steps=8, validation_every=8)
    jobs = [replace(place, job=tmp_path / name) for name in ("whole", "parts")]
    for job in jobs:
        job.job.mkdir()
    losses = [event.loss for event in run(wanted, tiny_model, jobs[0]) if isinstance(event, events.Validated)]
    whole = rows_of(place)

    run(wanted, tiny_model, jobs[1], stop_after=5)
    run(wanted, tiny_model, jobs[1])

    assert losses[-1] < losses[0]
    assert torch.equal(rows_of(place), whole)
