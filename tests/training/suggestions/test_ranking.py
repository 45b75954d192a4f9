"""Initialization texts that are suggested for a folder of pictures, by tiny checkpoints of every family."""

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.checkpoints import TINY, write_tiny_checkpoint
from ti_studio.models.checkpoint.checkpoints import CheckpointInfo, identify
from ti_studio.models.hardware import Hardware
from ti_studio.models.loading import Model, load
from ti_studio.prompts.conditioning import encode
from ti_studio.training.cancellation import StopWanted
from ti_studio.training.data.dataset import EmptyDataset
from ti_studio.training.loss.denoising import denoising_losses
from ti_studio.training.suggestions.ranking import ROUNDS, SuggestionOptions, suggest
from ti_studio.training.suggestions.samples import PROMPT, Trial, prepare_trial
from ti_studio.training.suggestions.words import vocabulary_words

FEW = SuggestionOptions(seconds=3600.0, most_words=4)
SAMPLES = ROUNDS[-1][1]


@torch.no_grad()
def loss_by_itself(trial: Trial, text: str) -> float:
    """A text's loss, one forward pass after the other."""
    told = encode(trial.model.encoders, [trial.reader.read(PROMPT.format(text=text))], {})
    losses = [float(denoising_losses(trial.model, sample, told)) for sample in trial.samples]
    return sum(losses) / len(losses)


@pytest.mark.parametrize("family", TINY)
def test_words_and_pairs_have_the_loss_that_each_has_by_itself_and_the_best_come_first(
    tiny_families: dict[str, CheckpointInfo], pictures: Path, family: str
) -> None:
    model = load(tiny_families[family], Hardware.automatic())
    found = suggest(model, pictures, replace(FEW, count=100, current="oil painting"))
    trial, _ = prepare_trial(model, pictures, SAMPLES, seed=0)
    words = vocabulary_words(model.encoders[0], 4)
    pairs = {f"{one} {other}" for one in words for other in words if one != other}
    assert {each.text for each in found.best} == {*words, *pairs}
    losses = [each.loss for each in found.best]
    assert losses == sorted(losses)
    for each in (*found.best[:2], found.best[-1]):
        assert each.loss == pytest.approx(loss_by_itself(trial, each.text), rel=1e-4)
    assert found.current is not None
    assert found.current.loss == pytest.approx(loss_by_itself(trial, "oil painting"), rel=1e-4)
    assert (found.pictures, found.words, found.samples, found.complete) == (3, 4, SAMPLES, True)


def test_the_seed_alone_decides_what_is_found(tiny_model: Model, pictures: Path) -> None:
    found = suggest(tiny_model, pictures, FEW)
    assert suggest(tiny_model, pictures, FEW) == found
    assert suggest(tiny_model, pictures, replace(FEW, seed=1)) != found


def test_single_words_are_had_where_there_is_room_for_no_more(tiny_model: Model, pictures: Path) -> None:
    found = suggest(tiny_model, pictures, replace(FEW, longest=1, count=3))
    assert len(found.best) == 3
    assert not any(" " in each.text for each in found.best)


def test_when_the_time_is_over_what_is_known_is_the_answer(tiny_model: Model, pictures: Path) -> None:
    found = suggest(tiny_model, pictures, SuggestionOptions(seconds=0, current="tree", most_words=100))
    assert found.best
    assert found.current is not None
    assert (found.words, found.samples, found.complete) == (100, ROUNDS[0][1], False)


def test_what_its_check_raises_ends_the_search(tiny_model: Model, pictures: Path) -> None:
    def stop() -> None:
        raise StopWanted

    with pytest.raises(StopWanted):
        suggest(tiny_model, pictures, FEW, stop)


def test_a_folder_without_pictures_is_refused(tiny_model: Model, tmp_path: Path) -> None:
    with pytest.raises(EmptyDataset):
        suggest(tiny_model, tmp_path, FEW)


def test_a_checkpoint_that_predicts_the_velocity_is_asked_for_it(
    tiny_model: Model, tmp_path: Path, pictures: Path
) -> None:
    info = identify(write_tiny_checkpoint(tmp_path / "v", prediction_type="v_prediction"))
    trial, _ = prepare_trial(load(info, Hardware.automatic()), pictures, 2, seed=0)
    plain, _ = prepare_trial(tiny_model, pictures, 2, seed=0)
    for velocity, noise in zip(trial.samples, plain.samples, strict=True):
        assert torch.equal(velocity.noisy, noise.noisy)
        assert not torch.allclose(velocity.target, noise.target)


def test_samples_show_all_pictures_alike_at_timesteps_that_are_spread(tiny_model: Model, pictures: Path) -> None:
    trial, dataset = prepare_trial(tiny_model, pictures, 6, seed=0)
    assert len(dataset.samples) == 3
    timesteps = [int(sample.timesteps) for sample in trial.samples]
    assert timesteps == [550, 375, 725, 287, 637, 462]


def test_words_are_whole_and_name_something_and_those_of_pictographs_come_first(tiny_model: Model) -> None:
    words = vocabulary_words(tiny_model.encoders[0])
    assert len(words) == 2000
    assert {"art", "red", "dog", "star"} <= set(words)
    assert not {"the", "and", "with", "you", "of"} & set(words)
    assert all(
        len(word) >= 3 and word.isalpha() and tiny_model.encoders[0].tokenizer.is_ordinary_word(word) for word in words
    )
    ids = [tiny_model.encoders[0].tokenizer.ids(word)[0] for word in words]
    things = words.index("red") < words.index("teapot") < words.index("art")
    (start,) = [place for place in range(1, len(ids)) if ids[place] < ids[place - 1]]
    assert things and {"teapot", "cactus", "violin"} <= set(words[:start])
    assert ids[start:] == sorted(ids[start:])


def test_words_that_a_checkpoint_has_never_learned_are_left_out(tiny_model: Model) -> None:
    encoder = tiny_model.encoders[0]
    untaught = replace(encoder, model=copy.deepcopy(encoder.model))
    table = untaught.token_embedding.weight
    taught = [encoder.tokenizer.ids(word)[0] for word in ("star", "red", "the")]
    rows = table[taught].clone()
    table[:] = table[0].clone()
    table[taught] = rows
    assert vocabulary_words(untaught) == ["red", "star"]
