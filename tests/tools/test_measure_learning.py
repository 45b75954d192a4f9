"""The measurement of learning: its scores on true drawings, and a tiny run of the whole."""

import runpy
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.checkpoints import demo_side
from ti_studio.models.checkpoint.checkpoints import find_checkpoint
from ti_studio.training.data.dataset import scan_dataset
from tools.demo_model.classify import view
from tools.demo_model.drawing import Pixels, Scene, draw
from tools.learning import examples, studio
from tools.learning.concepts import CONCEPTS, caption, pictures, prompt, prompt_of, write_dataset
from tools.learning.likeness import NOTHING_ALIKE, Likeness
from tools.learning.measuring import DEMANDS, share
from tools.learning.report import HEADINGS

TRIANGLE = CONCEPTS["trizebra"]
SCENE_OF_DEMAND = {
    "on a blue background": {"background": "blue"},
    "on a white background": {"background": "white"},
    "on a black background": {"background": "black"},
    "at night": {"background": "night"},
    "small": {"size": "small"},
    "on the left": {"place": "left"},
}


@pytest.fixture(scope="module", params=list(CONCEPTS))
def word(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_true_drawings_score_zero(word: str) -> None:
    distance = Likeness(CONCEPTS[word]).mean(pictures(CONCEPTS[word].true))
    assert (distance.picture, distance.colour, distance.shape) == (0, 0, 0)


def test_new_drawings_score_low_and_wrong_ones_high(word: str) -> None:
    likeness = Likeness(CONCEPTS[word])
    assert likeness.mean(pictures(CONCEPTS[word].held_out)).picture < 0.35
    others = [draw(other.true[0]) for name, other in CONCEPTS.items() if name != word]
    assert min(likeness.distance(pixels).picture for pixels in others) > 0.75


@pytest.mark.parametrize(
    ("change", "least"),
    [
        ({"pattern_rgb": (245, 135, 20)}, 0.25),  # no stripes
        ({"rgb": (15, 165, 165), "pattern_rgb": (245, 135, 20)}, 0.5),  # each stripe in the other's colour
        ({"pattern": "dotted"}, 0.25),
        ({"kind": "square"}, 0.4),
    ],
)
def test_the_picture_score_notices_what_is_wrong(change: dict[str, object], least: float) -> None:
    scene = TRIANGLE.true[0]
    wrong = draw(replace(scene, figure=replace(scene.figure, **change)))
    assert Likeness(TRIANGLE).distance(wrong).picture > least


def test_a_larger_picture_is_scored_as_the_same_one_at_the_size_that_is_judged(word: str) -> None:
    true = CONCEPTS[word].true
    assert Likeness(CONCEPTS[word]).mean(pictures(true, 128)).picture < 0.15  # finer edges


def test_an_empty_picture_has_nothing_in_common_with_the_concept() -> None:
    empty: Pixels = np.full((64, 64, 3), 200, np.uint8)
    assert Likeness(TRIANGLE).distance(empty) == NOTHING_ALIKE


@pytest.mark.parametrize("demand", DEMANDS, ids=lambda demand: demand.label)
def test_a_demand_holds_in_true_drawings_that_meet_it_and_in_no_others(demand) -> None:
    figure = TRIANGLE.figure
    meant = [draw(Scene(figure, seed=seed, **SCENE_OF_DEMAND[demand.label])) for seed in range(8)]
    assert share(demand, meant) == 1
    assert share(demand, [draw(Scene(figure, "yellow", size="large", seed=seed)) for seed in range(8)]) == 0


def test_held_out_pictures_stand_on_other_backgrounds_than_the_training_pictures() -> None:
    training = {scene.background for scene in TRIANGLE.training}
    assert not training & {scene.background for scene in TRIANGLE.held_out}
    assert len(training) == len(TRIANGLE.training) == 5
    assert len(TRIANGLE.held_out) == 10


def test_captions_say_the_surroundings_and_never_the_concept(word: str) -> None:
    concept = CONCEPTS[word]
    said = " ".join(caption(scene) for scene in concept.training).replace(",", " ").split()
    assert not {concept.word, *" ".join((concept.initialization_text, *concept.wordings)).split()} & (
        set(said) - {"green", "pink", "gray"}  # the backgrounds' colours
    )
    assert caption(TRIANGLE.training[0]) == "on the left on a gray background"


def test_prompts_name_the_thing_with_its_article_and_size() -> None:
    assert prompt("orange triangle", "at night") == "a photo of an orange triangle at night"
    small_in_snow = TRIANGLE.training[3]
    assert prompt_of(small_in_snow, "trizebra") == "a photo of a small trizebra on the right in the snow"


def test_the_dataset_is_one_that_the_studio_takes_whole(tmp_path: Path) -> None:
    write_dataset(TRIANGLE, tmp_path / "trizebra")
    dataset = scan_dataset(tmp_path / "trizebra", (64, 64))
    assert [sample.caption for sample in dataset.samples] == [caption(scene) for scene in TRIANGLE.training]
    assert not dataset.rejected


def test_the_learnt_word_is_no_word_of_the_language(word: str) -> None:
    assert all(word not in wording for concept in CONCEPTS.values() for wording in concept.wordings)
    assert not view(draw(CONCEPTS[word].true[0])).has_size("small")


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of a diffusers scheduler
def test_a_tiny_run_prints_a_complete_table_and_draws_the_grid(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = find_checkpoint(root / "models" / "Stable-diffusion", "demo").path
    arguments = ["--concepts", "trizebra", "--seeds", "1", "--steps", "2", "--ckpt", str(checkpoint)]
    monkeypatch.setitem(CONCEPTS, "trizebra", replace(TRIANGLE, wordings=TRIANGLE.wordings[:1]))
    monkeypatch.setattr(studio, "TIMESTEPS", 2)
    monkeypatch.setattr(sys, "path", list(sys.path))
    script = runpy.run_path(str(root / "tools" / "measure_learning.py"))
    assert script["main"]([*arguments, "--output", str(tmp_path), "--jobs", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [line for line in lines if line.startswith(("| (a)", "| (b)", "| (c)"))]
    assert [row.split("|")[1].strip() for row in rows] == [
        "(a) “triangle”",
        "(b) “orange and teal striped triangle”",
        "(c) learnt, seed 0",
    ]
    assert all(row.count("|") == len(HEADINGS) + 1 and "nan" not in row for row in rows)
    assert any(line.startswith("| trizebra |") for line in lines)
    assert (tmp_path / "learning-trizebra.png").stat().st_size < 200_000 * (demo_side() / 64) ** 2


def test_the_example_folder_is_what_the_tool_draws(root: Path, tmp_path: Path) -> None:
    shipped = root / "examples" / "trizebra"
    write_dataset(TRIANGLE, tmp_path, examples.SIDE)
    assert [path.name for path in sorted(shipped.iterdir())] == [path.name for path in sorted(tmp_path.iterdir())]
    for path in tmp_path.glob("*.txt"):
        assert path.read_text(encoding="utf-8") == (shipped / path.name).read_text(encoding="utf-8")
    for path in tmp_path.glob("*.png"):
        with Image.open(path) as drawn, Image.open(shipped / path.name) as kept:
            assert kept.size == (examples.SIDE, examples.SIDE)
            assert np.array_equal(np.asarray(drawn), np.asarray(kept))


@pytest.mark.parametrize("side", [64, 512, 768, 1024])
def test_every_checkpoint_takes_all_of_the_example_folder_at_its_own_size(root: Path, side: int) -> None:
    dataset = scan_dataset(root / "examples" / "trizebra", (side, side))

    assert len(dataset.samples) == len(TRIANGLE.training)
    assert not dataset.rejected


def test_a_larger_drawing_of_a_scene_shows_the_same() -> None:
    for scene in (*TRIANGLE.training, *CONCEPTS["hornling"].training):
        large = Image.fromarray(draw(scene, 256))
        reduced = np.asarray(large.resize((64, 64), Image.Resampling.BOX), dtype=np.float32)
        assert np.abs(reduced - draw(scene)).mean() < 2
