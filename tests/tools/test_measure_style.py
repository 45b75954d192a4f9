"""The measure of words for a manner: its judges on true pictures, and a tiny run."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.checkpoints import write_tiny_checkpoint
from tools.demo_model.artwork.manners import MANNERS, in_manner, kind_of
from tools.demo_model.drawing import SHAPES, Figure, Scene, draw
from tools.demo_model.palette import COLOURS
from tools.learning.styles import SUBJECTS, Manners

THINGS = tuple(SHAPES)[:6]


def things(seed: int) -> list[np.ndarray]:
    colours, backgrounds = list(COLOURS.values()), ("white", "black", "pink")
    return [
        draw(Scene(Figure(kind, colours[(k + seed) % 12]), backgrounds[(k + seed) % 3], seed=seed), 128)
        for k, kind in enumerate(THINGS)
    ]


@pytest.mark.parametrize("seed", [900_008, 900_002, 900_000, 900_005, 900_013])
def test_pictures_in_a_manner_are_told_from_plain_ones(seed: int) -> None:
    judge = Manners([in_manner(p, seed, k) for k, p in enumerate(things(1))], things(1))
    right = [judge.nearness(in_manner(p, seed, 10 + k)) > 0 for k, p in enumerate(things(2))]
    assert np.mean([*right, *(judge.nearness(p) <= 0 for p in things(2))]) >= 0.9


def test_every_kind_of_manner_has_seeds() -> None:
    assert {kind_of(seed) for seed in range(200)} == set(MANNERS)


def test_a_style_and_a_negative_word_are_taught_painted_and_judged(
    tmp_path: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for kind, pixels in zip(THINGS, things(3), strict=True):
        (tmp_path / "concepts" / kind / "held").mkdir(parents=True)
        Image.fromarray(pixels).save(tmp_path / "concepts" / kind / "held" / "00.png")
    measure = runpy.run_path(str(root / "tools" / "measure_style.py"))
    arguments = [str(tmp_path / "concepts"), "--runs", str(tmp_path / "runs"), "--grid", str(tmp_path / "grid")]
    arguments += ["--ckpt", str(write_tiny_checkpoint(tmp_path / "tiny")), "--pictures", "1"]
    arguments += ["--styles", "900008", "--spoilt", "900005", "--steps", "2"]
    assert measure["main"](arguments) == 0
    printed = capsys.readouterr().out
    assert "| outlines |" in printed and "| blurred |" in printed
    assert (tmp_path / "runs" / "style-900008" / "with" / SUBJECTS[0] / "held" / "00.png").exists()
    with Image.open(tmp_path / "grid" / "style-900008.png") as sheet:
        assert sheet.size == (8 * 128, 3 * 128)
    word = tmp_path / "runs" / "style-900008" / "job" / "my-manner.safetensors"
    before = word.stat().st_mtime_ns
    assert measure["main"](arguments) == 0
    assert word.stat().st_mtime_ns == before
    assert capsys.readouterr().out == printed
