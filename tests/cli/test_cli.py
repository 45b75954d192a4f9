"""The command line, as a process."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from ti_studio.cli.arguments import WrongArguments
from ti_studio.cli.train import run_train
from ti_studio.embeddings.formats.files import read_embedding
from ti_studio.models.checkpoint.checkpoints import CheckpointInfo

PATIENCE = 600


@pytest.fixture
def run(tmp_path: Path, tiny_checkpoint: CheckpointInfo, root: Path):  # type: ignore[no-untyped-def]
    """Runs `python -m ti_studio …` in a fresh data folder, from a folder that is not the repository."""
    places = {
        "--data-dir": tmp_path / "data",
        "--embeddings-dir": tmp_path / "words",
        "--ckpt": tiny_checkpoint.path,
    }

    def command(*arguments: object, without: tuple[str, ...] = ()) -> "subprocess.CompletedProcess[str]":
        given = [part for name, value in places.items() if name not in without for part in (name, str(value))]
        environment = {**os.environ, "PYTHONPATH": str(root / "modules"), "PYTHONIOENCODING": "utf-8"}
        return subprocess.run(
            [sys.executable, "-m", "ti_studio", *map(str, arguments), *given],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    return command


def test_a_word_is_trained_and_used_from_the_command_line(run, pictures: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "mine.txt").write_text("a picture of [name], [filewords]")

    trained = run(
        *("train", "--name", "zzzz1234", "--initialization-text", "tree", "--vectors-per-token", 2),
        *("--learning-rate", "0.01:2, 0.001", "--dataset-directory", pictures.name, "--template", "mine.txt"),
        *("--max-steps", 3, "--batch-size", 2, "--seed", 5, "--preview-every", 0),
    )
    painted = run(
        *("generate", "--prompt", "a zzzz1234", "--negative-prompt", "blur", "--sampler", "Euler a", "--steps", 2),
        *("--cfg-scale", 3.5, "--width", 32, "--height", 48, "--count", 2, "--seed", 9, "--output", tmp_path / "made"),
    )

    assert trained.returncode == 0, trained.stderr
    assert trained.stdout.strip() == str(tmp_path / "words" / "zzzz1234.safetensors")
    embedding = read_embedding(tmp_path / "words" / "zzzz1234.safetensors")
    assert (embedding.step, embedding.vectors_per_token) == (3, 2)
    assert painted.returncode == 0, painted.stderr
    made = sorted((tmp_path / "made").glob("*.png"))
    assert painted.stdout.split() == [str(path) for path in made]
    assert [path.stem.split("-")[1] for path in made] == ["9", "10"]
    with Image.open(made[0]) as image:
        assert image.size == (32, 48)
        assert 'TI hashes: "zzzz1234: ' in image.info["parameters"]


def test_several_folders_are_trained_from_a_dataset_file(run, draw, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    draw(tmp_path / "near", ["red"])
    draw(tmp_path / "far", ["blue", "green"])
    (tmp_path / "cats.toml").write_text(
        "[[datasets]]\nresolution = 32\nbatch_size = 3\n[[datasets.subsets]]\nimage_dir = 'near'\nnum_repeats = 5\n"
        "[[datasets.subsets]]\nimage_dir = 'far'\ncustom_attributes = {}\nflip_aug = true\n"
    )

    trained = run(
        *("train", "--preset", "none", "--name", "zzzz1234", "--dataset-config", "cats.toml", "--caption-prefix", "my"),
        *("--max-steps", 1, "--preview-every", 0, "--save-every", 0),
    )

    assert trained.returncode == 0, trained.stderr
    assert "note: cats.toml: custom_attributes does nothing here" in trained.stderr
    header = read_embedding(tmp_path / "words" / "zzzz1234.safetensors").metadata
    request, dataset = (json.loads(header[f"ti_studio.{name}"]) for name in ("request", "dataset"))
    assert [Path(folder["directory"]).name for folder in request["folders"]] == ["near", "far"]
    assert [folder["num_repeats"] for folder in request["folders"]] == [5, 1]
    assert [folder["flip"] for folder in request["folders"]] == [False, True]
    assert {folder["caption_prefix"] for folder in request["folders"]} == {"my"}
    assert (request["batch_size"], request["width"], dataset["pictures"]) == (3, 32, 3)
    answered = run("train", "--name", "other", "--dataset-config", "cats.toml", "--dataset-directory", "near")
    assert "--dataset-config and --dataset-directory: expected one of the two" in answered.stderr


def test_an_embedding_is_created_and_inspected(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    created = run("create", "--name", "newword", "--initialization-text", "red tree", "--vectors-per-token", 3)
    inspected = run(
        "inspect",
        "--json",
        tmp_path / "words" / "newword.safetensors",
        without=("--data-dir", "--embeddings-dir", "--ckpt"),
    )

    assert created.returncode == 0, created.stderr
    facts = json.loads(inspected.stdout)
    assert (facts["name"], facts["family"], facts["vectors per token"], facts["step"]) == ("newword", "SD 1", 3, 0)
    assert len(facts["norms"]["clip_l"]) == 3
    assert facts["metadata"]["ti_studio.initialization_text"] == "red tree"
    assert "beside the vocabulary" not in facts


def test_an_embedding_is_compared_with_a_checkpoints_vocabulary(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    run("create", "--name", "newword", "--initialization-text", "red tree", "--vectors-per-token", 2)

    compared = run("inspect", tmp_path / "words" / "newword.safetensors", without=("--embeddings-dir",))

    assert "clip_l 1: norm " in compared.stdout
    assert "nearest: red 1.00" in compared.stdout
    assert "nearest: tree 1.00" in compared.stdout


def test_initialization_texts_are_suggested_for_a_folder(run, pictures: Path) -> None:  # type: ignore[no-untyped-def]
    few = ("--count", 3, "--seconds", 0, "--current", "red tree")
    as_json = run("suggest", pictures, *few, "--json", without=("--embeddings-dir",))
    as_text = run("suggest", pictures, *few, without=("--embeddings-dir",))

    assert as_json.returncode == 0, as_json.stderr
    found = json.loads(as_json.stdout)
    assert len(found["best"]) == 3
    assert found["current"]["text"] == "red tree"
    lines = [f"{each['loss']:.5f}  {each['text']}" for each in found["best"]]
    assert as_text.stdout.splitlines()[:3] == lines
    assert "red tree (the current text)" in as_text.stdout
    assert "The time did not suffice" in as_text.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--vectors-per-token", 0), "--vectors-per-token: Input should be greater than or equal to 1 (found 0)"),
        (("--vectors-per-token", 76), "--vectors-per-token: Input should be less than or equal to 75 (found 76)"),
        (("--learning-rate", "0.1:100, 0.01:50"), "at character 10: step 50 does not come after step 100"),
        (("--dataset-directory", "nowhere"), "There is no folder"),
        (("--template", "nothing.txt"), "There is no prompt template 'nothing.txt'"),
        (("--name", "a/b"), "has / in it"),
    ],
)
def test_bad_input_is_answered_in_a_sentence_and_nothing_is_written(  # type: ignore[no-untyped-def]
    run, pictures: Path, tmp_path: Path, arguments: tuple[object, ...], message: str
) -> None:
    answered = run("train", "--name", "zzzz1234", "--dataset-directory", pictures, *arguments)

    assert answered.returncode == 1
    assert message in answered.stderr
    assert "Traceback" not in answered.stderr
    assert not list((tmp_path).glob("words/*"))


def test_every_command_explains_itself(run) -> None:  # type: ignore[no-untyped-def]
    for command in ("train", "resume", "generate", "create", "inspect", "suggest", "serve"):
        told = run(command, "--help", without=("--data-dir", "--embeddings-dir", "--ckpt"))

        assert told.returncode == 0
        assert len(told.stdout) > 200


def test_training_in_several_processes_is_refused_with_the_commands_that_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")

    with pytest.raises(WrongArguments, match=r"a launcher has started several.*train_textual_inversion\.py"):
        run_train(argparse.Namespace())
