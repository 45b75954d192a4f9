"""What the steps of a training draw."""

from pathlib import Path

import pytest
import torch

from ti_studio.models.loading import Model
from ti_studio.training.batches import TrainingBatches, prepare_batches
from ti_studio.training.config.request import TrainRequest
from ti_studio.training.data.captions import PromptTemplate, find_template
from ti_studio.training.data.dataset import scan_folders
from ti_studio.training.data.latents import cache_latents
from ti_studio.training.data.prompts import PromptReader, tokenize_prompts

SIZE = (32, 32)


@pytest.fixture
def training_batches(tiny_model: Model, pictures: Path, tmp_path: Path) -> TrainingBatches:
    request = TrainRequest(name="zzzz1234", dataset_directory="x", batch_size=4, flip=True)
    latents, dataset = cache_latents(tiny_model, scan_folders(request.dataset_folders(str(pictures)), SIZE))
    template = PromptTemplate.read(find_template(tmp_path, request.template))
    prompts = tokenize_prompts(dataset, template, PromptReader.of(request.name, 2, tiny_model.encoders[0].tokenizer))
    return prepare_batches(request, tiny_model, latents, prompts)


def test_a_batch_depends_on_the_seed_and_the_step_alone(training_batches: TrainingBatches) -> None:
    once, again, next_one = training_batches.batch(7, 0), training_batches.batch(7, 0), training_batches.batch(8, 0)

    assert torch.equal(once.pictures.noisy, again.pictures.noisy)
    assert once.prompts == again.prompts
    assert not torch.equal(once.pictures.noisy, next_one.pictures.noisy)


def test_the_template_line_is_drawn_anew_each_time(training_batches: TrainingBatches) -> None:
    drawn = {prompt for step in range(1, 30) for prompt in training_batches.batch(step, 0).prompts}

    assert len(drawn) > 10


def test_the_timesteps_of_a_batch_are_spread_over_the_schedule(training_batches: TrainingBatches) -> None:
    for step in range(1, 10):
        timesteps = sorted(training_batches.batch(step, 0).pictures.timesteps.tolist())

        assert [timestep // 250 for timestep in timesteps] == [0, 1, 2, 3]
