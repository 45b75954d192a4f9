"""`convert`, `merge`, `soften` and `create`, as commands."""

import json
from pathlib import Path

import pytest
import torch

from ti_studio.cli import main
from ti_studio.embeddings.embedding import Embedding
from ti_studio.embeddings.formats.files import read_embedding, write_embedding
from ti_studio.folders import Folders


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Two embeddings of two vectors."""
    paths = [tmp_path / "cat.safetensors", tmp_path / "hat.safetensors"]
    for number, path in enumerate(paths):
        write_embedding(Embedding(path.stem, {"clip_l": torch.full((2, 8), float(number))}, 5), path)
    return paths


def test_convert_writes_the_layout_and_prints_the_path(files: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", str(files[0]), "--to", "pt", "--name", "kitty"]) == 0

    path = files[0].with_name("kitty.pt")
    assert capsys.readouterr().out == f"{path}\n"
    assert torch.equal(read_embedding(path).vectors["clip_l"], torch.zeros(2, 8))


@pytest.mark.parametrize("command", ["convert", "merge"])
def test_without_metadata_a_new_file_holds_the_rows_alone(files: list[Path], tmp_path: Path, command: str) -> None:
    embedding = read_embedding(files[0])
    write_embedding(Embedding("cat", embedding.vectors, 5, {"ti_studio.request": "{}", "note": "mine"}), files[0])
    given = [str(files[0])] if command == "convert" else [*map(str, files), "--how", "average"]

    for form in ("safetensors", "pt"):
        to = ["--to", form, "--name", "bare", "--no-metadata", "--overwrite"]
        assert main([command, *given, *to]) == 0
        bare = read_embedding(tmp_path / f"bare.{form}")
        assert (dict(bare.metadata), bare.step) == ({"ti_studio.family": "SD 1"}, None)


def test_an_embedding_may_be_created_without_metadata(folders: Folders) -> None:
    places = ["--data-dir", str(folders.data), "--ckpt-dir", str(folders.checkpoints)]
    for more, keys in ((["--no-metadata"], 1), (["--overwrite"], 4)):
        assert main(["create", "--name", "newword", "--save-as", "pt", *more, *places]) == 0
        (path,) = folders.embeddings.glob("newword.*")
        assert len(read_embedding(path).metadata) == keys


def test_convert_takes_a_card_back_apart(files: list[Path], tmp_path: Path) -> None:
    assert main(["convert", str(files[0]), "--to", "png", "--output", str(tmp_path)]) == 0
    files[0].unlink()
    assert main(["convert", str(tmp_path / "cat.png"), "--to", "safetensors"]) == 0

    assert read_embedding(files[0]).step == 5


def test_convert_says_what_it_can_not_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "cat.png").write_bytes(b"no picture")

    assert main(["convert", str(tmp_path / "cat.png"), "--to", "pt"]) == 1
    assert "cat.png is no picture that can be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ([], [0.0, 0.0, 1.0, 1.0]),
        (["--how", "average"], [0.5, 0.5]),
        (["--how", "average", "--weights", "0", "2"], [2.0, 2.0]),
        (["--how", "slerp", "--share", "1"], [1.0, 1.0]),
    ],
)
def test_merge_makes_one_of_two(files: list[Path], how: list[str], expected: list[float]) -> None:
    assert main(["merge", *map(str, files), "--name", "cat-hat", *how]) == 0

    merged = read_embedding(files[0].with_name("cat-hat.safetensors"))
    assert merged.vectors["clip_l"][:, 0].tolist() == pytest.approx(expected)
    assert merged.metadata["ti_studio.made_by"].endswith("of cat, hat")


def test_convert_takes_the_embeddings_out_of_a_lora(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lora = Path(__file__).resolve().parents[1] / "golden" / "lora_bundle.safetensors"

    assert main(["convert", str(lora), "--to", "safetensors", "--output", str(tmp_path)]) == 0
    names = ["big-cat", "cat", "old cat"]
    assert capsys.readouterr().out.splitlines() == [str(tmp_path / f"{name}.safetensors") for name in names]
    assert [read_embedding(tmp_path / f"{name}.safetensors").family for name in names] == ["SDXL", "SD 1", "SD 1"]

    assert main(["convert", str(lora), "--to", "safetensors", "--name", "one", "--output", str(tmp_path)]) == 1
    assert "has 3 embeddings: big-cat, cat, old cat. Each keeps its own name" in capsys.readouterr().err

    assert main(["inspect", str(lora), "--json"]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["name"], one["family"], one["vectors per token"]) for one in told] == [
        ("big-cat", "SDXL", 2),
        ("cat", "SD 1", 2),
        ("old cat", "SD 1", 3),
    ]


def test_soften_brings_a_word_towards_its_class(folders: Folders, capsys: pytest.CaptureFixture[str]) -> None:
    places = ["--data-dir", str(folders.data), "--ckpt-dir", str(folders.checkpoints)]
    assert main(["create", "--name", "class-row", "--initialization-text", "star", *places]) == 0
    path = folders.embeddings / "class-row.safetensors"
    rows = read_embedding(path).vectors["clip_l"]
    write_embedding(Embedding("far", {"clip_l": -9 * rows.roll(1, dims=1)}), folders.embeddings / "far.safetensors")
    capsys.readouterr()

    far, options = str(folders.embeddings / "far.safetensors"), ["--class-word", "star", *places]
    assert main(["soften", far, "--name", "home", "--strength", "1", *options]) == 0
    made = folders.embeddings / "home.safetensors"
    assert capsys.readouterr().out == f"{made}\n"
    torch.testing.assert_close(read_embedding(made).vectors["clip_l"], rows, rtol=1e-3, atol=1e-3)
    assert main(["soften", far, "--name", "half", "--norm", "0.5", "--no-metadata", *options]) == 0
    half = read_embedding(folders.embeddings / "half.safetensors")
    torch.testing.assert_close(half.vectors["clip_l"].norm(), 5 * rows.norm())
    assert main(["soften", far, "--name", "home", *options]) == 1
    assert "exists" in capsys.readouterr().err or "taken" in capsys.readouterr().err
    assert main(["soften", far, "--name", "other", *places]) == 1
