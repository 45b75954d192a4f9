"""What is minimised: the options' formulas against sd-scripts' words, and what each does to a training."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.training.test_run import prepared, request, rows_of, run
from ti_studio.models.loading import Model
from ti_studio.prompts.conditioning import Conditioning, encode, encode_chunks
from ti_studio.training import events
from ti_studio.training.config.regularization import ObjectiveOptions
from ti_studio.training.loss.denoising import NoiseSchedule, NoisyBatch, denoising_losses
from ti_studio.training.loss.noise import perturbation, shaped_noise
from ti_studio.training.output.initialization import initial_rows
from ti_studio.training.penalties import context_penalty, distance_penalty, prompt_penalty
from ti_studio.training.preparation import RunPaths

CPU = torch.device("cpu")
CONFIG = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000}
TIMESTEPS = torch.tensor([0, 250, 600, 999])


def noised(prediction: str = "epsilon", **options: object) -> NoisyBatch:
    schedule = NoiseSchedule({**CONFIG, "prediction_type": prediction}, CPU, ObjectiveOptions(**options))  # type: ignore[arg-type]
    ones = torch.ones(4, 4, 2, 2)
    return schedule.add_noise(ones, 2 * ones, TIMESTEPS)


def ratios() -> torch.Tensor:
    """The signal-to-noise ratios of Stable Diffusion's schedule."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    kept = torch.cumprod(1 - betas, 0)[TIMESTEPS]
    return kept / (1 - kept)


def weights(prediction: str = "epsilon", **options: object) -> torch.Tensor:
    found = noised(prediction, **options).weights
    assert found is not None
    return found


def test_nothing_is_weighted_by_default() -> None:
    assert noised().weights is None
    assert noised().huber_c is None


def test_min_snr_weighs_as_sd_scripts_does() -> None:
    snr = ratios()

    assert torch.allclose(weights(min_snr_gamma=5), torch.minimum(snr, torch.tensor(5.0)) / snr, rtol=1e-4)
    expected = torch.minimum(snr, torch.tensor(5.0)) / (snr + 1)
    assert torch.allclose(weights("v_prediction", min_snr_gamma=5), expected, rtol=1e-4)


def test_v_prediction_weights_are_sd_scripts() -> None:
    snr = ratios().clamp(max=1000)
    scale = snr / (snr + 1)

    found = weights("v_prediction", scale_v_pred_loss_like_noise_pred=True)
    assert torch.allclose(found, scale, rtol=1e-4)
    assert noised(scale_v_pred_loss_like_noise_pred=True).weights is None
    assert torch.allclose(weights(v_pred_like_loss=0.5), 1 + 0.5 / scale, rtol=1e-4)


def test_debiased_estimation_weighs_as_sd_scripts_does() -> None:
    snr = ratios().clamp(max=1000)

    assert torch.allclose(weights(debiased_estimation_loss=True), 1 / snr.sqrt(), rtol=1e-4)
    assert torch.allclose(weights("v_prediction", debiased_estimation_loss=True), 1 / (snr + 1), rtol=1e-4)
    both = weights(debiased_estimation_loss=True, min_snr_gamma=5)
    assert torch.allclose(both, weights(min_snr_gamma=5) / snr.sqrt(), rtol=1e-4)


def test_zero_terminal_snr_is_sd_scripts_schedule() -> None:
    """sd-scripts, `fix_noise_scheduler_betas_for_zero_terminal_snr` (arXiv 2305.08891, algorithm 1)."""
    roots = torch.cumprod(1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2, 0).sqrt()
    roots = (roots - roots[-1]) * roots[0] / (roots[0] - roots[-1])
    batch = noised("v_prediction", zero_terminal_snr=True)

    signal, noise = roots[TIMESTEPS].reshape(-1, 1, 1, 1), (1 - roots[TIMESTEPS] ** 2).sqrt().reshape(-1, 1, 1, 1)
    ones = torch.ones(4, 4, 2, 2)
    assert torch.allclose(batch.noisy, signal * ones + noise * 2 * ones, atol=1e-4)
    assert torch.allclose(batch.target, signal * 2 * ones - noise * ones, atol=1e-4)


def test_a_schedule_with_zero_terminal_snr_ends_in_pure_noise_and_its_weights_are_finite() -> None:
    weighted = {"min_snr_gamma": 5, "v_pred_like_loss": 1.0, "debiased_estimation_loss": True}
    batch = noised("v_prediction", zero_terminal_snr=True, loss_type="huber", **weighted)

    assert torch.allclose(batch.noisy[3], torch.full((4, 2, 2), 2.0))
    assert batch.weights is not None and bool(batch.weights.isfinite().all())
    assert batch.huber_c is not None and bool(batch.huber_c.isfinite().all())
    assert bool(weights(zero_terminal_snr=True, **weighted).isfinite().all())


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("l2", lambda e: e**2),
        ("l1", lambda e: e.abs()),
        ("log_cosh", lambda e: e.cosh().log()),
        ("huber", lambda e: 2 * 0.1 * ((e**2 + 0.01) ** 0.5 - 0.1)),
        ("smooth_l1", lambda e: 2 * ((e**2 + 0.01) ** 0.5 - 0.1)),
    ],
)
def test_each_loss_counts_errors_its_way(tiny_model: Model, kind: str, expected: object) -> None:
    options = ObjectiveOptions(loss_type=kind, huber_schedule="constant")  # type: ignore[arg-type]
    batch = NoiseSchedule(tiny_model.scheduler_config, CPU, options).add_noise(
        torch.zeros(2, 4, 8, 8), torch.randn(2, 4, 8, 8), torch.tensor([10, 900])
    )
    context = torch.randn(2, 77, 16)

    with torch.no_grad():
        found = denoising_losses(tiny_model, batch, Conditioning(context), options)
        error = tiny_model.predict(batch.noisy, batch.timesteps, Conditioning(context)) - batch.target

    assert callable(expected)
    assert torch.allclose(found, expected(error).mean(dim=(1, 2, 3)), atol=1e-5)


def test_huber_turns_later_at_clean_timesteps() -> None:
    by_snr, exponential, constant = (
        noised(loss_type="huber", huber_scale=2, huber_schedule=schedule).huber_c
        for schedule in ("snr", "exponential", "constant")
    )

    assert by_snr is not None and exponential is not None and constant is not None
    sigmas = (1 / ratios()).sqrt()
    assert torch.allclose(by_snr, 0.9 / (1 + sigmas) ** 2 + 0.1, rtol=1e-4)
    assert torch.allclose(exponential, 2 * 0.1 ** (TIMESTEPS / 1000), rtol=1e-4)
    assert torch.equal(constant, torch.full((4,), 0.2))


def shaped(brightness: float = 0.0, **options: object) -> torch.Tensor:
    noise = torch.randn(5, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    latents = torch.full_like(noise, brightness)
    drawn = torch.Generator().manual_seed(2)
    return shaped_noise(noise, latents, ObjectiveOptions(**options), drawn)  # type: ignore[arg-type]


def test_noise_is_shaped_as_asked_and_else_left_alone() -> None:
    plain = shaped()
    paired, offset, pyramid = (
        shaped(antithetic_noise=True),
        shaped(noise_offset=0.1),
        shaped(multires_noise_iterations=6, multires_noise_discount=0.9),
    )

    assert torch.equal(plain, torch.randn(5, 4, 8, 8, generator=torch.Generator().manual_seed(1)))
    assert torch.equal(paired[1::2], -paired[0:4:2])
    assert torch.equal(paired[4], plain[4])
    shifts = offset - plain
    assert torch.allclose(shifts, shifts[:, :, :1, :1].expand_as(shifts), atol=1e-6)
    assert shifts.std() == pytest.approx(0.1, rel=0.5)
    assert pyramid.std().item() == pytest.approx(1.0, abs=1e-5)
    assert pyramid.mean(dim=(2, 3)).std() > 2 * plain.mean(dim=(2, 3)).std()


def test_the_noise_offset_follows_the_pictures_brightness_and_may_be_drawn() -> None:
    """sd-scripts, `apply_noise_offset`: noise + max(0, offset + scale · |mean of the latents|) · one number a channel,
    and `noise_offset_random_strength`: offset · rand(1)."""
    plain = shaped()
    one = shaped(noise_offset=0.1) - plain

    assert torch.allclose(shaped(3.0, noise_offset=0.1, adaptive_noise_scale=0.2) - plain, 7 * one, atol=1e-5)
    assert torch.allclose(shaped(-3.0, noise_offset=0.1, adaptive_noise_scale=0.2) - plain, 7 * one, atol=1e-5)
    assert torch.equal(shaped(3.0, noise_offset=0.1, adaptive_noise_scale=-1.0), plain)
    strengths = (shaped(noise_offset=0.1, noise_offset_random_strength=True) - plain) / one
    assert torch.allclose(strengths, strengths.flatten()[0].expand_as(strengths), atol=1e-3)
    assert 0 <= strengths.mean().item() < 1


def test_pyramid_noise_is_sd_scripts_number_for_number() -> None:
    """sd-scripts, `pyramid_noise_like`: stops after the first level that is one place wide *or* high."""
    noise = torch.randn(2, 4, 6, 24, generator=torch.Generator().manual_seed(1))
    drawn = torch.Generator().manual_seed(2)
    expected = noise.clone()
    for level in range(9):
        r = torch.rand((), generator=drawn).item() * 2 + 2
        high, wide = max(1, int(6 / r**level)), max(1, int(24 / r**level))
        coarse = torch.randn(2, 4, high, wide, generator=drawn)
        expected += torch.nn.Upsample(size=(6, 24), mode="bilinear")(coarse) * 0.7**level
        if high == 1 or wide == 1:
            break
    options = ObjectiveOptions(multires_noise_iterations=9, multires_noise_discount=0.7)

    found = shaped_noise(noise, torch.zeros_like(noise), options, torch.Generator().manual_seed(2))

    assert torch.allclose(found, expected / expected.std(), atol=1e-5)


def test_the_perturbations_strength_may_be_drawn() -> None:
    """sd-scripts, `get_noise_noisy_latents_and_timesteps`: noise + (γ or γ · rand(1)) · more noise."""
    latents = torch.zeros(3, 4, 8, 8)

    def disturbance(**options: object) -> torch.Tensor | None:
        return perturbation(latents, ObjectiveOptions(**options), torch.Generator().manual_seed(5))  # type: ignore[arg-type]

    always, drawn = (
        disturbance(ip_noise_gamma=0.2),
        disturbance(ip_noise_gamma=0.2, ip_noise_gamma_random_strength=True),
    )
    assert disturbance() is None
    assert always is not None and drawn is not None
    assert torch.allclose(always, 0.2 * torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(5)))
    ratio = drawn / always
    assert torch.allclose(ratio, ratio.flatten()[0].expand_as(ratio)) and 0 <= ratio.mean().item() < 1


def test_timesteps_stay_in_their_range(tiny_model: Model, place: RunPaths) -> None:
    for sampling in ("stratified", "uniform"):
        wanted = request(min_timestep=400, max_timestep=410, timestep_sampling=sampling, batch_size=4)
        training_batches = prepared(wanted, tiny_model, place)
        drawn = {int(t) for step in range(1, 20) for t in training_batches.batch(step, 0).pictures.timesteps}

        assert drawn <= set(range(400, 410))
        assert len(drawn) > 5


@pytest.mark.parametrize("sampling", ["stratified", "uniform"])
@pytest.mark.parametrize(("bias", "mean"), [(0.0, 0.5), (1.0, 0.7)])
def test_timesteps_may_be_drawn_from_the_middle_most(
    tiny_model: Model, place: RunPaths, sampling: str, bias: float, mean: float
) -> None:
    """The logistic of a normal number: a quarter lies below sigmoid(bias - 0.6745), and none outside of the range."""
    shape = {"timestep_distribution": "logit_normal", "timestep_bias": bias, "timestep_sampling": sampling}
    training_batches = prepared(request(min_timestep=200, max_timestep=800, batch_size=64, **shape), tiny_model, place)
    drawn = torch.cat([training_batches.batch(step, 0).pictures.timesteps for step in range(1, 6)])
    share = (drawn - 200) / 600

    assert drawn.min() >= 200 and drawn.max() < 800
    assert share.mean().item() == pytest.approx(mean, abs=0.04)
    assert share.quantile(0.25).item() == pytest.approx(1 / (1 + math.exp(0.6745 - bias)), abs=0.05)


def test_input_perturbation_disturbs_the_picture_and_not_the_target(tiny_model: Model, place: RunPaths) -> None:
    plain = prepared(request(), tiny_model, place).batch(1, 0)
    disturbed = prepared(request(ip_noise_gamma=0.5), tiny_model, place).batch(1, 0)

    assert torch.equal(plain.pictures.target, disturbed.pictures.target)
    assert torch.equal(plain.pictures.timesteps, disturbed.pictures.timesteps)
    assert not torch.equal(plain.pictures.noisy, disturbed.pictures.noisy)


def test_the_distance_is_measured_in_the_initial_rows_norm() -> None:
    initial = {"clip_l": torch.tensor([[3.0, 4.0], [0.0, 5.0]])}

    moved = {"clip_l": torch.tensor([[3.0, 4.0], [0.0, 10.0]])}
    assert distance_penalty(moved, initial).item() == pytest.approx(0.5)
    assert distance_penalty(initial, initial).item() == 0
    assert distance_penalty({"x": torch.ones(1, 2)}, {"x": torch.zeros(1, 2)}).item() == pytest.approx(2.0)


def test_the_context_penalty_looks_at_everything_but_the_word(tiny_model: Model, place: RunPaths) -> None:
    prompts = prepared(request(), tiny_model, place).batch(1, 0).prompts
    initial = {"clip_l": initial_rows(tiny_model.encoders[0], "tree", 2)}
    with torch.no_grad():
        before = encode(tiny_model.encoders, prompts, {"zzzz1234": initial}).encoder_hidden_states
        after = encode(
            tiny_model.encoders, prompts, {"zzzz1234": {"clip_l": initial["clip_l"] + 1}}
        ).encoder_hidden_states
    word = [1 + prompt[0].placements[0].offset for prompt in prompts]
    only_word = before.clone()
    for number, start in enumerate(word):
        only_word[number, start : start + 2] += 9

    assert context_penalty(before, before, prompts).item() == 0
    assert context_penalty(only_word, before, prompts).item() == 0
    assert context_penalty(after, before, prompts).item() > 0
    only_word[0, word[0] + 2] *= 2
    assert context_penalty(only_word, before, prompts).item() == pytest.approx(1 / (2 * 77 - 4), rel=1e-3)


def test_the_prompt_penalty_is_of_another_pictures_prompt_at_noisy_timesteps(
    tiny_model: Model, place: RunPaths
) -> None:
    training_batches = prepared(request(prompt_weight=1.0, batch_size=3, min_timestep=600), tiny_model, place)
    clean = prepared(request(prompt_weight=1.0, batch_size=3, max_timestep=400), tiny_model, place)
    batch = training_batches.batch(1, 0)
    initial = {"clip_l": initial_rows(tiny_model.encoders[0], "tree", 2)}
    moved = {"clip_l": (-3 * initial["clip_l"]).requires_grad_(True)}

    for picture, other in zip(training_batches.sampler.batch(0), batch.other_prompts, strict=True):
        own = training_batches.prompts[picture]
        assert other not in [own.reader.read(text) for text in own.texts()]
    chunks = [chunk for prompt in (*batch.other_prompts, *clean.batch(1, 0).other_prompts) for chunk in prompt]
    before, after = (encode_chunks(tiny_model.encoders, chunks, {"zzzz1234": rows}) for rows in (initial, moved))
    # What wants gradients is computed in another way than what does not: the same but for rounding.
    assert prompt_penalty(tiny_model, batch, before, before).item() == pytest.approx(0, abs=1e-10)
    assert prompt_penalty(tiny_model, clean.batch(1, 0), after, before).item() == 0
    penalty = prompt_penalty(tiny_model, batch, after, before)
    penalty.backward()
    assert penalty.item() > 1e-6
    assert moved["clip_l"].grad is not None and moved["clip_l"].grad.norm() > 0


OPTIONS: list[dict[str, object]] = [
    {"optimizer": "lion", "learning_rate": "0.001", "max_grad_value": 1e-5},
    {
        "optimizer": "adafactor",
        "max_grad_norm": 0.1,
        "lr_scheduler": "torch.optim.lr_scheduler.ExponentialLR",
        "lr_scheduler_args": ("gamma=0.5",),
    },
    {"optimizer": "torch.optim.RMSprop", "weight_decay": 0.01, "lr_scheduler": "cosine", "lr_warmup_steps": 2},
    {"parametrization": "direction", "prior_weight": 1e-4, "optimizer": "rsgd", "ema_decay": 0.9},
    {"norm_limit": 1.0, "norm_pull": 0.1, "init_weight": 0.1, "ema_decay": 0.5, "context_weight": 0.5},
    {"prompt_weight": 10.0, "min_snr_gamma": 5.0, "noise_offset": 0.1, "multires_noise_iterations": 4},
    {"loss_type": "huber", "ip_noise_gamma": 0.1, "antithetic_noise": True, "timestep_sampling": "uniform"},
    {"latent_sampling": "once", "loss_type": "l1"},
]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: next(iter(options)))
def test_every_option_changes_the_word_and_resumes_to_the_last_bit(
    tiny_model: Model, place: RunPaths, tmp_path: Path, options: dict[str, object]
) -> None:
    wanted = request(**options, overwrite=True, gradient_accumulation_steps=2, max_steps=4)
    run(request(overwrite=True, gradient_accumulation_steps=2, max_steps=4), tiny_model, place)
    plain = rows_of(place)
    jobs = [replace(place, job=tmp_path / name) for name in ("whole", "parts")]
    for job in jobs:
        job.job.mkdir()
    told = run(wanted, tiny_model, jobs[0])
    whole = rows_of(place)

    run(wanted, tiny_model, jobs[1], stop_after=2)
    run(wanted, tiny_model, jobs[1])

    assert torch.equal(rows_of(place), whole)
    assert not torch.equal(whole, plain)
    penalties = [event.penalty for event in told if isinstance(event, events.Step)]
    keeps = {"init_weight", "context_weight", "prompt_weight"} & set(options)
    assert (penalties[-1] > 0) == bool(keeps)


def test_keeping_the_rows_keeps_them(tiny_model: Model, place: RunPaths) -> None:
    start = initial_rows(tiny_model.encoders[0], "tree", 2)

    def moved(**options: object) -> float:
        run(request(overwrite=True, **options), tiny_model, place)
        place.state.unlink()
        return (rows_of(place) - start).norm().item()

    assert moved(init_weight=10.0) < 0.5 * moved()


def test_options_that_do_nothing_useful_are_warned_about(tiny_model: Model, place: RunPaths) -> None:
    told = run(request(zero_terminal_snr=True), tiny_model, place)

    assert any(isinstance(event, events.Warned) and "zero_terminal_snr is for v-pred" in event.text for event in told)
