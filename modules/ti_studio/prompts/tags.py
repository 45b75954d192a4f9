"""Tags in prompts: embeddings by their explicit names, and the networks of other programs. Imports no torch."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ti_studio.prompts.grammar import MOST_WEIGHT, Named, Part, Span

_PRIVATE_USE = range(0xF0000, 0xFFFFE)
"""Characters that mean nothing to anyone, and so to no part of the grammar."""

_TAGS = re.compile(
    r"""
    < \s* (?P<kind>\w+) \s* : (?P<content>[^<>\n]+) >
  | (?<![\w<:]) embedding: (?P<plain>[^\s,:|()\[\]<>]+)          # ComfyUI's form
    """,
    re.VERBOSE,
)
_EMBEDDINGS = ("embedding", "embed")
"""Kinds of tags that name an embedding: ours, and SwarmUI's, which knows both and gives neither a weight."""
_WEIGHT = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)")


@dataclass(frozen=True)
class TaggedText:
    """A prompt whose tags have been taken out."""

    text: str
    """With one private-use character for each embedding that was named."""
    named: dict[str, Named]
    """What each of these characters stands for."""
    left_out: tuple[str, ...]
    """The tags that mean nothing here, such as `<lora:x:1>`; they are no longer in the text."""

    def put_back(self, parts: list[Part]) -> list[Part]:
        """Puts the named embeddings into parsed text, with the weight that the text around them has."""
        return [piece for part in parts for piece in (self._pieces(part) if isinstance(part, Span) else [part])]

    def _pieces(self, span: Span) -> Iterator[Part]:
        if self.named.keys().isdisjoint(span.text):
            yield span
            return
        for text in re.split(f"([{''.join(self.named)}])", span.text):
            if text in self.named:
                named = self.named[text]
                yield Named(named.name, named.weight * span.weight)
            elif text:
                yield Span(text, span.weight)


def take_tags_out(text: str) -> TaggedText:
    """Takes `<embedding:name>`, `<embedding:name:weight>`, SwarmUI's `<embed:name>`, ComfyUI's `embedding:name` and
    every other `<kind:...>` out of a prompt.

    It is the first thing that is done with a prompt, for names may hold anything that the grammar has a meaning for.
    """
    free = (chr(code) for code in _PRIVATE_USE if chr(code) not in text)
    named: dict[str, Named] = {}
    left_out: list[str] = []

    def mark(match: re.Match[str]) -> str:
        name = _named(match)
        sign = next(free, None)
        if name is None or sign is None:
            left_out.append(match.group())
            return ""
        named[sign] = name
        return sign

    return TaggedText(_TAGS.sub(mark, text), named, tuple(left_out))


def _named(match: re.Match[str]) -> Named | None:
    """Returns the embedding that a tag names; None for a tag of another kind."""
    if match["plain"] is not None:
        return Named(match["plain"])
    if match["kind"].lower() not in _EMBEDDINGS:
        return None
    name, colon, weight = (piece.strip() for piece in match["content"].partition(":"))
    if not name or (colon and not (_WEIGHT.fullmatch(weight) and abs(float(weight)) <= MOST_WEIGHT)):
        return None
    return Named(name, float(weight) if colon else 1.0)
