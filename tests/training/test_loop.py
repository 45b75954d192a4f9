"""The steps of a training: their gradients, what becomes of bad ones, and that nothing in them waits for the device."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tests.training.test_run import prepared, request
from ti_studio.embeddings.embedding import Embedding
from ti_studio.models.checkpoint.checkpoints import CheckpointInfo
from ti_studio.models.hardware import Hardware
from ti_studio.models.loading import Model, load
from ti_studio.prompts import conditioning
from ti_studio.prompts.conditioning import encode
from ti_studio.server_options import NO_CPU_KERNELS
from ti_studio.training import batches as batches_module
from ti_studio.training import penalties
from ti_studio.training.batches import Batch, TrainingBatches
from ti_studio.training.config.request import TrainRequest
from ti_studio.training.data import latents
from ti_studio.training.data.latents import LatentCache
from ti_studio.training.events import Step, Warned
from ti_studio.training.loop import Diverged, forward_backward, optimise
from ti_studio.training.loss.denoising import denoising_losses
from ti_studio.training.optim.grad_scaler import GradScaler
from ti_studio.training.optim.trainable_embedding import TrainableEmbedding
from ti_studio.training.output.initialization import initial_embedding
from ti_studio.training.penalties import context_penalty, distance_penalty
from ti_studio.training.preparation import RunPaths

KEPT = {"context_weight": 0.5, "init_weight": 0.1, "prompt_weight": 0.3}


def learner_for(model: Model, wanted: TrainRequest, grad_scaler: GradScaler | None = None) -> TrainableEmbedding:
    start = initial_embedding(wanted.name, model.encoders, "tree", wanted.vectors_per_token)
    norms = {encoder.key: 0.5 for encoder in model.encoders}
    return TrainableEmbedding(start, model.hardware.device, wanted, norms, grad_scaler)


def moved(trainable: TrainableEmbedding) -> TrainableEmbedding:
    """Moves the rows a little away from the initial ones, so that every penalty has a gradient."""
    with torch.no_grad():
        for rows in trainable.rows.values():
            rows.add_(0.1 * torch.randn(rows.shape, generator=torch.Generator().manual_seed(3)))
    return trainable


def gradients(trainable: TrainableEmbedding) -> dict[str, Tensor]:
    return {encoder: rows.grad for encoder, rows in trainable.rows.items() if rows.grad is not None}


@pytest.mark.parametrize("grad_scaler", [GradScaler(), GradScaler(torch.float16)], ids=["plain", "scaled"])
def test_the_gradient_is_that_of_one_batch_after_the_other_with_prompts_of_their_own(
    tiny_sdxl: Model, place: RunPaths, grad_scaler: GradScaler
) -> None:
    wanted = request(gradient_accumulation_steps=3, context_weight=0.5, init_weight=0.1)
    training_batches = prepared(wanted, tiny_sdxl, place)
    trainable = moved(learner_for(tiny_sdxl, wanted, grad_scaler))
    expected = moved(learner_for(tiny_sdxl, wanted))
    rows, initial = expected.rows, expected.initial
    for part in range(3):
        batch = training_batches.batch(1, part)
        told, before = (encode(tiny_sdxl.encoders, batch.prompts, {wanted.name: words}) for words in (rows, initial))
        loss = denoising_losses(tiny_sdxl, batch.pictures, told).mean()
        penalty = 0.5 * context_penalty(told.encoder_hidden_states, before.encoder_hidden_states, batch.prompts)
        ((loss + penalty + 0.1 * distance_penalty(rows, initial)) / 3).backward()  # type: ignore[no-untyped-call]

    forward_backward(tiny_sdxl, training_batches, trainable, 1)

    assert set(gradients(trainable)) == {"clip_l", "clip_g"}
    for encoder, found in gradients(trainable).items():
        wanted_gradient = gradients(expected)[encoder] * grad_scaler.factor
        assert (found - wanted_gradient).norm() < 1e-5 * wanted_gradient.norm()


def test_the_text_encoder_reads_every_prompt_once_a_step(
    tiny_model: Model, place: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = request(gradient_accumulation_steps=20, max_steps=1)
    training_batches = prepared(wanted, tiny_model, place)
    read: list[int] = []
    encode = conditioning._encode_chunks
    monkeypatch.setattr(conditioning, "_encode_chunks", lambda *a: read.append(len(a[1])) or encode(*a))

    list(optimise(tiny_model, training_batches, learner_for(tiny_model, wanted)))

    prompts = {prompt for part in range(20) for prompt in training_batches.batch(1, part).prompts}
    assert read == [len(prompts)] and len(prompts) < 40


@dataclass(frozen=True)
class Spoiled(TrainingBatches):
    """A lesson some steps of which hold numbers that are none."""

    spoil: Callable[[int], bool] = lambda step: False

    def batch(self, step: int, part: int) -> Batch:
        batch = super().batch(step, part)
        factor = float("nan") if self.spoil(step) else 1.0
        return replace(batch, pictures=replace(batch.pictures, target=batch.pictures.target * factor))


def spoiled(training_batches: TrainingBatches, spoil: Callable[[int], bool]) -> TrainingBatches:
    return Spoiled(
        training_batches.latents,
        training_batches.prompts,
        training_batches.sampler,
        training_batches.noise,
        training_batches.request,
        spoil=spoil,
    )


@pytest.mark.parametrize("options", [{"ema_decay": 0.9}, {"optimizer": "lion", "norm_limit": 1.0}])
def test_a_bad_step_is_left_out_and_everything_stays_as_it_was(
    tiny_model: Model, place: RunPaths, options: dict[str, object]
) -> None:
    wanted = request(max_steps=4, **options)
    trainable = learner_for(tiny_model, wanted)
    steps = optimise(tiny_model, spoiled(prepared(wanted, tiny_model, place), {1, 3}.__contains__), trainable)
    before = trainable.state()

    assert next(steps) == Warned("Step 1 was left out: its loss is nan.")
    assert same(trainable.state().tensors, before.tensors)
    assert isinstance(next(steps), Step)
    before = trainable.state()
    assert next(steps) == Warned("Step 3 was left out: its loss is nan.")
    assert same(trainable.state().tensors, before.tensors) and trainable.step == 3
    last = next(steps)
    assert isinstance(last, Step) and last.step == 4
    assert not same(trainable.state().tensors, before.tensors)


def same(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_bad_steps_in_a_row_end_the_training_and_single_ones_do_not(tiny_model: Model, place: RunPaths) -> None:
    wanted = request(max_steps=20)
    training_batches = prepared(wanted, tiny_model, place)
    now_and_then = spoiled(training_batches, lambda step: step % 5 > 0)
    at_the_end = spoiled(training_batches, lambda step: step > 10)

    told = list(optimise(tiny_model, now_and_then, learner_for(tiny_model, wanted)))
    assert len(told) == 20 and sum(isinstance(event, Step) for event in told) == 4
    with pytest.raises(Diverged, match="The loss is nan at step 15, the last of 5 in a row"):
        list(optimise(tiny_model, at_the_end, learner_for(tiny_model, wanted)))


def test_a_gradient_that_overflows_halves_the_loss_scale_until_it_fits(tiny_model: Model, place: RunPaths) -> None:
    wanted = request(max_steps=6)
    training_batches = prepared(wanted, tiny_model, place)
    scale = GradScaler(torch.float16)
    scale.factor = 2.0**130  # float32 overflows here as float16 does at 65504
    trainable = learner_for(tiny_model, wanted, scale)

    told = list(optimise(tiny_model, training_batches, trainable))

    dropped = [event for event in told if isinstance(event, Warned)]
    assert told[: len(dropped)] == dropped and 0 < len(dropped) < 6
    assert "its gradient overflowed at loss scale" in dropped[0].text
    assert scale.factor == 2.0 ** (130 - len(dropped))
    restored = learner_for(tiny_model, wanted, GradScaler(torch.float16))
    restored.restore(trainable.state())
    assert restored.grad_scaler.factor == scale.factor


def test_the_loss_scale_gives_up_only_when_it_has_no_smaller_factor() -> None:
    scale = GradScaler(torch.float16)
    for _ in range(16):
        scale.drop(loss_is_finite=True)
    assert scale.factor == 1 and not scale.gives_up
    for _ in range(4):
        scale.drop(loss_is_finite=True)
    assert not scale.gives_up
    scale.drop(loss_is_finite=True)
    assert scale.gives_up

    fresh = GradScaler(torch.float16)
    fresh.drop(loss_is_finite=False)
    assert fresh.factor == 2.0**16
    for _ in range(2000):
        fresh.accept()
    assert fresh.factor == 2.0**17
    plain = GradScaler()
    for _ in range(2000):
        plain.accept()
    assert plain.factor == 1


class OnDevice(TorchDispatchMode):
    """Takes some tensors, and all that is made of them, for a GPU's, and notes where the CPU has to wait for one."""

    WAITS = ("item", "tolist", "cpu", "numpy", "__bool__", "__int__", "__float__", "__index__", "nonzero")

    def __init__(self, tensors: list[Tensor]) -> None:
        super().__init__()
        self._kept: list[Tensor] = []
        self._ids: set[int] = set()
        self.waits: list[str] = []
        self.take(tensors)

    def take(self, found: Any) -> Any:
        for tensor in tree_leaves(found):
            if isinstance(tensor, Tensor):
                self._ids.add(tensor.untyped_storage()._cdata)
                self._kept.append(tensor)  # so that nothing else gets its place in memory
        return found

    def holds(self, found: Any) -> bool:
        return any(isinstance(t, Tensor) and t.untyped_storage()._cdata in self._ids for t in tree_leaves(found))

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        on_device = self.holds((args, kwargs or {}))
        if on_device and function.overloadpacket.__name__ in ("_local_scalar_dense", "nonzero", "masked_select"):
            self.waits.append(function.overloadpacket.__name__)
        result = function(*args, **(kwargs or {}))
        return self.take(result) if on_device else result

    def watch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Notes Tensor's own methods too, which on the CPU reach no dispatcher."""
        for name in ("tolist", "cpu", "numpy"):
            original = getattr(Tensor, name)

            def noted(tensor: Tensor, *args: Any, _name: str = name, _original: Any = original, **kwargs: Any) -> Any:
                if self.holds(tensor):
                    self.waits.append(_name)
                return _original(tensor, *args, **kwargs)

            monkeypatch.setattr(Tensor, name, noted)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"gradient_accumulation_steps": 2, "max_grad_norm": 0.1, "ema_decay": 0.9, "min_snr_gamma": 5.0, **KEPT},
        {"parametrization": "direction", "optimizer": "rsgd", "loss_type": "huber", "ip_noise_gamma": 0.1},
        {"noise_offset": 0.1, "multires_noise_iterations": 3, "antithetic_noise": True, "optimizer": "natural"},
    ],
)
def test_a_step_waits_for_the_device_once(
    tiny_sdxl: Model, place: RunPaths, monkeypatch: pytest.MonkeyPatch, options: dict[str, object]
) -> None:
    wanted = request(max_steps=3, **options)
    training_batches = prepared(wanted, tiny_sdxl, place)
    trainable = learner_for(tiny_sdxl, wanted)
    assert isinstance(training_batches.latents, LatentCache)
    modules = (tiny_sdxl.unet, *(encoder.model for encoder in tiny_sdxl.encoders))
    weights = [tensor for module in modules for tensor in (*module.parameters(), *module.buffers())]
    moments = [tensor for of in training_batches.latents.upright for tensor in (of.mean, of.std)]
    device = OnDevice(
        [*weights, *moments, training_batches.latents.add_time_ids, training_batches.noise._scheduler.alphas_cumprod]
    )
    device.take([trainable._parametrization.parameters, trainable.initial])
    device.watch(monkeypatch)
    for module in (conditioning, penalties, latents, batches_module):
        monkeypatch.setattr(module, "to_device", lambda tensor, _device: device.take(tensor.clone()))

    with device:
        told = list(optimise(tiny_sdxl, training_batches, trainable))

    assert [type(event) for event in told] == [Step] * 3
    assert device.waits == ["tolist"] * 3


def test_the_state_of_40_vectors_of_sdxl_is_less_than_a_mebibyte(tmp_path: Path) -> None:
    word = Embedding("zzzz1234", {"clip_l": torch.ones(40, 768), "clip_g": torch.ones(40, 1280)})
    trainable = TrainableEmbedding(word, torch.device("cpu"))
    trainable.update(0.005)

    trainable.state().write(tmp_path / "state.safetensors")

    assert 40 * 2048 * 4 * 3 < (tmp_path / "state.safetensors").stat().st_size < 2**20


def test_a_step_without_the_cpu_kernels_has_the_same_loss_and_gradient(
    tiny_checkpoint: CheckpointInfo, place: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = []
    for value in ("", "1"):
        monkeypatch.setenv(NO_CPU_KERNELS, value)
        model = load(tiny_checkpoint, Hardware(torch.device("cpu"), torch.float32))
        trainable = learner_for(model, request())
        losses = forward_backward(model, prepared(request(), model, place), trainable, 1)
        steps.append((losses, gradients(trainable)["clip_l"]))
    (losses, gradient), (plain_losses, plain_gradient) = steps
    assert torch.allclose(losses, plain_losses, rtol=1e-5)
    assert (gradient - plain_gradient).norm() < 1e-5 * plain_gradient.norm()
