"""Whole trainings of each family."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.checkpoints import TINY, write_tiny_checkpoint
from ti_studio.embeddings.embedding import Embedding
from ti_studio.embeddings.formats.files import read_embedding
from ti_studio.models.checkpoint.checkpoints import CheckpointInfo, identify
from ti_studio.models.hardware import Hardware
from ti_studio.models.loading import Model, load
from ti_studio.training import events
from ti_studio.training.config.request import TrainRequest
from ti_studio.training.data.captions import find_template
from ti_studio.training.loss.denoising import NoiseSchedule
from ti_studio.training.output.initialization import initial_embedding
from ti_studio.training.preparation import RunPaths
from ti_studio.training.run import train

KEYS = {"SD 1": {"emb_params"}, "SD 2": {"emb_params"}, "SDXL": {"clip_l", "clip_g"}}


@pytest.fixture
def place(tmp_path: Path, pictures: Path) -> RunPaths:
    (tmp_path / "job").mkdir()
    (tmp_path / "embeddings").mkdir()
    template = find_template(tmp_path, "subject_filewords.txt")
    return RunPaths(tmp_path / "job", tmp_path / "embeddings", pictures, template, created=1_700_000_000.0)


def request(**changes: object) -> TrainRequest:
    settings = {
        "name": "zzzz1234",
        "initialization_text": "red tree",
        "dataset_directory": "pictures",
        "batch_size": 2,
        "max_steps": 3,
        "save_every": 0,
        "preview_every": 0,
    }
    return TrainRequest(**{**settings, **changes})  # type: ignore[arg-type]


def no_preview(_words: Sequence[Embedding]) -> Iterator[events.Previewed]:
    return iter(())


def run(wanted: TrainRequest, model: Model, place: RunPaths) -> list[events.Event]:
    return list(train(wanted, model, place, no_preview, lambda: False))


@pytest.mark.parametrize("name", TINY)
def test_every_encoders_rows_are_learned_and_written_as_the_family_writes_them(
    tiny_families: dict[str, CheckpointInfo], place: RunPaths, name: str
) -> None:
    model = load(tiny_families[name], Hardware.automatic())
    start = initial_embedding("zzzz1234", model.encoders, "red tree", 2)

    run(request(), model, place)

    path = place.embeddings / "zzzz1234.safetensors"
    learned = read_embedding(path)
    assert load_file(path).keys() == KEYS[name]
    assert learned.family in (name, "SD 1")  # a 16 wide emb_params is no width that a reader could know SD 2 by
    for rows, first in zip(learned.vectors.values(), start.vectors.values(), strict=True):
        assert rows.shape == first.shape
        assert torch.all((rows - first).abs().amax(dim=1) > 0.005)


def test_sdxl_resumes_with_the_rows_of_both_encoders(tiny_sdxl: Model, place: RunPaths) -> None:
    run(request(max_steps=6), tiny_sdxl, place)
    whole = read_embedding(place.embeddings / "zzzz1234.safetensors").vectors
    place.state.unlink()
    run(request(max_steps=3, overwrite=True), tiny_sdxl, place)
    run(request(max_steps=6, overwrite=True), tiny_sdxl, place)

    resumed = read_embedding(place.embeddings / "zzzz1234.safetensors").vectors
    assert all(torch.equal(whole[key], resumed[key]) for key in ("clip_l", "clip_g"))


def test_a_v_prediction_sd2_trains_towards_the_velocity(tmp_path: Path, place: RunPaths) -> None:
    checkpoint = write_tiny_checkpoint(tmp_path / "v", family="SD 2", prediction_type="v_prediction")
    model = load(identify(checkpoint), Hardware.automatic())
    latents, noise, timesteps = torch.randn(1, 4, 8, 8), torch.randn(1, 4, 8, 8), torch.tensor([400])
    schedule = NoiseSchedule(model.scheduler_config, model.hardware.device)

    told = run(request(), model, place)

    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    kept = (1 - betas).cumprod(0)[400]
    velocity = kept.sqrt() * noise - (1 - kept).sqrt() * latents
    assert torch.allclose(schedule.add_noise(latents, noise, timesteps).target, velocity, atol=1e-4)
    assert isinstance(told[-1], events.Finished)
    written = read_embedding(place.embeddings / "zzzz1234.safetensors")
    assert written.metadata["modelspec.prediction_type"] == "v"
    assert written.metadata["ti_studio.family"] == "SD 2"
