"""Random prompts mean here what A1111's own parser makes of them; `a1111_readings.md` says how that was found out."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ti_studio.prompts.composable import split_and
from ti_studio.prompts.grammar import Break, Span, parse_attention
from ti_studio.prompts.schedule import edited

Pairs = list[tuple[Any, Any]]


@dataclass(frozen=True)
class Reading:
    """What A1111 makes of a prompt."""

    prompt: str
    steps: int
    schedules: list[Pairs]
    """Up to which step it says what. More than one where chance decides."""
    attention: Pairs | None
    """Texts with their weights; None where A1111 stops with an error."""
    joined: Pairs | None = None
    """The prompts that AND joins, with their weights; None without AND."""


def pairs(flat: list[Any] | None) -> Pairs | None:
    return None if flat is None else list(zip(flat[::2], flat[1::2], strict=True))


@pytest.fixture(scope="module")
def readings() -> list[Reading]:
    rows = json.loads(Path(__file__).with_name("a1111_readings.json").read_text(encoding="utf-8"))
    return [
        Reading(prompt, steps, [pairs(schedule) or [] for schedule in schedules], *map(pairs, rest))
        for prompt, steps, schedules, *rest in rows
    ]


def test_there_are_enough_of_them(readings: list[Reading]) -> None:
    assert sum("|" not in reading.prompt for reading in readings) > 3000
    assert sum(len(reading.schedules) == 1 for reading in readings) > 4000
    assert sum(len(reading.schedules[0]) > 1 for reading in readings) > 1000
    assert sum(reading.joined is not None for reading in readings) > 400


def test_a_prompt_says_at_each_step_what_a1111_makes_it_say(readings: list[Reading]) -> None:
    found = [(reading, list(map(tuple, edited(reading.prompt, reading.steps)))) for reading in readings]

    assert [(reading, ours) for reading, ours in found if ours not in reading.schedules] == []


def test_a_prompt_weighs_what_a1111_makes_it_weigh(readings: list[Reading]) -> None:
    """To the last bit, for neighbours of the same weight are one text. A1111's empty texts say nothing."""
    found = [(reading, parse_attention(reading.prompt)) for reading in readings]

    for reading, parts in found:
        ours = [(part.text, part.weight) if isinstance(part, Span) else ("BREAK", -1.0) for part in parts]
        assert not any(isinstance(part, Span) and (part.text, part.weight) == ("BREAK", -1.0) for part in parts)
        if reading.attention is None:
            assert Break() not in parts
        else:
            theirs = [(text, weight) for text, weight in reading.attention if text]
            assert ours == (theirs or [("", 1.0)]), reading.prompt


def test_prompts_that_and_joins_are_those_of_a1111(readings: list[Reading]) -> None:
    for reading in readings:
        if reading.joined is not None:
            parts = split_and(reading.prompt)
            assert [(part.text.rstrip(), part.weight) for part in parts] == reading.joined, reading.prompt
