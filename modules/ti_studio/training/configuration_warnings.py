"""Warnings before the first step, about options without effect. Imports no torch."""

from collections.abc import Iterator

from ti_studio.models.families import Family
from ti_studio.prompts.layers import Layer
from ti_studio.training.config.learning_rate import LearningRateSchedule
from ti_studio.training.config.request import TrainRequest
from ti_studio.training.optim.lr_schedule import StepLearningRate

COORDINATE = 0.014
"""The typical size of a coordinate of CLIP's token embeddings: 0.4 / √768."""

BOUNDED_BY_RATE = ("adamw", "adamw8bit", "lion", "adafactor", "schedulefree")
"""Optimizers that move a coordinate by at most about the rate each step."""

LEAST_FACTOR = 0.1
"""The least usual rate of an optimizer that estimates its own step size; it multiplies the estimate."""


def configuration_warnings(request: TrainRequest, family: Family, *, predicts_velocity: bool) -> Iterator[str]:
    """Yields a sentence for each option that will have no effect, or hardly any.

    Args:
        request: the options.
        family: the checkpoint's.
        predicts_velocity: whether the checkpoint is one of v-prediction.
    """
    if request.zero_terminal_snr and not predicts_velocity:
        yield "zero_terminal_snr is for v-prediction; a checkpoint that predicts noise learns nothing of it."
    if request.clip_skip > 1 and family.layer is not Layer.BY_CLIP_SKIP:
        yield f"Clip skip {request.clip_skip} is not used: {family.name} checkpoints have a layer of their own."
    if request.optimizer in BOUNDED_BY_RATE and request.parametrization == "rows":
        yield from _slow(request)
    rate = LearningRateSchedule.parse(request.learning_rate).segments[0].rate
    if request.optimizer in ("prodigy", "dadapt") and rate < LEAST_FACTOR:
        yield (
            f"{request.optimizer} finds the learning rate by itself and multiplies it by the one given, {rate:g}; "
            "1 is usual."
        )


def _slow(request: TrainRequest) -> Iterator[str]:
    """Yields a warning if the rate is too low to move the word."""
    rates = StepLearningRate.of(request)
    reach = sum(rates.rate(step) for step in range(1, request.max_steps + 1))
    if request.learning_rate_unit == "vocabulary":
        if reach < 1:
            yield (
                f"Learning rate {request.learning_rate} for {request.max_steps} steps can move the word by {reach:.2g} "
                "of the vocabulary's norm at most: it will mean nearly what it did at the start. It is obeyed; a reach "
                "of 10 and more is usual."
            )
    elif reach < COORDINATE:
        yield (
            f"Learning rate {request.learning_rate} for {request.max_steps} steps can move a coordinate of the word by "
            f"{reach:.2g} at most, and one is about {COORDINATE} large: the word will mean nearly what it did at the "
            "start. It is obeyed; 0.005 for some hundred steps is usual."
        )
