"""The prompts that a training draws from."""

from pathlib import Path

import pytest
import torch

from ti_studio.models.loading import Model
from ti_studio.prompts.chunks import chunk_prompt
from ti_studio.prompts.grammar import literal
from ti_studio.training.config.dataset import DatasetFolder
from ti_studio.training.data.captions import PromptTemplate
from ti_studio.training.data.dataset import Dataset, scan_dataset
from ti_studio.training.data.prompts import (
    CAPTION_ALONE,
    PicturePrompts,
    PromptReader,
    WordNotInPrompt,
    keep_captions_with_word,
    tokenize_prompts,
)


@pytest.fixture
def reader(tiny_model: Model) -> PromptReader:
    return PromptReader.of("zzzz1234", 2, tiny_model.encoders[0].tokenizer)


def scanned(pictures: Path, captions: list[str], **options: object) -> Dataset:
    for index, caption in enumerate(captions):
        (pictures / f"{index}.txt").write_text(caption)
    folder = DatasetFolder(directory=str(pictures), **options)  # type: ignore[arg-type]
    return scan_dataset(pictures, (32, 32), folder)


def draws(prompts: PicturePrompts, count: int = 40) -> set[object]:
    generator = torch.Generator().manual_seed(0)
    return {prompts.draw(generator) for _ in range(count)}


def test_captions_without_the_word_are_named_and_left_out(pictures: Path, reader: PromptReader) -> None:
    dataset = scanned(pictures, ["a zzzz1234, red", "green ball", "{zzzz1234|ball} in blue"], enable_wildcard=True)

    kept, told = keep_captions_with_word(dataset, reader)

    assert [sample.path.name for sample in kept.samples] == ["0.png", "2.png"]
    assert told[0].startswith("1 of 3 captions do not hold the word 'zzzz1234'") and told[0].endswith(
        "left out: 1.png."
    )
    assert told[1] == "The wildcards leave the word 'zzzz1234' out now and then: 2.png."


def test_no_caption_with_the_word_is_refused_with_the_files(pictures: Path, reader: PromptReader) -> None:
    with pytest.raises(WordNotInPrompt, match=r"No caption holds the word 'zzzz1234': 0\.png, 1\.png, 2\.png"):
        keep_captions_with_word(scanned(pictures, []), reader)


def test_a_dropped_caption_leaves_the_word(pictures: Path, reader: PromptReader) -> None:
    sample = scanned(pictures, ["zzzz1234, red"], caption_dropout_rate=1.0).samples[0]
    template = PromptTemplate(Path("x"), ("a photo of [name], [filewords]",))

    assert draws(PicturePrompts(sample, CAPTION_ALONE, reader)) == {reader.read("zzzz1234")}
    assert draws(PicturePrompts(sample, template, reader)) == {reader.read("a photo of zzzz1234")}


def test_prompts_are_drawn_with_the_captions_variations(pictures: Path, reader: PromptReader) -> None:
    sample = scanned(pictures, ["a, b"], shuffle_caption=True).samples[0]
    template = PromptTemplate(Path("x"), ("[name], [filewords]", "[name]"))

    found = draws(PicturePrompts(sample, template, reader))

    assert found == {reader.read(text) for text in ("zzzz1234, a, b", "zzzz1234, b, a", "zzzz1234")}


def test_the_caption_of_a_regularisation_picture_is_its_prompt(
    pictures: Path, tiny_model: Model, reader: PromptReader
) -> None:
    dataset = scanned(pictures, ["a red ball"], is_reg=True)
    tokenizer = tiny_model.encoders[0].tokenizer

    prompts = tokenize_prompts(dataset, PromptTemplate(Path("x"), ("[name]",)), reader)

    assert draws(prompts[0]) == {chunk_prompt(literal("a red ball"), tokenizer, reader.words)}
