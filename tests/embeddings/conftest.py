"""Embeddings of each family, with rows that are easy to tell apart."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from ti_studio.embeddings.embedding import Embedding
from ti_studio.embeddings.library import scanner as scanner_module

Make = Callable[..., Embedding]


@pytest.fixture
def make() -> Make:
    """Makes an embedding: `make("cat", clip_l=(2, 96), step=5)`; its rows are drawn with a fixed seed."""

    def made(name: str = "cat", step: int | None = None, **shapes: tuple[int, int]) -> Embedding:
        generator = torch.Generator().manual_seed(7)
        shapes = shapes or {"clip_l": (2, 96)}
        vectors = {encoder: torch.randn(shape, generator=generator) for encoder, shape in shapes.items()}
        return Embedding(name, vectors, step, {"ti_studio.trigger": name})

    return made


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that the library has opened."""
    names: list[str] = []
    original = scanner_module.summarize_embedding

    def noted(path: Path) -> object:
        names.append(path.name)
        return original(path)

    monkeypatch.setattr(scanner_module, "summarize_embedding", noted)
    return names
