"""A1111's prompt syntax, read into values. Imports no torch."""

import re
from dataclasses import dataclass, replace
from enum import Enum

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
_BREAK = re.compile(r"\s*\bBREAK\b\s*")


@dataclass(frozen=True)
class Span:
    """Text with one weight."""

    text: str
    weight: float = 1.0


@dataclass(frozen=True)
class Break:
    """The word BREAK: what follows begins a new chunk."""


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
    """The parts read so far, and where each bracket that is still open began."""

    parts: list[Part]
    open_brackets: list[tuple[str, int]]

    def weigh(self, start: int, factor: float) -> None:
        """Multiplies the weight of everything from part `start` on."""
        self.parts[start:] = [
            Span(part.text, part.weight * factor) if isinstance(part, Span) else part for part in self.parts[start:]
        ]

    def close(self, opening: str, factor: float, literal: str) -> None:
        """Ends the innermost open bracket of this kind, or takes the text as it is when there is none."""
        for index in reversed(range(len(self.open_brackets))):
            bracket, start = self.open_brackets[index]
            if bracket == opening:
                del self.open_brackets[index]
                self.weigh(start, factor)
                return
        self.parts.append(Span(literal))


def parse_attention(text: str) -> list[Part]:
    r"""Reads emphasis and BREAK, with the meaning of A1111's `parse_prompt_attention`.

    `(x)` weighs 1.1, `[x]` 1/1.1, `(x:1.3)` 1.3, brackets multiply when nested, an unclosed one reaches to the end, and
    `\(`, `\)`, `\[`, `\]`, `\\` are literal. What can't be read as a weight, such as `(x:.5.)`, is literal text too.
    Neighbours of the same weight are one span; an empty prompt is one empty span.
    """
    nesting = _Nesting([], [])
    for match in _PIECES.finditer(text):
        _read_piece(match, nesting)
    for bracket, start in nesting.open_brackets:
        nesting.weigh(start, _factor(bracket))
    return _merge(nesting.parts) or [Span("")]


def read_emphasis(text: str, emphasis: Emphasis) -> list[Part]:
    """Reads a text as the mode says."""
    if emphasis is Emphasis.NONE:
        return literal(text)
    parts = parse_attention(text)
    if emphasis is Emphasis.IGNORE:
        return _merge([replace(part, weight=1.0) if isinstance(part, Span) else part for part in parts])
    return parts


def literal(text: str) -> list[Part]:
    """Returns the text as one span, every bracket literal: how captions are read, where `saber (fate)` is no
    emphasis."""
    return [Span(text)]


def _factor(bracket: str) -> float:
    return ROUND if bracket == "(" else 1 / ROUND


def _read_piece(match: re.Match[str], nesting: _Nesting) -> None:
    piece = match.group()
    match match.lastgroup:
        case "escaped":
            nesting.parts.append(Span(match["escaped"]))
        case "opening":
            nesting.open_brackets.append((piece, len(nesting.parts)))
        case "weight":
            _read_weight(match, nesting)
        case "closing":
            opening = "(" if piece == ")" else "["
            nesting.close(opening, _factor(opening), piece)
        case _ if piece != "\\":  # a backslash that escapes nothing vanishes, as in A1111
            _read_text(piece, nesting)


def _read_weight(match: re.Match[str], nesting: _Nesting) -> None:
    try:
        weight = float(match["weight"])
    except ValueError:  # "1.2.3" is no number: A1111 crashes on it, here it is text inside an ordinary bracket
        nesting.parts.append(Span(match.group()[:-1]))
        nesting.close("(", ROUND, ")")
        return
    nesting.close("(", weight, match.group())


def _read_text(piece: str, nesting: _Nesting) -> None:
    for index, text in enumerate(_BREAK.split(piece)):
        if index:
            nesting.parts.append(Break())
        nesting.parts.append(Span(text))


def _merge(parts: list[Part]) -> list[Part]:
    merged: list[Part] = []
    for part in parts:
        last = merged[-1] if merged else None
        if isinstance(part, Span) and isinstance(last, Span) and part.weight == last.weight:
            merged[-1] = Span(last.text + part.text, part.weight)
        elif not isinstance(part, Span) or part.text:
            merged.append(part)
    return merged
