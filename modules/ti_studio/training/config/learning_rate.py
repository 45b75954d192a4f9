"""A1111's learning-rate schedule: `0.005:100, 1e-3:1000, 1e-5`."""

import math
from dataclasses import dataclass

from ti_studio.errors import StudioError

EXAMPLE = "0.005, or 0.005:100, 1e-3:1000, 1e-5"

HIGHEST = 100.0
"""A row of CLIP's token table is about 0.4 long: a rate of 100 has left it behind in one step."""

MOST_STEPS = 10**9


class BadSchedule(StudioError, ValueError):
    """A learning-rate schedule that can't be followed; the message points at the place."""


@dataclass(frozen=True)
class Segment:
    """One rate and the last step that uses it."""

    rate: float
    until: float
    """The last step (1-based, inclusive) of this rate; infinity for a rate that holds to the end."""


@dataclass(frozen=True)
class LearningRateSchedule:
    """A piecewise constant rate.

    As in A1111, `rate:step` holds up to that step and a bare rate (or step -1) holds to the end. Unlike A1111, whose
    training ends with the last segment, the last rate always holds to the end.
    """

    segments: tuple[Segment, ...]

    @classmethod
    def parse(cls, text: str) -> "LearningRateSchedule":
        """Reads a schedule.

        Raises:
            BadSchedule: the text is no schedule; says which pair, at which character, and what was expected.
        """
        segments: list[Segment] = []
        position = 0
        for piece in text.split(","):
            start = position + len(piece) - len(piece.lstrip())
            position += len(piece) + 1
            if not piece.strip():
                continue
            segment = _parse_pair(piece.strip(), _Place(text, start))
            _check_order(segments, segment, _Place(text, start))
            segments.append(segment)
        if not segments:
            raise BadSchedule(f"The learning rate is empty; expected a rate or a schedule such as {EXAMPLE}.")
        return cls(tuple(segments))

    def rate(self, step: int) -> float:
        """Returns the rate of a step, counted from 1."""
        for segment in self.segments:
            if step <= segment.until:
                return segment.rate
        return self.segments[-1].rate


@dataclass(frozen=True)
class _Place:
    """Where in the schedule a pair stands."""

    text: str
    start: int

    def error(self, what: str) -> BadSchedule:
        return BadSchedule(
            f"Learning rate {self.text[:200]!r}, at character {self.start + 1}: {what} Example: {EXAMPLE}"
        )


def _parse_pair(pair: str, place: _Place) -> Segment:
    parts = pair.split(":")
    rate_text, *step_texts = parts
    if len(step_texts) > 1:
        raise place.error(f"{pair!r} has {len(step_texts)} colons; expected a rate, or rate:step.")
    rate = _parse_rate(rate_text.strip(), place)
    return Segment(rate, _parse_step(step_texts[0].strip(), place) if step_texts else math.inf)


def _parse_rate(text: str, place: _Place) -> float:
    try:
        rate = float(text)
    except ValueError as error:
        raise place.error(f"{text[:20]!r} is not a number; expected a rate above 0.") from error
    if not 0 < rate <= HIGHEST:
        raise place.error(f"the rate is {text}; expected a number above 0, and {HIGHEST:g} at most.")
    return rate


def _parse_step(text: str, place: _Place) -> float:
    try:
        step = int(text)
    except ValueError as error:
        raise place.error(f"{text[:20]!r} is not a whole number of steps.") from error
    if step == -1:
        return math.inf
    if step > MOST_STEPS:
        raise place.error(f"step {text[:20]} is later than any training goes; expected {MOST_STEPS:,} at most.")
    if step < 1:
        raise place.error(f"step {step} is before the first step; expected 1 or more, or -1 for the end.")
    return step


def _check_order(before: list[Segment], segment: Segment, place: _Place) -> None:
    if not before:
        return
    if math.isinf(before[-1].until):
        raise place.error(
            f"the rate {before[-1].rate:g} before it already holds to the end, so this one is never used."
        )
    if segment.until <= before[-1].until:
        raise place.error(f"step {segment.until:g} does not come after step {before[-1].until:g}; steps must increase.")
