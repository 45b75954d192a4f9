"""Several words in one training."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from tests.training.test_run import request, run
from ti_studio.embeddings.formats.files import read_embedding, write_embedding
from ti_studio.models.loading import Model
from ti_studio.training import events
from ti_studio.training.config.concept import Concept
from ti_studio.training.config.dataset import DatasetFolder
from ti_studio.training.config.request import TrainRequest
from ti_studio.training.data.captions import PromptTemplate
from ti_studio.training.data.dataset import scan_dataset
from ti_studio.training.data.prompts import CAPTION_ALONE, PicturePrompts, PromptReader, WordNotInPrompt
from ti_studio.training.output.initialization import initial_embedding, initial_rows
from ti_studio.training.output.publishing import NameTaken
from ti_studio.training.preparation import RunPaths

FIRST, SECOND = "zzzz1234", "yyyy5678"
MORE = (f"{SECOND} : red cat : 3",)

Draw = Callable[[Path, list[str]], Path]


def two_folders(draw: Draw, tmp_path: Path, colours: int = 2) -> tuple[dict[str, str], ...]:
    """Draws a folder of pictures for each word."""
    first = draw(tmp_path / "first", ["red", "green"][:colours])
    second = draw(tmp_path / "second", ["blue", "yellow"][:colours])
    return ({"directory": str(first)}, {"directory": str(second), "word": SECOND})


def written(place: RunPaths, name: str) -> torch.Tensor:
    return read_embedding(place.embeddings / f"{name}.safetensors").vectors["clip_l"]


@pytest.mark.parametrize("family", ["tiny_model", "tiny_sdxl"])
def test_two_words_are_taught_from_two_folders_and_each_file_is_its_own(
    family: str, place: RunPaths, draw: Draw, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    model: Model = request.getfixturevalue(family)
    wanted = asked(folders=two_folders(draw, tmp_path), save_every=3, validation_every=3, keep_best=True)

    told = run(wanted, model, place)

    paths = [place.embeddings / f"{name}.safetensors" for name in (FIRST, SECOND)]
    best = [event for event in told if isinstance(event, events.Validated)][-1].best_step
    assert told[-1] == events.Finished(6, str(paths[0]), more_paths=(str(paths[1]),))
    assert sorted(path.name for path in (place.job / "snapshots").iterdir()) == sorted(
        f"{name}{part}.safetensors" for name in (FIRST, SECOND) for part in ("", "-000003", "-000006", "-best")
    )
    for path, text, count in zip(paths, ("tree", "red cat"), (2, 3), strict=True):
        word = read_embedding(path)
        assert (word.step, word.vectors_per_token) == (best, count)
        assert word.metadata["ti_studio.trigger"] == path.stem
        assert word.metadata["ti_studio.initialization_text"] == text
        assert [one["name"] for one in json.loads(word.metadata["ti_studio.request"])["more_words"]] == [SECOND]
        for encoder in model.encoders:
            start = initial_rows(encoder, text, count)
            assert (word.vectors[encoder.key] != start).any(dim=-1).all()


def asked(**changes: object) -> TrainRequest:
    return request(more_words=MORE, **changes)


def test_a_picture_teaches_the_words_of_its_prompt_and_no_other(
    tiny_model: Model, place: RunPaths, draw: Draw, tmp_path: Path
) -> None:
    def moved(*folders: dict[str, str]) -> list[bool]:
        run(asked(folders=folders, batch_size=1, max_steps=1, overwrite=True), tiny_model, place)
        (place.job / "state.safetensors").unlink()
        starts = [initial_rows(tiny_model.encoders[0], "tree", 2), initial_rows(tiny_model.encoders[0], "red cat", 3)]
        return [
            not torch.equal(written(place, name), start) for name, start in zip((FIRST, SECOND), starts, strict=True)
        ]

    apart = two_folders(draw, tmp_path, colours=1)
    together = draw(tmp_path / "both", ["green"])
    (together / "0.txt").write_text(f"{SECOND} beside it")

    assert sum(moved(*apart)) == 1
    assert moved({"directory": str(together)}) == [True, True]


def test_two_words_stopped_and_resumed_are_the_same_to_the_last_bit(
    tiny_model: Model, place: RunPaths, draw: Draw, tmp_path: Path
) -> None:
    options = {"validation_every": 2, "keep_best": True, "ema_decay": 0.9, "context_weight": 0.1, "init_weight": 0.1}
    wanted = asked(folders=two_folders(draw, tmp_path), save_every=2, **options)
    files = [place.embeddings / f"{name}.safetensors" for name in (FIRST, SECOND)]
    run(wanted, tiny_model, place)
    uninterrupted = [path.read_bytes() for path in files]
    for path in files:
        path.unlink()
    other = replace(place, job=tmp_path / "other")
    other.job.mkdir()

    stopped = run(wanted, tiny_model, other, stop_after=3)
    run(wanted, tiny_model, other)

    assert stopped[-1] == events.Stopped(3)
    assert [path.read_bytes() for path in files] == uninterrupted
    # Killed between two files, a training goes on and knows the one that is there already.
    files[1].unlink()
    run(wanted, tiny_model, other)
    assert [path.read_bytes() for path in files] == uninterrupted


def test_a_word_that_no_prompt_holds_is_refused_before_the_first_step(tiny_model: Model, place: RunPaths) -> None:
    with pytest.raises(WordNotInPrompt, match=rf"No prompt holds the word '{SECOND}', which would learn nothing"):
        run(asked(), tiny_model, place)

    assert list(place.embeddings.iterdir()) == []


def test_no_word_is_written_where_one_of_the_names_was_taken_meanwhile(
    tiny_model: Model, place: RunPaths, draw: Draw, tmp_path: Path
) -> None:
    other = place.embeddings / f"{SECOND}.pt"
    write_embedding(initial_embedding(SECOND, tiny_model.encoders, "tree", 1), other)

    with pytest.raises(NameTaken, match=rf"The name '{SECOND}' is taken"):
        run(asked(folders=two_folders(draw, tmp_path), max_steps=1), tiny_model, place)

    assert list(place.embeddings.iterdir()) == [other]


def test_each_word_may_start_from_a_file(tiny_model: Model, place: RunPaths, draw: Draw, tmp_path: Path) -> None:
    start = initial_embedding("start", tiny_model.encoders, "blue bird", 3)
    write_embedding(start, tmp_path / "start.safetensors")
    more = ({"name": SECOND, "vectors_per_token": 3, "initialization_file": str(tmp_path / "start.safetensors")},)

    run(
        request(more_words=more, folders=two_folders(draw, tmp_path), learning_rate="1e-9", max_steps=1),
        tiny_model,
        place,
    )

    assert torch.allclose(written(place, SECOND), start.vectors["clip_l"], atol=1e-6)


def test_what_is_left_of_a_caption_are_the_words_that_it_names(tiny_model: Model, pictures: Path) -> None:
    reader = PromptReader.of_words({FIRST: 2, SECOND: 3}, tiny_model.encoders[0].tokenizer)
    (pictures / "0.txt").write_text(f"a house, near {SECOND}, at night")
    (pictures / "1.txt").write_text("a house")

    def drawn(picture: int, template: PromptTemplate = CAPTION_ALONE, **options: object) -> object:
        folder = DatasetFolder(directory=str(pictures), **options)  # type: ignore[arg-type]
        sample = scan_dataset(pictures, (32, 32), folder).samples[picture]
        return PicturePrompts(sample, template, reader).draw(torch.Generator().manual_seed(0))

    template = PromptTemplate(Path("x"), ("[name], [filewords]",))
    assert drawn(0, caption_dropout_rate=1.0) == reader.read(SECOND)
    assert drawn(1, caption_dropout_rate=1.0) == reader.read(FIRST)
    assert drawn(1, caption_dropout_rate=1.0, word=SECOND) == reader.read(SECOND)
    assert drawn(0, caption_tag_dropout_rate=1.0) == reader.read(f"near {SECOND}")
    assert drawn(1, template) == reader.read(f"{FIRST}, a house")
    assert drawn(1, template, word=SECOND) == reader.read(f"{SECOND}, a house")


def test_words_are_written_as_lines() -> None:
    (word,) = asked().more_words
    lines = f"{SECOND} : red cat : 3\n\nxxxx\n wwww:oil painting:1:C:\\words\\a.pt"

    found = request(more_words=lines).more_words

    assert word == Concept(name=SECOND, initialization_text="red cat", vectors_per_token=3)
    assert found[:2] == (word, Concept(name="xxxx"))
    assert found[2].initialization_file == "C:\\words\\a.pt"
    assert request(more_words="\n".join(map(str, found))).more_words == found


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"more_words": [FIRST.upper()]}, "The word 'ZZZZ1234' is to be taught twice"),
        ({"more_words": [SECOND, SECOND]}, f"The word '{SECOND}' is to be taught twice"),
        ({"more_words": [f"{SECOND} : cat : many"]}, "valid integer"),
        ({"more_words": [f"{SECOND} : cat : 76"]}, "less than or equal to 75"),
        (
            {"folders": [{"directory": "d", "word": "other"}]},
            f"The folder d is said to be of 'other', which this training does not teach; expected one of {FIRST}.",
        ),
    ],
)
def test_words_that_cannot_be_taught_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        request(**changes)
