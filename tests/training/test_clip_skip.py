"""The layer of the text encoder that a word is trained for, and what else a request says of the checkpoint."""

from pathlib import Path

import pytest
import torch

from tests.training.test_run import prepared, request, rows_of, run
from ti_studio.embeddings.formats.files import read_embedding
from ti_studio.generation.pipeline import Txt2ImgPipeline
from ti_studio.jobs.previews import paint_previews
from ti_studio.models.checkpoint.checkpoints import CheckpointInfo
from ti_studio.models.hardware import Hardware
from ti_studio.models.loading import Model, load
from ti_studio.training import events
from ti_studio.training.loop import forward_backward
from ti_studio.training.loss.denoising import NoiseSchedule
from ti_studio.training.optim.trainable_embedding import TrainableEmbedding
from ti_studio.training.output.initialization import initial_embedding
from ti_studio.training.preparation import RunPaths
from ti_studio.training.validation import batch_loss, validation_loss

CPU = torch.device("cpu")


def test_the_gradient_is_of_the_layer_that_is_asked_for(tiny_model: Model, place: RunPaths) -> None:
    wanted = request(clip_skip=2)
    training_batches = prepared(wanted, tiny_model, place)
    trainable = TrainableEmbedding(initial_embedding("zzzz1234", tiny_model.encoders, "tree", 2), CPU, wanted)
    forward_backward(tiny_model, training_batches, trainable, 1)
    rows = {"clip_l": trainable.initial["clip_l"].clone().requires_grad_(True)}
    other = {"clip_l": trainable.initial["clip_l"].clone().requires_grad_(True)}

    batch_loss(tiny_model, training_batches.batch(1, 0), {"zzzz1234": rows}, clip_skip=2).backward()
    batch_loss(tiny_model, training_batches.batch(1, 0), {"zzzz1234": other}).backward()

    found, expected, last_layers = trainable.rows["clip_l"].grad, rows["clip_l"].grad, other["clip_l"].grad
    assert found is not None and expected is not None and last_layers is not None
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-8)
    assert not torch.allclose(found, last_layers, rtol=1e-2)
    last = prepared(request(), tiny_model, place)
    assert validation_loss(tiny_model, training_batches, rows) != validation_loss(tiny_model, last, rows)


def test_a_word_says_which_layer_it_was_trained_for(tiny_model: Model, place: RunPaths) -> None:
    run(request(clip_skip=2, max_steps=1), tiny_model, place)
    trained = rows_of(place)

    metadata = read_embedding(place.embeddings / "zzzz1234.safetensors").metadata
    assert metadata["modelspec.encoder_layer"] == "2"
    assert '"clip_skip":2' in metadata["ti_studio.request"]
    assert trained.isfinite().all()


def test_previews_are_painted_with_the_layer_of_the_training(tiny_model: Model, tmp_path: Path) -> None:
    pipeline = Txt2ImgPipeline(tiny_model)
    word = initial_embedding("zzzz1234", tiny_model.encoders, "tree", 2)

    def preview(skip: int) -> bytes:
        wanted = request(clip_skip=skip, preview_prompts=["a [name]"], preview_count=1, width=32, height=32)
        folder = tmp_path / str(skip)
        folder.mkdir()
        list(paint_previews(pipeline, wanted, folder, [word]))
        return next((folder / "previews").iterdir()).read_bytes()

    assert preview(1) != preview(2)


def test_a_family_with_a_layer_of_its_own_says_that_clip_skip_is_not_used(tiny_sdxl: Model, place: RunPaths) -> None:
    told = run(request(clip_skip=2, max_steps=1), tiny_sdxl, place)

    assert any(isinstance(event, events.Warned) and event.text.startswith("Clip skip 2 is not used") for event in told)
    metadata = read_embedding(place.embeddings / "zzzz1234.safetensors").metadata
    assert "modelspec.encoder_layer" not in metadata


@pytest.mark.parametrize(("said", "velocity"), [("auto", False), ("epsilon", False), ("v_prediction", True)])
def test_a_request_may_say_what_the_checkpoint_predicts(
    tiny_checkpoint: CheckpointInfo, said: str, velocity: bool
) -> None:
    model = load(tiny_checkpoint.predicting(said), Hardware.automatic())

    assert NoiseSchedule(model.scheduler_config, CPU).predicts_velocity is velocity
    assert (model.info.prediction_type == "v_prediction") is velocity
