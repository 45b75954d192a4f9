"""A1111's prompt editing: what a prompt says at each step. Imports no torch."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Literal, NamedTuple

MOST_NESTED = 100
"""Editing brackets deeper than this are literal: nobody means them, and a picture's steps are fewer."""

_PIECES = re.compile(r"\\.|[\[\]():|]|[^\\\[\]():|]+|\\")
_WHEN = re.compile(r"\s*([+-]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)(?:[eE][+-]?[0-9]+)?)\s*")
_CLOSES = {"]": "[", ")": "("}


class Until(NamedTuple):
    """What a prompt says up to a step."""

    last_step: int
    """The last step it is said at, counted from 1."""
    text: str


def edited(text: str, steps: int) -> tuple[Until, ...]:
    """Returns the texts that a prompt stands for over the steps, each with the last step it is for.

    `[a:b:when]` is a, and b after step `when`; `[b:when]` is nothing first, `[a::when]` nothing after; a `when` with a
    point in it is a share of the steps. `[a|b|c]` is another one at each step, in turns. They may be nested, also in
    `[x]`, `(x)` and `(x:1.2)`, which stay in the text as they are. Every other bracket can't be read: it is text, and
    so is each bracket around it, but not what is within it. A `|` outside of `[a|b]`, or a backslash with nothing
    behind it, makes the whole prompt literal. All of this is A1111's meaning.

    Args:
        text: one prompt, without AND.
        steps: the steps of the picture.
    """
    root = _parse(text)
    ends = sorted({end for end in _changes(root, steps) if 1 <= end < steps} | {steps})
    stages: list[Until] = []
    for end in ends:
        said = _say(root, end, steps)
        if stages and stages[-1].text == said:
            stages.pop()
        stages.append(Until(end, said))
    return tuple(stages)


@dataclass(frozen=True)
class _Edit:
    """`[before:after:when]`"""

    before: "_Nodes"
    after: "_Nodes"
    when: str
    depth: int

    def last_step(self, steps: int) -> int:
        """Returns the last step that says `before`."""
        value = float(self.when)
        return int(max(-1, min(value * steps if "." in self.when else value, steps)))


@dataclass(frozen=True)
class _Turns:
    """`[a|b|c]`"""

    options: tuple["_Nodes", ...]
    depth: int


_Nodes = tuple[str | _Edit | _Turns, ...]


@dataclass
class _Open:
    """A bracket that is still open: its parts so far, and the signs between them."""

    bracket: Literal["[", "(", ""]
    parts: list[list[str | _Edit | _Turns]] = field(default_factory=lambda: [[]])
    separators: list[str] = field(default_factory=list)

    def literal(self, closing: str = "") -> list[str | _Edit | _Turns]:
        """Returns everything in it, with its brackets and signs as text."""
        nodes: list[str | _Edit | _Turns] = [self.bracket]
        for index, part in enumerate(self.parts):
            nodes += [self.separators[index - 1], *part] if index else part
        joined: list[str | _Edit | _Turns] = []
        for is_text, run in groupby([*nodes, closing], key=lambda node: isinstance(node, str)):
            neighbours = list(run)
            joined += ["".join(map(str, neighbours))] if is_text else neighbours
        return joined

    def closed(self, closing: str) -> list[str | _Edit | _Turns] | None:
        """Returns what it stands for once it is closed; None if it can't be read."""
        if not self.separators or (self.bracket == "(" and self.separators == [":"]):
            return self.literal(closing)  # emphasis, which is read later
        parts = [tuple(part) for part in self.parts]
        depth = 1 + max(map(_depth, parts))
        if self.bracket == "(" or depth > MOST_NESTED:
            return None
        if set(self.separators) == {"|"}:
            return [_Turns(tuple(parts), depth)]
        if self.separators in ([":"], [":", ":"]) and all(isinstance(node, str) for node in parts[-1]):
            when = _WHEN.fullmatch("".join(str(node) for node in parts[-1]))
            if when is not None:
                *before, after = parts[:-1]
                return [_Edit(before[0] if before else (), after, when[1], depth)]
        return None


class _Stray(Exception):
    """The prompt holds a sign that no reading has room for."""


def _parse(text: str) -> _Nodes:
    """Reads a prompt in one pass."""
    try:
        return _read(text)
    except _Stray:
        return (text,)


def _read(text: str) -> _Nodes:
    """Reads a prompt. A bracket that can't be read, or that closes another kind than the innermost open one, makes all
    that are open literal, for none of them can be read with it inside."""
    open_brackets = [_Open("")]
    for piece in _PIECES.findall(text):
        innermost = open_brackets[-1]
        if piece == "\\":
            raise _Stray
        if piece in ("[", "("):
            open_brackets.append(_Open(piece))
        elif piece in (":", "|"):
            innermost.separators.append(piece)
            innermost.parts.append([])
        elif piece in _CLOSES:
            _close(open_brackets, piece)
        else:
            innermost.parts[-1].append(piece)
    _give_up(open_brackets)
    (root,) = open_brackets
    if "|" in root.separators:
        raise _Stray
    return tuple(root.literal())


def _close(open_brackets: list[_Open], closing: str) -> None:
    """Ends the innermost open bracket; where that can't be read so, makes every open bracket literal."""
    innermost = open_brackets[-1]
    closed = innermost.closed(closing) if innermost.bracket == _CLOSES[closing] else None
    if closed is None:
        _give_up(open_brackets)
        open_brackets[0].parts[-1].append(closing)
    else:
        open_brackets.pop()
        open_brackets[-1].parts[-1] += closed


def _give_up(open_brackets: list[_Open]) -> None:
    """Makes every open bracket literal."""
    root, *given_up = open_brackets
    if any("|" in opened.separators for opened in given_up):
        raise _Stray
    for opened in given_up:
        root.parts[-1] += opened.literal()
    del open_brackets[1:]


def _depth(nodes: _Nodes) -> int:
    return max((node.depth for node in nodes if not isinstance(node, str)), default=0)


def _changes(nodes: _Nodes, steps: int) -> set[int]:
    """Returns the steps after which these nodes may say something else."""
    ends: set[int] = set()
    for node in nodes:
        if isinstance(node, _Edit):
            ends.add(node.last_step(steps))
            ends |= _changes(node.before, steps) | _changes(node.after, steps)
        elif isinstance(node, _Turns):
            return set(range(1, steps + 1))
    return ends


def _say(nodes: Sequence[str | _Edit | _Turns], step: int, steps: int) -> str:
    """Returns what nodes say at a step, counted from 1."""
    said = []
    for node in nodes:
        if isinstance(node, str):
            said.append(node)
        elif isinstance(node, _Edit):
            said.append(_say(node.before if step <= node.last_step(steps) else node.after, step, steps))
        else:
            said.append(_say(node.options[(step - 1) % len(node.options)], step, steps))
    return "".join(said)
