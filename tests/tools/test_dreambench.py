"""DreamBench, on a dataset of two subjects with a tiny checkpoint and tiny networks: only the weights are missing."""

import runpy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from transformers import (
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPTokenizer,
    Dinov2Config,
    Dinov2Model,
    SiglipConfig,
    SiglipImageProcessorPil,
    SiglipModel,
)

from tests.checkpoints import DEMO, write_tiny_checkpoint
from tools.learning.dreambench_data import NoDreamBench, read_subjects
from tools.learning.picture_scores import Network

PROMPTS = """Classes

subject_name,class
duck_toy,toy
dog2,dog

Prompts

Object Prompts

prompt_list = [
'a {0} {1} in the snow'.format(unique_token, class_token),
'a red {0} {1}'.format(unique_token, class_token)
]

Live Subject Prompts

prompt_list = [
'a {0} {1} wearing a red hat'.format(unique_token, class_token)
]
"""
CPU = torch.device("cpu")
TINY = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
SIZE = {"height": 28, "width": 28}


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    folder = tmp_path / "dataset"
    for subject, colour in (("duck_toy", "yellow"), ("dog2", "brown")):
        (folder / subject).mkdir(parents=True)
        for number in range(3):
            Image.new("RGB", (48, 40), colour).save(folder / subject / f"{number:02}.jpg")
    (folder / "prompts_and_classes.txt").write_text(PROMPTS)
    return folder


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of a tiny DINOv2, SigLIP and CLIP with random weights."""
    folder = tmp_path_factory.mktemp("networks")
    torch.manual_seed(0)
    picture = {**TINY, "image_size": 28, "patch_size": 14}
    text = {**TINY, "vocab_size": 49408, "max_position_embeddings": 16}
    Dinov2Model(Dinov2Config(**picture)).save_pretrained(folder / "dino")
    CLIPModel(CLIPConfig(vision_config=picture, text_config=text, projection_dim=8)).save_pretrained(folder / "clip")
    SiglipModel(SiglipConfig(vision_config=picture, text_config=text)).save_pretrained(folder / "siglip")
    shared = {"size": SIZE, "do_center_crop": False}
    CLIPImageProcessorPil(**shared).save_pretrained(folder / "dino")
    CLIPImageProcessorPil(**shared).save_pretrained(folder / "clip")
    SiglipImageProcessorPil(size=SIZE).save_pretrained(folder / "siglip")
    for name in ("clip", "siglip"):
        CLIPTokenizer.from_pretrained(DEMO / "tokenizer", local_files_only=True).save_pretrained(folder / name)
    return folder


@pytest.fixture
def run(tmp_path: Path, dataset: Path, networks: Path, root: Path) -> Callable[..., int]:
    """Runs the tool with a tiny checkpoint: `run("--only", "dog2")`."""
    checkpoint = write_tiny_checkpoint(tmp_path / "tiny")
    main = runpy.run_path(str(root / "tools" / "dreambench.py"))["main"]

    def started(*more: str) -> int:
        arguments = [str(dataset), "--ckpt", str(checkpoint), "--runs", str(tmp_path / "runs"), "--steps", "2"]
        arguments += ["--set", "max_steps", "2", "--set", "save_every", "0", "--seeds", "2"]
        for name in ("dino", "siglip", "clip"):
            arguments += [f"--{name}", str(networks / name)]
        return int(main([*arguments, *more]))

    return started


def test_subjects_have_their_class_and_the_prompts_for_things_or_animals(dataset: Path) -> None:
    toy, dog = read_subjects(dataset)
    assert (toy.name, toy.kind, [path.name for path in toy.pictures]) == (
        "duck_toy",
        "toy",
        ["00.jpg", "01.jpg", "02.jpg"],
    )
    assert toy.prompts == ("a {thing} in the snow", "a red {thing}")
    assert dog.prompts == ("a {thing} wearing a red hat",)
    assert [subject.name for subject in read_subjects(dataset, ["dog2"])] == ["dog2"]


def test_a_folder_that_is_laid_out_otherwise_is_refused_with_what_is_missing(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(NoDreamBench, match="no subject dog9; it has duck_toy, dog2"):
        read_subjects(dataset, ["dog9"])
    with pytest.raises(NoDreamBench, match="expected DreamBench's dataset folder"):
        read_subjects(tmp_path / "nowhere")
    for picture in (dataset / "dog2").iterdir():
        picture.unlink()
    with pytest.raises(NoDreamBench, match=r"no pictures in .*dog2"):
        read_subjects(dataset)


def test_a_picture_is_wholly_like_itself_and_less_like_another(networks: Path, tmp_path: Path) -> None:
    paths = [tmp_path / "red.png", tmp_path / "striped.png"]
    Image.new("RGB", (40, 40), "red").save(paths[0])
    Image.radial_gradient("L").convert("RGB").save(paths[1])
    for name in ("dino", "siglip", "clip"):
        network = Network(networks / name, CPU)
        own = network.scores(paths[:1], ["a red thing"], paths[:1])
        assert own.image == pytest.approx(1, abs=1e-5)
        assert network.scores(paths[:1], ["a red thing"], paths[1:]).image < 0.999
        assert (own.text is None) == (name == "dino")
        assert network.among([paths[0]] * 3) == pytest.approx(1, abs=1e-5)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of a diffusers scheduler
def test_subjects_are_taught_painted_and_scored_once_and_a_run_goes_on_where_it_was(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--only", "duck_toy") == 0
    table = capsys.readouterr().out.splitlines()
    assert table[0] == "| subject | DINO | SigLIP image | SigLIP text | CLIP image | CLIP text |"
    assert [line.split(" | ")[0] for line in table[2:5]] == ["| duck_toy", "| **mean**", "| true pictures"]
    assert all(-1 <= float(cell) <= 1.001 for cell in table[2].strip("| ").split(" | ")[1:])
    assert any("Directional Textual Inversion (arXiv 2512.13672) | SD 1.5 | .418" in line for line in table)

    runs = tmp_path / "runs"
    pictures = sorted((runs / "duck_toy" / "pictures").iterdir())
    assert [path.name for path in pictures] == ["00-0.png", "00-1.png", "01-0.png", "01-1.png"]
    kept = {path: path.stat().st_mtime_ns for path in (runs / "duck_toy").rglob("*") if path.is_file()}
    pictures[1].unlink()
    assert run() == 0
    assert [line.split(" | ")[0] for line in capsys.readouterr().out.splitlines()[2:4]] == ["| duck_toy", "| dog2"]
    word = runs / "duck_toy" / "word.safetensors"
    assert word.stat().st_mtime_ns == kept[word]
    assert pictures[2].stat().st_mtime_ns == kept[pictures[2]]
    assert pictures[1].exists()

    assert run("--cfg", "3") == 1
    assert "holds runs with another painting; name another --runs" in capsys.readouterr().err
