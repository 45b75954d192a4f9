"""What is drawn anew in a caption at every look: the order of its tags, wildcards, what is left out."""

import itertools
import re
from collections.abc import Callable, Collection, Iterator

import torch

from ti_studio.training.config.dataset import DatasetOptions
from ti_studio.training.data.captions import NAME

MOST_READINGS = 64
"""Readings of a caption's wildcards that are looked at before a training."""

_CHOICE = re.compile(r"(?<!\{)\{([^{}]*)\}(?!\})")


def is_drawn(caption: str, options: DatasetOptions) -> bool:
    """Tells whether a caption may be another one at every look."""
    wildcards = options.enable_wildcard and ("\n" in caption or _CHOICE.search(caption) is not None)
    drops = options.caption_dropout_rate > 0 or options.caption_tag_dropout_rate > 0 or options.token_warmup_step > 0
    separators = (options.keep_tokens_separator, options.secondary_separator)
    divided = any(separator and separator in caption for separator in separators)
    return wildcards or drops or options.shuffle_caption or divided


def with_special_tokens(caption: str, options: DatasetOptions) -> str:
    """Returns the caption, each line of it, with the prefix and the suffix."""
    return "\n".join(
        " ".join(part for part in (options.caption_prefix, line, options.caption_suffix) if part)
        for line in caption.split("\n")
    )


def readings(caption: str, options: DatasetOptions) -> Iterator[str]:
    """Yields what the caption's wildcards can make of it, the first 64 at most, with all tags in their order."""
    variants = itertools.islice(_readings(with_special_tokens(caption, options), options), MOST_READINGS)
    return (_joined(_divided(reading, options), options) for reading in variants)


def _readings(caption: str, options: DatasetOptions) -> Iterator[str]:
    if not options.enable_wildcard:
        yield caption
        return
    for line in caption.split("\n"):
        pieces = _CHOICE.split(line)
        choices = [piece.split("|") if index % 2 else [piece] for index, piece in enumerate(pieces)]
        yield from (_unescaped("".join(chosen)) for chosen in itertools.product(*choices))


def draw_caption(
    caption: str,
    options: DatasetOptions,
    words: Collection[str],
    generator: torch.Generator,
    warmup_fraction: float = 1.0,
) -> str:
    """Returns the caption of one look; a tag with one of the words in it is never left out.

    In the order of sd-scripts: prefix and suffix, dropping the whole caption, wildcards, the tags' order, the tags that
    have not come in yet (`warmup_fraction` of their warm-up is over), dropping tags. A dropped caption
    is empty.
    """

    def chance() -> float:
        return float(torch.rand((), generator=generator))

    caption = with_special_tokens(caption, options)
    if options.caption_dropout_rate and chance() < options.caption_dropout_rate:
        return ""
    if options.enable_wildcard:
        caption = _draw_wildcards(caption, chance)
    begin, free, end = _divided(caption, options)
    if options.shuffle_caption:
        free = [free[int(index)] for index in torch.randperm(len(free), generator=generator)]
    if options.token_warmup_step and warmup_fraction < 1:
        least = min(options.token_warmup_min, len(free))
        there = least + int(warmup_fraction * (len(free) - least))
        free = [tag for index, tag in enumerate(free) if index < there or _holds(tag, words)]
    if options.caption_tag_dropout_rate:
        free = [tag for tag in free if chance() >= options.caption_tag_dropout_rate or _holds(tag, words)]
    return _joined((begin, free, end), options)


def _divided(caption: str, options: DatasetOptions) -> tuple[list[str], list[str], list[str]]:
    """Returns the tags that stay at the beginning, those that are free, and those that stay at the end."""
    as_tags = options.shuffle_caption or options.caption_tag_dropout_rate or options.token_warmup_step
    if not (as_tags or options.keep_tokens_separator):
        return [caption], [], []

    def tags(text: str) -> list[str]:
        return [tag.strip() for tag in text.split(options.caption_separator)]

    separator = options.keep_tokens_separator
    if separator and separator in caption:
        begin, free, *end = ([tag for tag in tags(part) if tag] for part in caption.split(separator, 2))
        return begin, free, [tag for part in end for tag in part]
    all_tags = tags(caption)
    return all_tags[: options.keep_tokens], all_tags[options.keep_tokens :], []


def _joined(divided: tuple[list[str], list[str], list[str]], options: DatasetOptions) -> str:
    begin, free, end = divided
    caption = f"{options.caption_separator} ".join([*begin, *free, *end])
    if options.secondary_separator:
        caption = caption.replace(options.secondary_separator, options.caption_separator)
    return caption


def _draw_wildcards(caption: str, chance: Callable[[], float]) -> str:
    lines = caption.split("\n")
    line = lines[int(chance() * len(lines))]

    def choose(match: re.Match[str]) -> str:
        choices = match.group(1).split("|")
        return choices[int(chance() * len(choices))]

    return _unescaped(_CHOICE.sub(choose, line))


def _unescaped(text: str) -> str:
    return text.replace("{{", "{").replace("}}", "}")


def _holds(tag: str, words: Collection[str]) -> bool:
    return NAME in tag or any(word.lower() in tag.lower() for word in words)
