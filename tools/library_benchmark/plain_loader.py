"""A straightforward loader, by the rules of A1111's `EmbeddingDatabase`: when the folder's time has changed, everything
is read again.

Written anew from a description of its behaviour. As there: all of each file is read into memory, tensors included;
names are tokenized one by one; subfolders are walked, but only the time of the topmost folder is looked at. Left out,
in its favour, is the SHA-256 of each file, which A1111 keeps on disk.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from PIL import Image

_PICTURES = (".png", ".webp", ".jxl", ".avif")

Tokenize = Callable[[str], list[int]]


@dataclass
class _Embedding:
    name: str
    vectors: dict[str, torch.Tensor]


class PlainLoader:
    """Every embedding below a folder."""

    def __init__(self, root: Path, tokenize: Tokenize) -> None:
        self._root = root
        self._tokenize = tokenize
        self._time: float | None = None
        self.embeddings: dict[str, _Embedding] = {}
        self._lookup: dict[int, list[tuple[list[int], _Embedding]]] = {}

    def refresh(self) -> None:
        """Reads everything if the folder has another time than when it was last read."""
        time = os.path.getmtime(self._root)
        if time == self._time:
            return
        self._time = time
        self.embeddings.clear()
        self._lookup.clear()
        for folder, _, names in os.walk(self._root, followlinks=True):
            for name in names:
                path = os.path.join(folder, name)
                if os.stat(path).st_size:
                    self._load(path)

    def find(self, ids: list[int]) -> list[str]:
        """Returns the names of the embeddings in a prompt's tokens."""
        found, position = [], 0
        while position < len(ids):
            for spelled, embedding in self._lookup.get(ids[position], ()):
                if ids[position : position + len(spelled)] == spelled:
                    found.append(embedding.name)
                    position += len(spelled)
                    break
            else:
                position += 1
        return found

    def _load(self, path: str) -> None:
        stem, ending = os.path.splitext(os.path.basename(path))
        data: dict[str, Any]
        if ending.lower() in _PICTURES:
            if os.path.splitext(stem)[1].lower() != ".preview":
                with Image.open(path) as image:
                    image.load()
            return
        if ending.lower() == ".safetensors":
            data = safetensors.torch.load_file(path)
        elif ending.lower() in (".pt", ".bin"):
            data = torch.load(path, map_location="cpu", weights_only=True)
        else:
            return
        if "string_to_param" in data:
            data = data["string_to_param"]
        embedding = _Embedding(stem, {key: rows.detach().to(torch.float32) for key, rows in data.items()})
        self.embeddings[stem] = embedding
        ids = self._tokenize(stem)
        rivals = [*self._lookup.get(ids[0], ()), (ids, embedding)]
        self._lookup[ids[0]] = sorted(rivals, key=lambda rival: len(rival[0]), reverse=True)
