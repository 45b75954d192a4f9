"""Whole trainings in each precision, and with recomputed activations."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.training.test_loop import gradients, learner_for
from tests.training.test_run import no_preview, prepared, request, rows_of, run
from ti_studio.field_types import Precision
from ti_studio.generation.pipeline import Txt2ImgPipeline
from ti_studio.generation.request import GenerateRequest
from ti_studio.models.checkpoint.checkpoints import CheckpointInfo
from ti_studio.models.hardware import hardware_for
from ti_studio.models.loading import Model, load
from ti_studio.training import events
from ti_studio.training.loop import forward_backward
from ti_studio.training.preparation import RunPaths
from ti_studio.training.run import train
from ti_studio.training.state import TrainingState


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("family", ["SD 1", "SDXL"])
def test_every_family_learns_in_half_precision_much_as_in_full(
    tiny_families: dict[str, CheckpointInfo], place: RunPaths, precision: Precision, family: str
) -> None:
    info = tiny_families[family]
    full, half = (load(info, hardware_for(info, name)) for name in ("fp32", precision))
    wanted = request(precision=precision, max_steps=1)
    assert {part.dtype for part in (half.unet, half.encoders[0].model)} == {half.hardware.dtype}
    assert half.vae.dtype == torch.float32

    exact, found = learner_for(full, wanted), learner_for(half, wanted)
    for model, trainable in ((full, exact), (half, found)):
        forward_backward(model, prepared(wanted, full, place), trainable, 1)

    for encoder, gradient in gradients(found).items():
        expected = gradients(exact)[encoder]
        assert gradient.dtype == torch.float32
        assert torch.cosine_similarity(gradient.flatten(), expected.flatten(), dim=0) > 0.98


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_a_training_in_half_precision_stops_and_resumes_to_the_last_bit(
    tiny_checkpoint: CheckpointInfo, place: RunPaths, tmp_path: Path, precision: Precision
) -> None:
    model = load(tiny_checkpoint, hardware_for(tiny_checkpoint, precision))
    wanted = request(precision=precision)
    told = run(wanted, model, place)
    uninterrupted = rows_of(place)
    (place.embeddings / "zzzz1234.safetensors").unlink()
    other = replace(place, job=tmp_path / "other")
    other.job.mkdir()

    run(wanted, model, other, stop_after=2)
    state = TrainingState.read(other.state)
    run(wanted, model, other)

    assert [event.precision for event in told if isinstance(event, events.Started)] == [precision]
    assert torch.equal(rows_of(place), uninterrupted)
    assert state.notes["loss_scale"] == ("[65536.0, 2, 0]" if precision == "fp16" else "[1.0, 2, 0]")


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_pictures_are_painted_in_half_precision(
    tiny_checkpoint: CheckpointInfo, place: RunPaths, precision: Precision
) -> None:
    model = load(tiny_checkpoint, hardware_for(tiny_checkpoint, precision))
    wanted = request(precision=precision, max_steps=1, preview_every=1)
    shown = []

    def preview(words):  # type: ignore[no-untyped-def]
        shown.extend(Txt2ImgPipeline(model).preview(words, GenerateRequest(prompt=words[0].name, steps=2), [1]))
        return iter(())

    list(train(wanted, model, place, preview, lambda: False))

    assert len(shown) == 2 and len(set(shown[0].get_flattened_data())) > 1


def test_recomputed_activations_give_the_same_gradient_from_less_memory(tiny_model: Model, place: RunPaths) -> None:
    wanted = request(max_steps=1)
    training_batches = prepared(wanted, tiny_model, place)
    kept: dict[bool, int] = {}
    found = {}
    for on in (False, True):
        trainable = learner_for(tiny_model, wanted)
        saved: list[int] = []
        tiny_model.checkpoint_gradients(on)
        with torch.autograd.graph.saved_tensors_hooks(lambda t, s=saved: s.append(t.numel()) or t, lambda t: t):
            forward_backward(tiny_model, training_batches, trainable, 1)
        kept[on], found[on] = sum(saved), gradients(trainable)["clip_l"]
    tiny_model.checkpoint_gradients(False)

    assert torch.allclose(found[True], found[False], rtol=1e-5, atol=1e-9)
    assert kept[True] < kept[False]


def test_the_request_turns_recomputation_on_and_off_again(tiny_model: Model, place: RunPaths) -> None:
    for on in (True, False):
        list(train(request(gradient_checkpointing=on, overwrite=True), tiny_model, place, no_preview, lambda: False))
        assert tiny_model.unet.is_gradient_checkpointing is on
        place.state.unlink()
