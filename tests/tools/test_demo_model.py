"""The demo model's drawings, captions, judgements and trainers, at sizes that take seconds."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline
from torch import nn

from tools.demo_model import classify, make_tokenizer, train_unet, train_vae, training
from tools.demo_model.assemble import assemble
from tools.demo_model.captions import ATTRIBUTE_VALUES, caption, full_caption, known_words
from tools.demo_model.drawing import Creature, Figure, Scene, draw
from tools.demo_model.parallel import Team
from tools.demo_model.pictures import draw_all
from tools.demo_model.scenes import random_scenes
from tools.demo_model.training import Recipe, Step, learning_rate, train
from tools.demo_model.vocabulary import CLIP_ROWS, Vocabulary, load_vocabulary

TWENTY_STEPS = Recipe(samples=80, batch=4, learning_rate=1e-2)
TWO_STEPS = Recipe(samples=8, batch=4, learning_rate=1e-3, seed=3)
RED_CIRCLE = Scene(Figure("circle", (215, 30, 35), "red"), "white")


@pytest.fixture(scope="session")
def tokenizer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer with CLIP's layout whose merges join only the training words, so nothing need be downloaded."""
    folder = tmp_path_factory.mktemp("work") / "tokenizer"
    folder.mkdir()
    merges = _merges_for(known_words())
    ids = make_tokenizer.vocabulary(merges)
    ids[make_tokenizer.START], ids[make_tokenizer.END] = CLIP_ROWS - 2, CLIP_ROWS - 1
    (folder / "vocab.json").write_text(json.dumps(ids), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(make_tokenizer.SETTINGS), encoding="utf-8")
    return folder


def _merges_for(words: tuple[str, ...]) -> list[str]:
    """Merges that build each word from its left end."""
    merges: dict[str, None] = {}
    for word in words:
        letters = [*word[:-1], word[-1] + "</w>"]
        built = letters[0]
        for letter in letters[1:]:
            merges[f"{built} {letter}"] = None
            built += letter
    return list(merges)


@pytest.fixture(scope="session")
def vocabulary(tokenizer_folder: Path) -> Vocabulary:
    return load_vocabulary(tokenizer_folder)


def test_the_same_scene_gives_the_same_picture() -> None:
    for scene in random_scenes(20, seed=4):
        assert np.array_equal(draw(scene), draw(scene))


def test_scenes_depend_on_the_seed_and_not_on_how_many_are_asked_for() -> None:
    assert random_scenes(3, seed=1) == random_scenes(8, seed=1)[:3]
    assert random_scenes(3, seed=1) != random_scenes(3, seed=2)


def test_colours_without_a_word_are_drawn_as_given() -> None:
    odd, other = (77, 201, 133), (201, 88, 12)
    picture = draw(Scene(Figure("square", odd, pattern="striped", pattern_rgb=other), "black", style="drawing"))
    assert classify.colour_share(picture, odd, 12) + classify.colour_share(picture, other, 12) > 0.7


def test_an_unknown_background_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="no background is called 'moon'"):
        draw(Scene(RED_CIRCLE.figure, "moon"))


@pytest.mark.parametrize("side", [64, 128])
def test_colour_and_shape_of_true_drawings_are_told_right(side: int) -> None:
    colour, shape = classify.accuracy_of_classify(250, side)
    assert colour >= 0.98
    assert shape >= 0.98


@pytest.mark.parametrize("side", [64, 128])
def test_every_scene_check_is_right_on_true_drawings(side: int) -> None:
    results = classify.accuracy_of_checks(250, side)
    assert min(results.values()) >= 0.95, results


def test_an_empty_picture_shows_nothing() -> None:
    nothing = np.full((64, 64, 3), 250, dtype=np.uint8)
    assert classify.classify(nothing) == classify.Guess(None, None)
    assert not classify.place_is(nothing, "center")


def test_a_full_caption_says_everything() -> None:
    creature = Creature(eyes=1, ears="long", mouth="smile", horns=(248, 222, 40), horns_colour="yellow")
    figure = Figure("creature", (135, 45, 175), "purple", pattern="dotted", creature=creature)
    assert full_caption(Scene(figure, "beach", "painting", "left", "small")) == (
        "a painting of a small purple dotted creature with one eye and long ears and yellow horns and a smile "
        "on the left on the beach"
    )


def test_every_word_of_a_caption_is_a_known_word_and_true_of_the_scene() -> None:
    rng, known = np.random.default_rng(0), set(known_words())
    values = {value for options in ATTRIBUTE_VALUES.values() for value in options if " " not in value}
    for scene in random_scenes(300, seed=7):
        words = caption(scene, rng).text.split()
        assert set(words) <= known
        if scene.companion is None:
            assert set(words) & values <= set(full_caption(scene).split())


def test_some_captions_are_empty() -> None:
    rng = np.random.default_rng(0)
    empty = sum(caption(RED_CIRCLE, rng).text == "" for _ in range(1000))
    assert 60 < empty < 140


def test_clips_vocabulary_is_rebuilt_in_clips_order() -> None:
    ids = make_tokenizer.vocabulary(["i n", "t h"])
    assert (ids["!"], ids["!</w>"], ids["in"], ids["th"], ids["<|startoftext|>"]) == (0, 256, 512, 513, 514)


def test_strange_words_share_one_row(vocabulary: Vocabulary) -> None:
    table = vocabulary.full_table(torch.randn(len(vocabulary), 4))
    strange = [row for row in range(CLIP_ROWS) if row not in vocabulary.clip_ids]
    assert (table[strange] == table[strange[0]]).all()
    assert table[vocabulary.clip_ids].unique(dim=0).shape[0] == len(vocabulary.clip_ids)


def test_captions_become_77_numbers_between_start_and_end(vocabulary: Vocabulary) -> None:
    numbers = vocabulary.encode(["a red zeppelin"])
    assert numbers.shape == (1, 77)
    assert numbers[0, 0] == Vocabulary.START
    assert numbers[0, 3] == Vocabulary.UNKNOWN
    assert (numbers[0, 4:] == Vocabulary.END).all()


def test_the_learning_rate_rises_and_then_falls() -> None:
    recipe = Recipe(samples=100, batch=1, learning_rate=1.0, warmup=10)
    rates = [learning_rate(recipe, step, step / 100) for step in (0, 9, 50, 100)]
    assert rates == pytest.approx([0.1, 0.98, 0.51, 0.02], abs=0.01)


def test_whitened_latents_have_no_correlation_and_give_the_same_pictures() -> None:
    torch.manual_seed(0)
    vae = train_vae.new_vae(train_vae.VaeShape((4, 4, 4), groups=2)).eval()
    pictures = train_vae.as_tensor(draw_all(random_scenes(8, seed=1), processes=1))
    with torch.no_grad():
        before = train_vae.decoded(vae, train_vae.encoded_mean(vae, pictures))
        train_vae.whiten(vae, pictures)
        latents = train_vae.encoded_mean(vae, pictures)
        assert torch.allclose(train_vae.decoded(vae, latents), before, atol=1e-3)
    covariance = torch.cov(latents.permute(1, 0, 2, 3).flatten(1) * train_vae.SCALING_FACTOR)
    assert torch.allclose(covariance, torch.eye(4), atol=1e-2)


def test_two_steps_of_every_trainer_make_a_checkpoint_that_loads(tmp_path: Path, tokenizer_folder: Path) -> None:
    scenes = random_scenes(6, seed=1)
    pictures = draw_all(scenes, processes=1)
    (tmp_path / "tokenizer").symlink_to(tokenizer_folder)
    train_vae.train_vae(tmp_path, pictures, TWO_STEPS, train_vae.VaeShape((4, 4, 4), groups=2), Team())
    train_vae.refine_decoder(tmp_path, pictures, TWO_STEPS, Team())
    vae = AutoencoderKL.from_pretrained(tmp_path / "vae", local_files_only=True)
    lesson = train_unet.Lesson(train_unet.latents_of(vae, pictures), scenes, load_vocabulary(tokenizer_folder))
    shape = train_unet.UnetShape((4, 8, 8), text_width=8, groups=4)
    train_unet.train_unet(tmp_path, lesson, (TWO_STEPS, TWO_STEPS), shape, Team())
    assert assemble(tmp_path, tmp_path / "demo") < 5_000_000

    pipeline = StableDiffusionPipeline.from_pretrained(tmp_path / "demo", local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    image = pipeline("a red circle", num_inference_steps=1, height=64, width=64, output_type="np").images
    assert image.shape == (1, 64, 64, 3)


class _Stopped(Exception):
    """What the test raises in the midst of a training."""


def test_a_resumed_training_equals_an_unbroken_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "SAVE_EVERY_SECONDS", 0.0)

    def fit(state_file: Path, stop_at: int | None = None) -> dict[str, torch.Tensor]:
        def loss_of(model: nn.Module, step: Step) -> torch.Tensor:
            if step.number == stop_at:
                raise _Stopped
            return model(torch.randn(step.share, 3, generator=step.generator)).square().mean()

        torch.manual_seed(0)
        return train(nn.Linear(3, 2), loss_of, TWENTY_STEPS, state_file, Team()).state_dict()

    unbroken = fit(tmp_path / "unbroken.pt")
    with pytest.raises(_Stopped):
        fit(tmp_path / "broken.pt", stop_at=7)
    resumed = fit(tmp_path / "broken.pt")
    assert all(torch.equal(unbroken[name], resumed[name]) for name in unbroken)
