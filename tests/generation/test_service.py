"""Pictures from prompts, with words from a library that changes."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.checkpoints import DEMO, write_tiny_checkpoint
from ti_studio.embeddings.embedding import Embedding
from ti_studio.embeddings.formats.files import file_sha256, write_embedding
from ti_studio.embeddings.library.library import Library
from ti_studio.folders import Folders
from ti_studio.generation.events import DenoisingProgress, GenerationEvent, Loading, Notice, Picture
from ti_studio.generation.request import GenerateRequest
from ti_studio.generation.samplers import UnknownSampler, sampler_names
from ti_studio.generation.service import Txt2ImgService
from ti_studio.models.checkpoint.checkpoints import CheckpointInfo, NoCheckpoint, identify
from ti_studio.models.hardware import Hardware
from ti_studio.models.loading import load
from ti_studio.training.output.creation import NewEmbedding, create_embedding


@pytest.fixture
def service(folders: Folders, library: Library) -> Txt2ImgService:
    return Txt2ImgService(folders, library)


def events_of(service: Txt2ImgService, prompt: str, **settings: object) -> list[GenerationEvent]:
    wanted = GenerateRequest(**{"prompt": prompt, "steps": 2, "seed": 1, **settings})  # type: ignore[arg-type]
    return list(service.generate(wanted))


def pictures_of(service: Txt2ImgService, prompt: str, **settings: object) -> list[Picture]:
    return [event for event in events_of(service, prompt, **settings) if isinstance(event, Picture)]


def pixels(picture: Picture) -> bytes:
    return picture.image.tobytes()


def test_an_untrained_word_paints_exactly_what_its_initialization_text_paints(tmp_path: Path) -> None:
    folders = Folders.under(tmp_path, checkpoints=DEMO.parent)
    folders.make()
    service = Txt2ImgService(folders, Library(folders.embeddings))
    create_embedding(NewEmbedding("zzzz1234", "tree"), service.checkpoint, folders.embeddings)

    (with_the_word,) = pictures_of(service, "a zzzz1234 by monet", steps=4)
    (with_the_text,) = pictures_of(service, "a tree by monet", steps=4)
    (with_another,) = pictures_of(service, "a circle by monet", steps=4)

    assert pixels(with_the_word) == pixels(with_the_text)
    assert pixels(with_the_word) != pixels(with_another)


def test_a_word_changes_the_picture_from_the_moment_its_file_is_there(
    service: Txt2ImgService, folders: Folders
) -> None:
    (before,) = pictures_of(service, "a zzzz1234")
    path = folders.embeddings / "zzzz1234.safetensors"
    rows = torch.randn(2, 16, generator=torch.Generator().manual_seed(0))
    write_embedding(Embedding("zzzz1234", {"clip_l": rows}), path)
    (after,) = pictures_of(service, "a zzzz1234")
    write_embedding(Embedding("zzzz1234", {"clip_l": -rows}), path)
    (replaced,) = pictures_of(service, "a zzzz1234")
    os.rename(path, folders.embeddings / "yyyy5678.safetensors")
    (renamed,) = pictures_of(service, "a yyyy5678")
    (gone,) = pictures_of(service, "a zzzz1234")

    assert pixels(before) != pixels(after) != pixels(replaced)
    assert pixels(renamed) == pixels(replaced)
    assert pixels(gone) == pixels(before)
    assert "TI hashes" not in gone.infotext


def test_pictures_carry_the_hash_of_the_words_they_were_made_with(service: Txt2ImgService, folders: Folders) -> None:
    path = folders.embeddings / "zzzz1234.safetensors"
    write_embedding(Embedding("zzzz1234", {"clip_l": torch.ones(2, 16)}), path)

    for picture in pictures_of(service, "a dog", negative_prompt="zzzz1234", count=2):
        assert f'TI hashes: "zzzz1234: {file_sha256(path)[:12]}"' in picture.infotext
        assert picture.path is not None
        with Image.open(picture.path) as saved:
            assert saved.info["parameters"] == picture.infotext


def test_a_word_that_does_not_fit_is_told_and_not_used(service: Txt2ImgService, folders: Folders) -> None:
    write_embedding(
        Embedding("bigone", {"clip_l": torch.ones(1, 768), "clip_g": torch.ones(1, 1280)}),
        folders.embeddings / "bigone.safetensors",
    )
    (folders.embeddings / "evil.pt").write_bytes(b"cos\nsystem\n(S'true'\ntR.")

    told = [event.text for event in events_of(service, "a bigone, evil") if isinstance(event, Notice)]

    assert any("bigone" in text and "made for SDXL; the checkpoint is SD 1" in text for text in told)
    assert any("evil" in text for text in told)


def test_each_picture_has_the_seed_after_the_one_before_and_is_repeatable(service: Txt2ImgService) -> None:
    first = pictures_of(service, "a cat", count=3, seed=7)
    (again,) = pictures_of(service, "a cat", seed=8)

    assert [picture.seed for picture in first] == [7, 8, 9]
    difference = np.abs(np.asarray(again.image, dtype=int) - np.asarray(first[1].image, dtype=int))
    assert difference.max() <= 1
    assert pixels(first[0]) != pixels(first[1])


def test_a_seed_is_drawn_when_none_is_given(service: Txt2ImgService) -> None:
    (first,), (second,) = (pictures_of(service, "a cat", seed=-1) for _ in range(2))

    assert first.seed != second.seed


def test_progress_counts_every_step_of_every_batch(service: Txt2ImgService) -> None:
    told = events_of(service, "a cat", count=5, steps=3)

    steps = [(event.step, event.steps) for event in told if isinstance(event, DenoisingProgress)]
    assert steps == [(n, 6) for n in range(1, 7)]
    assert isinstance(told[0], Loading)


def test_an_interrupt_ends_the_work_and_keeps_finished_pictures(service: Txt2ImgService) -> None:
    seen: list[GenerationEvent] = []
    for event in service.generate(GenerateRequest(prompt="a cat", steps=3, count=8, seed=1)):
        seen.append(event)
        if isinstance(event, Picture):
            service.interrupt()

    assert sum(isinstance(event, Picture) for event in seen) == 4
    assert len(pictures_of(service, "a cat")) == 1


@pytest.mark.parametrize("sampler", sampler_names())
def test_every_sampler_paints(service: Txt2ImgService, sampler: str) -> None:
    (picture,) = pictures_of(service, "a cat", sampler=sampler, steps=4)

    assert picture.image.size == (32, 32)


def test_the_size_is_what_was_asked_for(service: Txt2ImgService) -> None:
    (picture,) = pictures_of(service, "a cat", width=48, height=64)

    assert picture.image.size == (48, 64)


def test_an_unknown_sampler_is_answered_with_those_there_are(service: Txt2ImgService) -> None:
    with pytest.raises(UnknownSampler, match=r"no sampler 'Eulr'. There are: DPM\+\+ 2M"):
        events_of(service, "a cat", sampler="Eulr")


def test_a_checkpoint_that_is_not_there_leaves_the_choice_as_it_was(
    service: Txt2ImgService, tiny_checkpoint: CheckpointInfo
) -> None:
    with pytest.raises(NoCheckpoint):
        service.select("dream")

    assert service.checkpoint.path == tiny_checkpoint.path


def test_where_others_may_ask_no_path_leads_out_of_the_folder_of_checkpoints_but_to_the_servers_own(
    folders: Folders, library: Library, tiny_checkpoint: CheckpointInfo, tmp_path: Path
) -> None:
    elsewhere = write_tiny_checkpoint(tmp_path / "elsewhere" / "secret")
    own = write_tiny_checkpoint(tmp_path / "own")
    guarded = Txt2ImgService(replace(folders, dataset_root=tmp_path), library, str(own))

    for wanted in (str(elsewhere), str(tmp_path / "nowhere"), os.path.relpath(elsewhere, folders.checkpoints)):
        for ask in (
            guarded.select,
            guarded.find,
            lambda path: list(guarded.generate(GenerateRequest(), checkpoint=path)),
        ):
            with pytest.raises(NoCheckpoint, match=r"There is no checkpoint '.*'\. In .* there are"):
                ask(wanted)

    assert guarded.checkpoint.path == guarded.find(None).path == guarded.find(str(own)).path == own
    assert guarded.find(tiny_checkpoint.path.name).path == tiny_checkpoint.path
    assert Txt2ImgService(folders, library).find(str(elsewhere)).path == elsewhere


def test_long_prompts_of_different_lengths_paint(service: Txt2ImgService) -> None:
    assert pictures_of(service, "red " * 100, negative_prompt="blur")


def test_a_v_prediction_checkpoint_paints(tmp_path: Path) -> None:
    info = identify(write_tiny_checkpoint(tmp_path / "models" / "v", prediction_type="v_prediction"))
    folders = Folders.under(tmp_path / "data", checkpoints=tmp_path / "models")
    folders.make()

    assert info.prediction_type == "v_prediction"
    assert load(info, Hardware.automatic()).scheduler_config["prediction_type"] == "v_prediction"
    assert pictures_of(Txt2ImgService(folders, Library(folders.embeddings)), "a cat")


@pytest.fixture(autouse=True)
def few_threads() -> Iterator[None]:
    """Sums are done in the same order everywhere in this module."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_a_released_checkpoint_is_loaded_anew_for_the_next_picture(service: Txt2ImgService) -> None:
    assert any(isinstance(event, Loading) for event in events_of(service, "a circle"))
    assert not any(isinstance(event, Loading) for event in events_of(service, "a circle"))
    service.release()
    assert any(isinstance(event, Loading) for event in events_of(service, "a circle"))


def test_a_checkpoint_that_is_released_while_it_paints_finishes_the_picture_first(service: Txt2ImgService) -> None:
    painting = service.generate(GenerateRequest(prompt="a circle", steps=3, seed=1))
    next(event for event in painting if isinstance(event, DenoisingProgress))
    service.release()
    assert isinstance(list(painting)[-1], Picture)
    assert any(isinstance(event, Loading) for event in events_of(service, "a circle"))
