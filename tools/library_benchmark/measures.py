"""What is measured, each in a process of its own."""

import gc
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import psutil

from ti_studio.embeddings.library.library import Library
from ti_studio.generation.request import GenerateRequest
from ti_studio.generation.words import EmbeddingLookup
from ti_studio.models.checkpoint.checkpoints import CheckpointInfo
from ti_studio.models.tokenizers import load_tokenizer, shared_tokenizer_folder
from ti_studio.prompts.chunks import WordIndex
from ti_studio.prompts.parser import PromptLexer
from ti_studio.prompts.tokens import PromptTokenizer
from tools.library_benchmark.plain_loader import PlainLoader

_SETTLED = 0.05
"""Seconds after which the library trusts a file's times."""
_TIMES = 21
_PROMPT_TOKENS = 300
_WORDS_IN_PROMPT = 12
_FILLING = "a photograph of an old house beside a river, in the evening, with trees and a boat, "
_FOR_SD1 = SimpleNamespace(widths={"clip_l": 768}, family=SimpleNamespace(name="SD 1"))


@dataclass(frozen=True)
class Place:
    """What is read."""

    root: Path
    cache: Path
    words: list[str]


@dataclass
class Timing:
    """Seconds by the clock and of the processor."""

    wall: float = 0.0
    cpu: float = 0.0


def timed(action: Callable[[], object]) -> Timing:
    """Returns how long an action takes."""
    wall, cpu = time.perf_counter(), time.process_time()
    action()
    return Timing(time.perf_counter() - wall, time.process_time() - cpu)


def median(timings: list[Timing]) -> Timing:
    """Returns the median of each of both."""
    return Timing(statistics.median(each.wall for each in timings), statistics.median(each.cpu for each in timings))


def ours(place: Place) -> dict[str, Any]:
    """Measures the library. Whether its start is a first one or a warm one depends on the cache."""
    library = Library(place.root, place.cache)
    before = _memory()
    told: dict[str, Any] = {"start": vars(timed(library.refresh)), "memory": _memory() - before}
    assert len(library.entries()) == len(place.words)
    told["unchanged"] = vars(median([timed(library.refresh) for _ in range(_TIMES)]))
    told["changed"] = vars(median([_timed_change(place.root, library.refresh) for _ in range(_TIMES)]))
    return told


def ours_in_prompts(place: Place) -> dict[str, Any]:
    """Measures looking up words: for the first prompt, for the next one, and for the first one after a change."""
    library = Library(place.root, place.cache)
    library.refresh()
    tokenizer = _tokenizer()
    book = EmbeddingLookup(PromptLexer(tokenizer))
    info = cast(CheckpointInfo, _FOR_SD1)
    usable = library.usable(_FOR_SD1.widths)
    request = GenerateRequest(prompt=_prompt(list(usable), tokenizer), steps=1)
    told: dict[str, Any] = {"first": vars(timed(lambda: book.open(library, info).read(request)))}
    assert len(book.open(library, info).read(request)[0].words) == _WORDS_IN_PROMPT
    told["prompt"] = vars(median([timed(lambda: book.open(library, info).read(request)) for _ in range(_TIMES)]))
    index = PromptLexer(tokenizer).index({word: entry.vectors_per_token or 0 for word, entry in usable.items()})
    ids = tokenizer.batch([request.prompt])[0]
    assert len(_found(index, ids)) == _WORDS_IN_PROMPT
    told["finding"] = vars(median([timed(lambda: _found(index, ids)) for _ in range(_TIMES)]))
    return told


def plain(place: Place) -> dict[str, Any]:
    """Measures the straightforward loader; it keeps nothing on the disk, so that each start is a first one."""
    tokenizer = _tokenizer()
    loader = PlainLoader(place.root, lambda name: tokenizer.batch([name])[0])
    before = _memory()
    told: dict[str, Any] = {"start": vars(timed(loader.refresh)), "memory": _memory() - before}
    told["unchanged"] = vars(median([timed(loader.refresh) for _ in range(_TIMES)]))
    ids = tokenizer.batch([_prompt(place.words, tokenizer)])[0]
    told["finding"] = vars(median([timed(lambda: loader.find(ids)) for _ in range(_TIMES)]))
    (place.root / "new.txt").touch()
    told["changed"] = vars(timed(loader.refresh))
    return told


def _timed_change(root: Path, refresh: Callable[[], object]) -> Timing:
    """Overwrites a file in a subfolder in place, and returns how long a refresh takes then."""
    path = next(path for path in sorted(root.rglob("*.safetensors")) if path.stat().st_size)
    path.write_bytes(path.read_bytes())
    time.sleep(_SETTLED)
    return timed(refresh)


def _prompt(words: list[str], tokenizer: PromptTokenizer) -> str:
    drawn = random.Random(1).sample(words, _WORDS_IN_PROMPT)
    text = ", ".join(drawn) + ", "
    while len(tokenizer.ids(text)) < _PROMPT_TOKENS:
        text += _FILLING
    return text


def _found(index: WordIndex, ids: list[int]) -> list[str]:
    found, position = [], 0
    while position < len(ids):
        word = index.match(ids, position)
        if word is not None:
            found.append(word.name)
        position += len(word.ids) if word else 1
    return found


def _tokenizer() -> PromptTokenizer:
    return load_tokenizer(shared_tokenizer_folder(), "clip_l")


def _memory() -> int:
    gc.collect()
    return psutil.Process().memory_info().rss


MEASURES: dict[str, Callable[[Place], dict[str, Any]]] = {
    "first": ours,
    "again": ours,
    "prompts": ours_in_prompts,
    "plain": plain,
}
