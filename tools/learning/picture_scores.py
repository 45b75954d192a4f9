"""How alike pictures are, and how well they show a text, as networks of others see it: DINOv2, SigLIP, CLIP."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

AT_ONCE = 16


@dataclass(frozen=True)
class Scores:
    """Mean cosines, -1 to 1."""

    image: float
    """Of each picture with each true one."""
    text: float | None
    """Of each picture with the text of its prompt; None for a network that reads no texts."""


class Network:
    """A network from a folder as transformers saves it; nothing is downloaded, and no pickle read."""

    def __init__(self, folder: Path, device: torch.device) -> None:
        """Loads it.

        Raises:
            OSError: something is missing in the folder.
        """
        local = {"local_files_only": True}
        model: Any = AutoModel.from_pretrained(folder, use_safetensors=True, dtype=torch.float32, **local)
        self._model: Any = model.to(device).eval()
        self._processor: Any = AutoImageProcessor.from_pretrained(folder, **local)
        self._device = device
        self.reads_texts = hasattr(model, "get_text_features")
        """Whether it has a text encoder beside the one for pictures."""
        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, **local) if self.reads_texts else None

    @torch.no_grad()
    def of_pictures(self, paths: Sequence[Path]) -> Tensor:
        """Returns the pictures' features, [n, width], each 1 long, float32 on the CPU."""
        parts = []
        for some in _parts(paths):
            pictures = [_opened(path) for path in some]
            inputs = self._processor(images=pictures, return_tensors="pt").to(self._device)
            parts.append(
                _pooled(self._model.get_image_features(**inputs) if self.reads_texts else self._model(**inputs))
            )
        return torch.cat(parts)

    @torch.no_grad()
    def of_texts(self, texts: Sequence[str]) -> Tensor:
        """Returns the texts' features, [n, width], each 1 long, float32 on the CPU."""
        length = self._model.config.text_config.max_position_embeddings
        parts = []
        for some in _parts(texts):
            inputs = self._tokenizer(  # SigLIP was trained on texts filled up to the full length; CLIP does not mind
                list(some), padding="max_length", max_length=length, truncation=True, return_tensors="pt"
            )
            parts.append(_pooled(self._model.get_text_features(input_ids=inputs["input_ids"].to(self._device))))
        return torch.cat(parts)

    def scores(self, painted: Sequence[Path], texts: Sequence[str], true: Sequence[Path]) -> Scores:
        """Compares painted pictures with true ones, and each with the text that stands for its prompt."""
        features = self.of_pictures(painted)
        image = float((features @ self.of_pictures(true).T).mean())
        if not self.reads_texts:
            return Scores(image, None)
        unlike = list(dict.fromkeys(texts))
        of_texts = self.of_texts(unlike)[[unlike.index(text) for text in texts]]
        return Scores(image, float((features * of_texts).sum(dim=-1).mean()))

    def among(self, true: Sequence[Path]) -> float:
        """Returns how alike the true pictures are to one another: what a perfect word would get."""
        features = self.of_pictures(true)
        count = len(true)
        return float(((features @ features.T).sum() - count) / max(1, count * (count - 1)))


def _pooled(output: Any) -> Tensor:
    """Returns a network's answer as features; for DINOv2 they are those of the class token."""
    features: Tensor = output if isinstance(output, Tensor) else output.pooler_output
    return torch.nn.functional.normalize(features.float(), dim=-1).cpu()


def _opened(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        return picture.convert("RGB")


def _parts(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), AT_ONCE):
        yield items[start : start + AT_ONCE]
