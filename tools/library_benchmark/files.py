"""Writes thousands of embeddings as people have them: of several layouts and families, in folders, with previews."""

import io
import itertools
import json
import random
from collections.abc import Iterator
from pathlib import Path

import safetensors.torch
import torch
from PIL import Image

_SYLLABLES = [first + second for first in "bdfgklmnprstvz" for second in "aeiou"]
_FOLDERS = 10
_SUBFOLDERS = 10
_PREVIEW_EVERY = 5
_NOTES_EVERY = 10
_REQUEST = json.dumps({f"option_{number}": number / 7 for number in range(100)})
"""As long as a TrainRequest."""


def write_library(root: Path, count: int) -> list[str]:
    """Writes `count` embeddings below `root`, in a hundred folders two deep; returns their words."""
    drawn = random.Random(0)
    contents = itertools.cycle(_contents())
    picture = _preview()
    words: list[str] = []
    for number in range(count):
        word = f"{''.join(drawn.choices(_SYLLABLES, k=4))}-{number}"
        folder = root / f"artist {number % _FOLDERS}" / f"set {number // _FOLDERS % _SUBFOLDERS}"
        folder.mkdir(parents=True, exist_ok=True)
        ending, content = next(contents)
        (folder / f"{word}{ending}").write_bytes(content)
        if number % _PREVIEW_EVERY == 0:
            (folder / f"{word}.preview.png").write_bytes(picture)
        if number % _NOTES_EVERY == 0:
            (folder / f"{word}.json").write_text('{"description": "a word", "preferred weight": 0.8}')
        words.append(word)
    return words


def _contents() -> Iterator[tuple[str, bytes]]:
    """Yields endings and contents: half of them `.pt` in both of torch's forms, a fourth SDXL's."""
    about = {"ti_studio.trigger": "word", "ti_studio.step": "500", "ti_studio.request": _REQUEST}
    for vectors in (1, 2, 4, 8):
        rows = torch.randn(vectors, 768)
        a1111 = {"string_to_token": {"*": 265}, "string_to_param": {"*": rows}, "name": "word", "step": 500}
        for as_zip in (True, False):
            file = io.BytesIO()
            torch.save(a1111, file, _use_new_zipfile_serialization=as_zip)
            yield ".pt", file.getvalue()
        yield ".safetensors", safetensors.torch.save({"emb_params": rows}, about)
        sdxl = {"clip_l": rows, "clip_g": torch.randn(vectors, 1280)}
        yield ".safetensors", safetensors.torch.save(sdxl, about)


def _preview() -> bytes:
    file = io.BytesIO()
    Image.effect_noise((256, 256), 50).convert("RGB").save(file, "PNG")
    return file.getvalue()
