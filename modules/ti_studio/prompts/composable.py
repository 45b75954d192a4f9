"""Prompts made of several: A1111's AND (composable diffusion, arXiv 2206.01714). Imports no torch."""

import re
from typing import NamedTuple

from ti_studio.prompts.grammar import MOST_WEIGHT

_AND = re.compile(r"\bAND\b")
_WEIGHT = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)")


class Weighted(NamedTuple):
    """One prompt of several, and how strongly it guides."""

    text: str
    weight: float = 1.0


def split_and(text: str) -> tuple[Weighted, ...]:
    """Splits a prompt at the word AND; each part may end in `:weight`, which may be negative. One that is larger than
    MOST_WEIGHT is text.

    A prompt without AND is one part with weight 1 whatever it ends in; A1111 takes the end of `a screen, 16:9` for a
    weight of 9.
    """
    parts = _AND.split(text)
    return tuple(_weighted(part) for part in parts) if len(parts) > 1 else (Weighted(text),)


def _weighted(part: str) -> Weighted:
    text, colon, weight = part.rpartition(":")
    weight = weight.strip()
    if colon and _WEIGHT.fullmatch(weight) and abs(float(weight)) <= MOST_WEIGHT:
        return Weighted(text.rstrip(), float(weight))
    return Weighted(part)
