"""What previews show."""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from ti_studio.embeddings.embedding import Embedding
from ti_studio.embeddings.sidecars import preview_path
from ti_studio.generation.pipeline import Txt2ImgPipeline
from ti_studio.generation.request import GenerateRequest
from ti_studio.jobs.previews import give_card_its_picture, paint_previews
from ti_studio.models.loading import Model
from ti_studio.training.config.request import TrainRequest


@pytest.fixture
def word(tiny_model: Model) -> Embedding:
    width = tiny_model.encoders[0].width
    return Embedding("zzzz1234", {"clip_l": torch.randn(2, width, generator=torch.Generator().manual_seed(1))}, step=40)


def request(**changes: object) -> TrainRequest:
    lines = ["a photo of [name]", "[name] at night"]
    return TrainRequest(name="zzzz1234", **{"preview_prompts": lines, "preview_count": 2, **changes})  # type: ignore[arg-type]


def pixels(path: Path) -> bytes:
    with Image.open(path) as image:
        return image.tobytes()


def test_every_prompt_is_painted_with_the_same_seeds_in_order(
    tiny_model: Model, word: Embedding, tmp_path: Path
) -> None:
    told = list(paint_previews(Txt2ImgPipeline(tiny_model), request(preview_seed=7), tmp_path, [word]))

    assert [(made.index, made.prompt, made.seed) for made in told] == [
        (0, "a photo of zzzz1234", 7),
        (1, "a photo of zzzz1234", 8),
        (2, "zzzz1234 at night", 7),
        (3, "zzzz1234 at night", 8),
    ]
    assert [made.path for made in told] == [f"previews/000040-{index}.png" for index in range(4)]
    assert all((tmp_path / made.path).is_file() for made in told)


def test_a_word_for_the_negative_prompt_is_previewed_there(tiny_model: Model, word: Embedding, tmp_path: Path) -> None:
    asked: list[GenerateRequest] = []

    class Listening(Txt2ImgPipeline):
        def preview(self, embeddings: Sequence[Embedding], request: GenerateRequest, *others: Any) -> Any:
            asked.append(request)
            return super().preview(embeddings, request, *others)

    negative = request(preview_prompts="a house", preview_negative_prompt="[name], dark", preview_count=1)
    (made,) = paint_previews(Listening(tiny_model), negative, tmp_path, [word])
    plain = tmp_path / "plain"
    plain.mkdir()
    (without,) = paint_previews(
        Txt2ImgPipeline(tiny_model), request(preview_prompts="a house", preview_count=1), plain, [word]
    )

    assert (asked[0].prompt, asked[0].negative_prompt) == ("a house", "zzzz1234, dark")
    assert pixels(tmp_path / made.path) != pixels(plain / without.path)


@pytest.mark.parametrize("width", [60_000, 0])
def test_a_picture_beside_the_word_that_can_not_be_read_stays_and_ends_no_training(tmp_path: Path, width: int) -> None:
    """A person's, as far as anybody can tell; one of 60,000 pixels a side Pillow refuses in its own way."""
    (tmp_path / "job" / "previews").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(tmp_path / "job" / "previews" / "000040-0.png")
    header = struct.pack(">IIBBBBB", width, width, 8, 2, 0, 0, 0)
    broken = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + header
    broken += struct.pack(">I", zlib.crc32(b"IHDR" + header)) + struct.pack(">I", 0) + b"IDAT" + bytes(4)
    preview_path(tmp_path / "word.safetensors").write_bytes(broken)

    give_card_its_picture(tmp_path / "word.safetensors", tmp_path / "job")

    assert preview_path(tmp_path / "word.safetensors").read_bytes() == broken


def test_previews_know_every_word_of_the_training(tiny_model: Model, word: Embedding, tmp_path: Path) -> None:
    other = Embedding("yyyy5678", {encoder: -3 * rows for encoder, rows in word.vectors.items()}, step=40)

    def painted(folder: str, *words: Embedding) -> tuple[str, bytes]:
        (tmp_path / folder).mkdir()
        wanted = request(preview_prompts="[name] near yyyy5678", preview_count=1)
        (made,) = paint_previews(Txt2ImgPipeline(tiny_model), wanted, tmp_path / folder, words)
        return made.prompt, pixels(tmp_path / folder / made.path)

    both, changed, alone = (
        painted("a", word, other),
        painted("b", word, replace(word, name="yyyy5678")),
        painted("c", word),
    )

    assert both[0] == "zzzz1234 near yyyy5678"
    assert len({both, changed, alone}) == 3
