"""The prompts that a training draws from: templates and captions, tokenized."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from ti_studio.errors import StudioError
from ti_studio.prompts.chunks import Chunk, WordIndex, chunk_prompt
from ti_studio.prompts.grammar import literal
from ti_studio.prompts.tokens import PromptTokenizer
from ti_studio.training.data.caption_variation import draw_caption, is_drawn, readings, with_special_tokens
from ti_studio.training.data.captions import FILEWORDS, NAME, PromptTemplate
from ti_studio.training.data.dataset import Dataset, Sample

Prompt = tuple[Chunk, ...]

CAPTION_ALONE = PromptTemplate(Path("captions"), (FILEWORDS,))
"""The template of a training whose captions are its prompts."""

_SHOWN = 8
"""Files that a message names before it only counts."""


class WordNotInPrompt(StudioError):
    """A training prompt in which the word can't be found, and which would teach it nothing."""


@dataclass(frozen=True)
class PromptReader:
    """Tokenizes training prompts, each text once. Captions are literal: brackets in them are no emphasis."""

    names: tuple[str, ...]
    """The learned words, the training's first one first."""
    tokenizer: PromptTokenizer
    words: WordIndex
    _known: dict[str, Prompt] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str, vectors: int, tokenizer: PromptTokenizer) -> "PromptReader":
        """Makes a reader that finds one learned word."""
        return cls.of_words({name: vectors}, tokenizer)

    @classmethod
    def of_words(cls, vectors: Mapping[str, int], tokenizer: PromptTokenizer) -> "PromptReader":
        """Makes a reader that finds learned words, each of so many vectors."""
        return cls(tuple(vectors), tokenizer, WordIndex.of(vectors, tokenizer))

    def read(self, text: str) -> Prompt:
        """Returns the chunks of a prompt."""
        if text not in self._known:
            self._known[text] = chunk_prompt(literal(text), self.tokenizer, self.words)
        return self._known[text]

    def found_in(self, text: str) -> set[str]:
        """Returns the learned words that the prompt, once tokenized, holds."""
        return {placement.name for chunk in self.read(text) for placement in chunk.placements}


@dataclass(frozen=True)
class PicturePrompts:
    """The prompts that a picture may be shown with."""

    sample: Sample
    template: PromptTemplate
    reader: PromptReader
    background: str = ""
    """Words behind every prompt for what stands behind the thing; empty: nothing is said of it."""

    @property
    def word(self) -> str:
        """The word that `[name]` stands for."""
        return self.sample.options.word or self.reader.names[0]

    def draw(self, generator: torch.Generator, done: tuple[int, int] | None = None) -> Prompt:
        """Returns the prompt of one look: one of the template's lines, with the caption as it is drawn.

        Args:
            drawn: what is random is drawn from it.
            done: how many steps of how many are made, for captions whose tags come in one after the other; None has
                them all.
        """
        line = int(torch.randint(len(self.template.lines), (1,), generator=generator))
        caption, options = self.sample.caption, self.sample.options
        if is_drawn(caption, options):
            warmup_fraction = 1.0 if done is None else _warmup_fraction(options.token_warmup_step, *done)
            caption = draw_caption(caption, options, self.reader.names, generator, warmup_fraction)
            if not caption and self.template is CAPTION_ALONE and not options.is_reg:
                caption = self._left_of_caption()  # a prompt without the word would teach it nothing
        else:
            caption = with_special_tokens(caption, options)
        return self.reader.read(self._before_background(self.template.prompt(line, self.word, caption)))

    def _before_background(self, prompt: str) -> str:
        return f"{prompt} {self.background}" if self.background else prompt

    def _left_of_caption(self) -> str:
        """Returns what stays of a caption that is dropped: the words that it names; else the picture's own."""
        named = self.reader.found_in(with_special_tokens(self.sample.caption, self.sample.options))
        return ", ".join(name for name in self.reader.names if name in named) or NAME

    def texts(self) -> list[str]:
        """Returns the prompts with nothing left out, for each reading of the caption's wildcards."""
        return [
            self._before_background(text)
            for caption in readings(self.sample.caption, self.sample.options)
            for text in self.template.prompts(self.word, caption)
        ]


def tokenize_prompts(
    dataset: Dataset, template: PromptTemplate, reader: PromptReader, backgrounds: Mapping[Path, str] | None = None
) -> tuple[PicturePrompts, ...]:
    """Returns the prompts of each picture in the dataset's order. Those of regularisation pictures are their captions,
    and need not hold the word.

    Args:
        dataset: the pictures.
        template: what their captions are put into.
        reader: tokenizes.
        backgrounds: words for what stands behind the thing, by pictures.

    Raises:
        WordNotInPrompt: a prompt, once tokenized, does not hold the picture's word.
    """
    behind = backgrounds or {}
    prompts = tuple(
        PicturePrompts(
            sample, CAPTION_ALONE if sample.options.is_reg else template, reader, behind.get(sample.path, "")
        )
        for sample in dataset.samples
    )
    for picture in prompts:
        texts = picture.texts()
        if picture.sample.options.is_reg or template is CAPTION_ALONE:
            continue
        for text in texts:
            if picture.word not in reader.found_in(text):
                raise WordNotInPrompt(
                    f"The prompt {text!r} (for {picture.sample.path.name}) does not hold the word {picture.word!r}: "
                    "what stands beside it runs into it. Put a space around [name] in the template."
                )
    return prompts


def check_every_word(prompts: Sequence[PicturePrompts], reader: PromptReader) -> None:
    """Checks that there is something to learn for each of several words.

    Raises:
        WordNotInPrompt: no prompt holds one of them; those of regularisation pictures do not count.
    """
    if len(reader.names) == 1:  # every picture's prompts have been looked at
        return
    texts = (text for picture in prompts if not picture.sample.options.is_reg for text in picture.texts())
    present = set().union(*(reader.found_in(text) for text in texts))
    missing = [repr(name) for name in reader.names if name not in present]
    if missing:
        raise WordNotInPrompt(
            f"No prompt holds the word {' nor '.join(missing)}, which would learn nothing. Expected every word of the "
            "training in some caption, or as the word of a folder."
        )


def keep_captions_with_word(dataset: Dataset, reader: PromptReader) -> tuple[Dataset, list[str]]:
    """Leaves out the pictures whose captions would teach no word anything, where captions are the prompts.

    Returns:
        The dataset without them, and what to tell of them and of captions that hold the word only now and then.

    Raises:
        WordNotInPrompt: no caption holds the word.
    """
    word = " or ".join(map(repr, reader.names))
    never: list[Sample] = []
    sometimes: list[Sample] = []
    for sample in dataset.samples:
        has_word = [bool(reader.found_in(text)) for text in PicturePrompts(sample, CAPTION_ALONE, reader).texts()]
        if not sample.options.is_reg and not all(has_word):
            (sometimes if any(has_word) else never).append(sample)
    kept = tuple(sample for sample in dataset.samples if sample not in never)
    if all(sample.options.is_reg for sample in kept):
        raise WordNotInPrompt(
            f"No caption holds the word {word}: {_named(never)}. Expected it in every caption, such as "
            f"“{reader.names[0]}, {_short(never[0].caption) if never else 'on a table'}”."
        )
    warnings = []
    if never:
        warnings.append(
            f"{len(never)} of {len(dataset.samples)} captions do not hold the word {word} and would teach it "
            f"nothing; their pictures are left out: {_named(never)}."
        )
    if sometimes:
        warnings.append(f"The wildcards leave the word {word} out now and then: {_named(sometimes)}.")
    return replace(dataset, samples=kept), warnings


def _warmup_fraction(warmup: float, made: int, steps: int) -> float:
    """Returns the share of a warm-up that is over; below 1 it is a part of all steps."""
    length = int(warmup * steps) if warmup < 1 else int(warmup)
    return min(1.0, made / length) if length else 1.0


def _named(samples: Sequence[Sample]) -> str:
    more = f" and {len(samples) - _SHOWN} more" if len(samples) > _SHOWN else ""
    return ", ".join(sample.path.name for sample in samples[:_SHOWN]) + more


def _short(text: str) -> str:
    text = re.sub(r"\s+", " ", text)
    return text if len(text) <= 40 else text[:39] + "…"  # noqa: PLR2004 - a line's worth
