"""The line-up: right on true pictures, and a tiny run of the whole measurement."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.checkpoints import write_tiny_checkpoint
from tools.demo_model.drawing import Figure, Scene, draw
from tools.learning.lineup import Lineup
from tools.learning.strangers import BACKGROUNDS, background_of, caption_of

THINGS = {"sun": ("circle", (250, 200, 30)), "brick": ("square", (170, 50, 40)), "leaf": ("heart", (40, 150, 60))}


def picture(kind: str, colour: tuple[int, int, int], seed: int) -> Image.Image:
    background = ("white", "black", "pink", "gray")[seed % 4]
    return Image.fromarray(draw(Scene(Figure(kind, colour), background, seed=seed), 128))


@pytest.fixture
def concepts(tmp_path: Path) -> Path:
    folder = tmp_path / "concepts"
    for name, (kind, colour) in THINGS.items():
        for part, seeds in (("train", range(3)), ("held", range(10, 15))):
            (folder / name / part).mkdir(parents=True)
            for seed in seeds:
                picture(kind, colour, seed).save(folder / name / part / f"{seed}.png")
        (folder / name / "init.txt").write_text("shape\n")
    return folder


def test_a_true_picture_is_taken_for_what_it_shows(concepts: Path) -> None:
    lineup = Lineup(concepts)
    for name, (kind, colour) in THINGS.items():
        ranked = [lineup.ranked(picture(kind, colour, seed)) for seed in range(20, 26)]
        assert [order[0] for order in ranked] == [name] * 6
        assert all(sorted(order) == sorted(THINGS) for order in ranked)


def test_a_held_out_picture_can_be_left_out_of_its_own_line_up(concepts: Path) -> None:
    lineup = Lineup(concepts)
    image = Image.open(concepts / "sun" / "held" / "10.png")
    assert lineup.ranked(image, ("sun", 0))[0] == "sun"


@pytest.mark.parametrize("name", BACKGROUNDS)
def test_a_background_is_called_by_its_name(name: str) -> None:
    rng = np.random.default_rng(0)
    right = 0
    for _ in range(20):
        colour = tuple(int(c) for c in np.clip(np.add(BACKGROUNDS[name], rng.integers(-8, 9, size=3)), 0, 255))
        image = Image.new("RGB", (128, 128), colour)
        x, y = rng.integers(20, 60, size=2)
        ImageDraw.Draw(image).ellipse((x, y, x + 60, y + 60), fill=(10, 200, 200))
        right += background_of(image) == name
    assert right >= 19


def test_captions_say_what_stands_behind_a_thing_and_not_the_thing() -> None:
    plain, halves = picture("circle", (250, 200, 30), 1), Image.new("RGB", (128, 128), (250, 250, 250))
    halves.paste((45, 95, 205), (0, 64, 128, 128))
    slow = Image.fromarray(np.linspace((250, 250, 250), (45, 95, 205), 128).astype(np.uint8)[:, None].repeat(128, 1))
    assert caption_of(plain) == "on a black background"
    assert caption_of(halves) == "on a white and blue background"
    assert caption_of(slow) == "on a white and blue gradient background"


def test_fewer_pictures_with_captions_can_be_taught_from(
    concepts: Path, tmp_path: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main = runpy.run_path(str(root / "tools" / "measure_lineup.py"))["main"]
    arguments = [str(concepts), "--runs", str(tmp_path / "runs"), "--only", "sun", "--pictures", "1", "--jobs", "1"]
    arguments += [
        "--ckpt",
        str(write_tiny_checkpoint(tmp_path / "tiny")),
        "--preset",
        "none",
        "--set",
        "max_steps",
        "2",
    ]
    assert main([*arguments, "--taught-from", "2", "--captions", "--training-seeds", "2"]) == 0
    assert "Median over 2 seeds: first" in capsys.readouterr().out
    files = sorted(path.name for path in (tmp_path / "runs" / "datasets" / "sun-1").iterdir())
    assert files == ["0.png", "0.txt", "1.png", "1.txt"]


def test_words_are_taught_painted_judged_and_not_taught_again(
    concepts: Path, tmp_path: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = write_tiny_checkpoint(tmp_path / "tiny")
    main = runpy.run_path(str(root / "tools" / "measure_lineup.py"))["main"]
    arguments = [str(concepts), "--runs", str(tmp_path / "runs"), "--only", "sun", "--ckpt", str(checkpoint)]
    arguments += ["--preset", "none", "--set", "max_steps", "2", "--pictures", "2", "--jobs", "1"]
    assert main(arguments) == 0
    first = capsys.readouterr().out
    assert "| sun |" in first
    for part in ("autoencoder", "initialization text", "seed 0"):
        assert f"**{part}**" in first
    taught = tmp_path / "runs" / "seed 0" / "sun" / "taught.json"
    before = taught.stat().st_mtime_ns
    assert len(list(taught.parent.glob("*/*.png"))) == 8
    assert main(arguments) == 0
    assert taught.stat().st_mtime_ns == before
    assert capsys.readouterr().out == first


def test_taught_words_are_softened_painted_and_judged(
    concepts: Path, tmp_path: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lineup, soften = (
        runpy.run_path(str(root / "tools" / f"measure_{name}.py"))["main"] for name in ("lineup", "soften")
    )
    common = [str(concepts), "--runs", str(tmp_path / "runs"), "--ckpt", str(write_tiny_checkpoint(tmp_path / "tiny"))]
    common += ["--pictures", "1"]
    assert lineup([*common, "--only", "sun", "--preset", "none", "--set", "max_steps", "2", "--jobs", "1"]) == 0
    capsys.readouterr()
    arguments = [*common, "--strengths", "0", "1", "--curve", str(tmp_path / "curve.png")]
    assert soften(arguments) == 0
    printed = capsys.readouterr().out
    assert [line.split("|")[1].strip() for line in printed.splitlines()[2:]] == ["0", "1"]
    folders = [
        tmp_path / "runs" / way / "sun" / "plain" for way in ("seed 0", "softened adjust 0", "softened adjust 1")
    ]
    taught, as_it_is, softest = ((folder / "00.png").read_bytes() for folder in folders)
    assert taught == as_it_is != softest
    with Image.open(tmp_path / "curve.png") as drawn:
        assert (0x2C, 0xA0, 0x2C) in {colour for _, colour in drawn.getcolors(100_000) or ()}
    assert soften(arguments) == 0
    assert capsys.readouterr().out == printed
    ended_early = folders[2].parent
    (ended_early / "painted").unlink()
    (ended_early / "blue" / "00.png").unlink()
    assert soften(arguments) == 0
    assert capsys.readouterr().out == printed
