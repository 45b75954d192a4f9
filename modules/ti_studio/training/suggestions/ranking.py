"""Suggested initialization texts: the vocabulary's words by which a checkpoint finds a folder's pictures best."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

import torch
from torch import Tensor

from ti_studio.models.loading import Model
from ti_studio.training.cancellation import Check, go_on
from ti_studio.training.suggestions.samples import Trial, prepare_trial
from ti_studio.training.suggestions.words import MOST_WORDS, vocabulary_words

Round = tuple[int, int]
"""How many texts are tried, and on how many samples."""

ROUNDS: tuple[Round, ...] = ((2000, 2), (256, 8), (64, 16), (16, 32))
"""Successive halving: the best words so far are tried on more samples. What a round has tried is not tried again."""

PAIR_ROUNDS: tuple[Round, ...] = ((56, 8), (16, 32))
"""The same for pairs of words."""

PAIRED_WORDS = 8
"""Of the best words, those that are put together in pairs, in both orders."""


@dataclass(frozen=True)
class SuggestionOptions:
    """How suggestions are looked for."""

    count: int = 5
    """How many are returned at most."""
    current: str = ""
    """A text whose loss is to be told beside; empty: none."""
    seconds: float = 15.0
    """After this time, what is known so far is the answer; the checkpoint is loaded before."""
    longest: int = 2
    """Words of a suggestion at most, 1 or 2. A word of one vector has room for one."""
    seed: int = 0
    most_words: int = MOST_WORDS
    """Of the vocabulary's commonest words, how many are tried."""


@dataclass(frozen=True)
class Suggestion:
    """A text, and how badly the checkpoint finds the noise in the pictures when it is told this."""

    text: str
    loss: float
    """The mean squared error over the same noisy pictures as all others'."""


@dataclass(frozen=True)
class Suggestions:
    """What was found."""

    best: tuple[Suggestion, ...]
    """The lowest loss first."""
    current: Suggestion | None
    """The given text; None without one."""
    pictures: int
    words: int
    """Words of the vocabulary that were tried."""
    samples: int
    """Noisy pictures that the losses are means over."""
    complete: bool
    """Whether the time sufficed for all that was to be tried. Then the seed alone decides what is found."""


class _Budget:
    """The time that is left, divided by the work that is left."""

    def __init__(self, seconds: float, work: int) -> None:
        """Begins now; work is a number of texts on samples."""
        self._end = time.monotonic() + seconds
        self._work = work

    def until(self, work: int) -> float:
        """Returns when a part of the work has to be done."""
        now = time.monotonic()
        share = work / max(self._work, work, 1)
        self._work -= work
        return now + (self._end - now) * share


class _Ranking:
    """Texts with the losses that are known of them: all those in it on the same samples."""

    def __init__(self, texts: Sequence[str], held: Sequence[str] = ()) -> None:
        """Takes the texts, and others that stand before them and are never dropped."""
        self.texts = [*held, *texts]
        self.losses = torch.zeros(len(self.texts), 0)
        """[texts, samples]"""
        self.complete = True
        """Whether all of a round's texts could be tried, in each round so far."""
        self._held = len(held)

    @property
    def samples(self) -> int:
        return self.losses.shape[1]

    def run(self, trial: Trial, rounds: Sequence[Round], budget: _Budget, check: Check) -> None:
        """Keeps the best texts, and tries these on more samples, round by round.

        Texts that the time does not suffice for are dropped. If it is over before any was tried, all stay as they were.
        """
        for count, samples in rounds:
            free = self.losses[self._held :]
            best = free.mean(dim=1).argsort(stable=True) if self.samples else torch.arange(len(free))
            self._keep([*range(self._held), *(best[:count] + self._held).tolist()])
            if samples > self.samples:
                self._extend(trial, samples, budget.until(len(self.texts) * (samples - self.samples)), check)

    def _extend(self, trial: Trial, samples: int, until: float, check: Check) -> None:
        """Tries text after text on samples up to this number, until a time; the first ones in any case, if none has a
        loss yet."""
        new_losses: list[Tensor] = []
        tried = 0
        while tried < len(self.texts):
            batch = self.texts[tried : tried + trial.at_once]
            must = not (new_losses or self.samples)
            columns: list[Tensor] = []
            for column in trial.losses(batch, slice(self.samples, samples)):
                columns.append(column)
                check()
                if time.monotonic() > until and not must:
                    break
            if len(columns) < samples - self.samples:
                break
            new_losses.append(torch.stack(columns, dim=1))
            tried += len(batch)
        self.complete &= tried == len(self.texts)
        if new_losses:
            self._keep(list(range(tried)))
            self.losses = torch.cat([self.losses, torch.cat(new_losses)], dim=1)

    def results(self) -> list[Suggestion]:
        """Returns all texts with their mean losses, in order."""
        means = self.losses.double().mean(dim=1).tolist()
        return [Suggestion(text, loss) for text, loss in zip(self.texts, means, strict=True)]

    def best(self, count: int) -> list[str]:
        """Returns the best texts but for those that are held."""
        return [each.text for each in sorted(self.results()[self._held :], key=_loss)[:count]]

    def _keep(self, places: list[int]) -> None:
        self.texts = [self.texts[place] for place in places]
        self.losses = self.losses[torch.tensor(places, dtype=torch.long)]


def suggest(model: Model, folder: Path, options: SuggestionOptions | None = None, check: Check = go_on) -> Suggestions:
    """Ranks the vocabulary's words, and pairs of the best of them, by denoising loss on a folder of pictures.

    Every text is tried with the same noisy pictures, in forward passes alone: all words on few of them, the best ones
    on more.

    Args:
        model: the loaded checkpoint.
        folder: the pictures; captions beside them are not heeded.
        options: how to look.
        check: called after each forward pass; what it raises ends the search.

    Raises:
        StudioError: there is no such folder, or no picture in it can be used.
    """
    options = options or SuggestionOptions()
    began = time.monotonic()
    trial, dataset = prepare_trial(model, folder, ROUNDS[-1][1], options.seed)
    words = vocabulary_words(model.encoders[0], options.most_words)
    current = [text] if (text := options.current.strip()) else []
    pair_rounds = PAIR_ROUNDS if options.longest > 1 else ()
    work = _work(ROUNDS, len(words)) + _work(pair_rounds, PAIR_ROUNDS[0][0])
    budget = _Budget(options.seconds - (time.monotonic() - began), work)
    singles = _Ranking(words, current)
    singles.run(trial, ROUNDS, budget, check)
    results, complete = singles.results(), singles.complete
    if options.longest > 1:
        pairs = _Ranking([" ".join(pair) for pair in permutations(singles.best(PAIRED_WORDS), 2)])
        # No more samples than the words had: only then the losses can be compared.
        rounds = [(count, min(samples, singles.samples)) for count, samples in PAIR_ROUNDS]
        pairs.run(trial, rounds, budget, check)
        complete &= pairs.complete
        results += pairs.results() if pairs.samples == singles.samples else []
    best = tuple(sorted(results[len(current) :], key=_loss)[: options.count])
    beside = results[0] if current else None
    return Suggestions(best, beside, len(dataset.samples), len(words), singles.samples, complete)


def _loss(suggestion: Suggestion) -> float:
    return suggestion.loss


def _work(rounds: Sequence[Round], texts: int) -> int:
    """Returns how many texts on samples a ranking's rounds try, if it has so many texts to begin with."""
    before = [0, *(samples for _, samples in rounds)]
    return sum(min(count, texts) * (samples - had) for (count, samples), had in zip(rounds, before, strict=False))
