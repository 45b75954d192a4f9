"""A1111's prompt syntax, read into values. Imports no torch."""

import math
import re
from dataclasses import dataclass, field, replace
from enum import Enum
from itertools import groupby

ROUND = 1.1
"""What a pair of round brackets multiplies the weight by; square brackets divide by it."""

_PIECES = re.compile(
    r"""
    \\(?P<escaped>[()\[\]\\])            # an escaped bracket or backslash is itself
  | (?P<opening>[(\[])
  | :\s*(?P<weight>[+-]?[.\d]+)\s*\)     # the end of "(text:1.3)"
  | (?P<closing>[)\]])
  | (?P<text>[^\\()\[\]:]+ | [\\:])
    """,
    re.VERBOSE,
)
_BREAK = re.compile(r"\bBREAK\b")
_BREAKS = -1.0
"""The weight that A1111 tells a BREAK by. Brackets multiply it like any other, and what they change is a word."""

MOST_WEIGHT = 10_000.0
"""Weights beyond this, to either side, are literal, and nested brackets multiply no further: half precision could not
hold what they make, and the largest that a float can hold leave nothing but infinities."""

MOST_NESTED = 100
"""Emphasis deeper than this is literal: a weight of 1.1 to the hundredth is no wish, and reading it would take long."""


@dataclass(frozen=True)
class Span:
    """Text with one weight."""

    text: str
    weight: float = 1.0


@dataclass(frozen=True)
class Break:
    """The word BREAK, outside of brackets: what follows begins a new chunk."""


@dataclass(frozen=True)
class Named:
    """An embedding that the prompt calls by its file's name, whatever the name's tokens are."""

    name: str
    """The file's name, with or without its ending, or its path in the embeddings folder."""
    weight: float = 1.0


Part = Span | Break | Named


class Emphasis(str, Enum):
    """A1111's emphasis modes."""

    ORIGINAL = "Original"
    """Weights multiply a token's encoding; each chunk then gets the mean back that it had."""
    NO_NORM = "No norm"
    """Weights multiply a token's encoding, and nothing else. Better for SDXL."""
    IGNORE = "Ignore"
    """The syntax is read, and every weight is 1."""
    NONE = "None"
    """Brackets are literal."""


@dataclass
class _Nesting:
    """The parts read so far with the weight of each, and where each bracket that is still open began."""

    parts: list[Part] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    open_brackets: list[tuple[str, int]] = field(default_factory=list)

    def add(self, part: Part) -> None:
        """Takes a part as it is."""
        self.parts.append(part)
        self.weights.append(_BREAKS if isinstance(part, Break) else 1.0)

    def open(self, bracket: str) -> None:
        """Begins a bracket."""
        if len(self.open_brackets) < MOST_NESTED:
            self.open_brackets.append((bracket, len(self.parts)))
        else:
            self.add(Span(bracket))

    def weigh(self, start: int, factor: float) -> None:
        """Multiplies the weight of everything from part `start` on."""
        self.weights[start:] = [_held(weight * factor) for weight in self.weights[start:]]

    def close(self, opening: str, factor: float, literal: str) -> None:
        """Ends the innermost open bracket of this kind, or takes the text as it is when there is none."""
        for index in reversed(range(len(self.open_brackets))):
            bracket, start = self.open_brackets[index]
            if bracket == opening:
                del self.open_brackets[index]
                self.weigh(start, factor)
                return
        self.add(Span(literal))

    def end(self) -> None:
        """Ends the brackets that are still open: the round ones first, as A1111 does, for rounding's sake."""
        for opening in "([":
            for bracket, start in self.open_brackets:
                if bracket == opening:
                    self.weigh(start, _factor(bracket))

    def weighted(self) -> list[Part]:
        """Returns the parts, each span with its weight."""
        return [_weighted(part, weight) for part, weight in zip(self.parts, self.weights, strict=True)]


def parse_attention(text: str) -> list[Part]:
    r"""Reads emphasis and BREAK, with the meaning of A1111's `parse_prompt_attention`.

    `(x)` weighs 1.1, `[x]` 1/1.1, `(x:1.3)` 1.3, brackets multiply when nested, an unclosed one reaches to the end, and
    `\(`, `\)`, `\[`, `\]`, `\\` are literal. What can't be read as a weight, such as `(x:.5.)`, is literal text too,
    and so is a weight larger than MOST_WEIGHT. BREAK inside brackets is a word, whose weight is the brackets' with the
    other sign. Neighbours of the same weight are one span; an empty prompt is one empty span.
    """
    nesting = _Nesting()
    for match in _PIECES.finditer(text):
        _read_piece(match, nesting)
    nesting.end()
    return _merge(nesting.weighted()) or [Span("")]


def read_emphasis(text: str, emphasis: Emphasis) -> list[Part]:
    """Reads a text as the mode says."""
    if emphasis is Emphasis.NONE:
        return literal(text)
    parts = parse_attention(text)
    if emphasis is Emphasis.IGNORE:
        return [replace(part, weight=1.0) if isinstance(part, Span) else part for part in parts]
    return parts


def literal(text: str) -> list[Part]:
    """Returns the text as one span, every bracket literal: how captions are read, where `saber (fate)` is no
    emphasis."""
    return [Span(text)]


def _factor(bracket: str) -> float:
    return ROUND if bracket == "(" else 1 / ROUND


def _weighted(part: Part, weight: float) -> Part:
    if isinstance(part, Span):
        return Span(part.text, weight)
    return Span("BREAK", weight) if isinstance(part, Break) and weight != _BREAKS else part


def _read_piece(match: re.Match[str], nesting: _Nesting) -> None:
    piece = match.group()
    match match.lastgroup:
        case "escaped":
            nesting.add(Span(match["escaped"]))
        case "opening":
            nesting.open(piece)
        case "weight":
            _read_weight(match, nesting)
        case "closing":
            opening = "(" if piece == ")" else "["
            nesting.close(opening, _factor(opening), piece)
        case _ if piece == "\\":  # one that escapes nothing vanishes, and is an empty text, as in A1111
            nesting.add(Span(""))
        case _:
            _read_text(piece, nesting)


def _held(weight: float) -> float:
    return max(-MOST_WEIGHT, min(weight, MOST_WEIGHT))


def _read_weight(match: re.Match[str], nesting: _Nesting) -> None:
    try:
        weight = float(match["weight"])
    except ValueError:  # "1.2.3" is no number: A1111 crashes on it, here it is text inside an ordinary bracket
        weight = math.inf
    if abs(weight) <= MOST_WEIGHT:
        nesting.close("(", weight, match.group())
    else:
        nesting.add(Span(match.group()[:-1]))
        nesting.close("(", ROUND, ")")


def _read_text(piece: str, nesting: _Nesting) -> None:
    before, *more = _BREAK.split(piece)
    for text in more:
        nesting.add(Span(before.rstrip()))
        nesting.add(Break())
        before = text.lstrip()
    nesting.add(Span(before))


def _merge(parts: list[Part]) -> list[Part]:
    """Joins neighbours of the same weight. A span of no text, as brackets around nothing leave it, keeps its neighbours
    apart, and is left out afterwards."""
    merged: list[Part] = []
    for weight, run in groupby(parts, key=lambda part: part.weight if isinstance(part, Span) else None):
        if weight is None:
            merged += run
        else:
            merged.append(Span("".join(part.text for part in run if isinstance(part, Span)), weight))
    return [part for part in merged if not isinstance(part, Span) or part.text]
