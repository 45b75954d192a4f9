"""A whole training whose every path leads through a folder that nobody is to hear of, and all files that come of it."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from tests.conftest import draw_pictures
from tests.jobs.workers import make_job, work_to_the_end
from tests.telling import shared_files, text_in
from ti_studio.embeddings.embedding import Embedding
from ti_studio.embeddings.formats.export import FORMATS, card_picture, export
from ti_studio.embeddings.formats.files import read_embedding, write_embedding
from ti_studio.embeddings.formats.header_picture import header_picture
from ti_studio.errors import NotFound
from ti_studio.folders import Folders
from ti_studio.jobs.folder import JobFolder
from ti_studio.jobs.progress import JobProgress
from ti_studio.jobs.queue import Jobs
from ti_studio.jobs.request_paths import Gate
from ti_studio.models.checkpoint.checkpoints import CheckpointInfo, identify
from ti_studio.training.config.request import TrainRequest

SECRET = "alice-secret"
FIRST, SECOND = "zzzz1234", "yyyy5678"


@pytest.fixture
def home(tmp_path: Path, tiny_checkpoint: CheckpointInfo) -> Path:
    """A folder with everything that a request can name: pictures and their masks, captions, a template, a checkpoint,
    a VAE, a word to begin with, a thumbnail."""
    home = tmp_path / SECRET / "projects"
    shutil.copytree(tiny_checkpoint.path, home / "models" / "tiny")
    shutil.copytree(tiny_checkpoint.path / "vae", home / "vae")
    for name, colours in (("cats", ["red", "green"]), ("hats", ["blue"]), ("masks", ["black", "black"])):
        draw_pictures(home / name, colours)
    (home / "captions.json").write_text(json.dumps({f"{index}.png": {"caption": "a thing"} for index in range(2)}))
    (home / "mine.txt").write_text("a picture of [name], [filewords]")
    Image.new("RGB", (600, 300), "teal").save(home / "thumbnail.png")
    width = identify(home / "models" / "tiny").widths["clip_l"]
    for name in ("start", "other-start"):
        write_embedding(Embedding(name, {"clip_l": torch.full((2, width), 0.01)}), home / f"{name}.safetensors")
    return home


def asked(home: Path, **changes: object) -> TrainRequest:
    """A request in which every field that names a file or folder does."""
    options: dict[str, Any] = {
        "name": FIRST,
        "more_words": [{"name": SECOND, "initialization_file": str(home / "other-start.safetensors")}],
        "dataset_directory": str(home / "cats"),
        "mask_directory": str(home / "masks"),
        "metadata_file": str(home / "captions.json"),
        "folders": [{"directory": str(home / "cats")}, {"directory": str(home / "hats"), "word": SECOND}],
        "template": str(home / "mine.txt"),
        "checkpoint": str(home / "models" / "tiny"),
        "vae": str(home / "vae"),
        "initialization_file": str(home / "start.safetensors"),
        "metadata_thumbnail": str(home / "thumbnail.png"),
        "optimizer_args": [f"eps={1e-8}"],
        "batch_size": 2,
        "max_steps": 4,
        "save_every": 2,
        "preview_every": 4,
        "preview_count": 1,
        "validation_every": 2,
    }
    return TrainRequest(**{**options, **changes})


def trained(home: Path, tmp_path: Path, request: TrainRequest) -> JobFolder:
    """Trains as the server does, in a process of its own; returns the job's folder."""
    folders = Folders.under(tmp_path / "data", checkpoints=home / "models")
    info = replace(identify(home / "models" / "tiny"), title="tiny")
    job = make_job(tmp_path / "data", info, home / "cats", Gate(folders).passed(request))
    assert work_to_the_end(job).last == "finished", JobProgress(job.events_path).follow().reason
    return job


def test_no_file_that_a_training_leaves_or_that_is_made_of_it_says_where_things_lie(home: Path, tmp_path: Path) -> None:
    job = trained(home, tmp_path, asked(home))
    out, words = tmp_path / "exported", tmp_path / "data" / "embeddings"
    out.mkdir()

    for form in FORMATS:
        card = card_picture(words / f"{FIRST}.preview.png") if form == "png" else None
        for word in (FIRST, SECOND):
            export(read_embedding(words / f"{word}.safetensors"), form, out, image=card, overwrite=True)

    made = [path for folder in (job.path, words, out) for path in shared_files(folder)]
    assert {path.suffix for path in made} == {".safetensors", ".pt", ".png"}
    assert len(made) >= 15
    for path in made:
        assert SECRET not in text_in(path), path
    assert SECRET in (job.path / "request.json").read_text()  # by which it can be resumed
    header = read_embedding(words / f"{FIRST}.safetensors").metadata
    assert header["modelspec.thumbnail"] == header_picture(home / "thumbnail.png")
    said = json.loads(header["ti_studio.request"])
    assert [folder["directory"] for folder in said["folders"]] == ["cats", "hats"]
    assert (said["template"], said["vae"], said["checkpoint"]) == ("mine.txt", "vae", "tiny")


def test_without_metadata_the_pictures_of_a_training_say_nothing_either(home: Path, tmp_path: Path) -> None:
    job = trained(home, tmp_path, asked(home, metadata=False, preview_prompts="my own prompt, [name]"))

    made = [path for folder in (job.path, tmp_path / "data" / "embeddings") for path in shared_files(folder)]
    assert len(made) >= 7
    for path in made:
        assert not any(text in text_in(path) for text in (SECRET, "my own prompt", "cats", "modelspec")), path


def test_the_request_in_a_header_is_one_again_where_what_it_names_is_in_its_folder(
    home: Path, tmp_path: Path, tiny_checkpoint: CheckpointInfo
) -> None:
    job = trained(home, tmp_path, asked(home, more_words=(), folders=(), mask_directory="", metadata_file=""))
    said = read_embedding(tmp_path / "data" / "embeddings" / f"{FIRST}.safetensors").metadata["ti_studio.request"]
    again = TrainRequest(**{**json.loads(said), "name": "again"})
    folders = Folders.under(tmp_path / "elsewhere", checkpoints=tiny_checkpoint.path.parent)
    folders.make()
    jobs = Jobs(folders)

    with pytest.raises(NotFound, match=r"There is no embedding file .*start\.safetensors"):
        jobs.submit(again)
    shutil.copyfile(home / "start.safetensors", folders.embeddings / "start.safetensors")
    with pytest.raises(NotFound, match=r"no prompt template 'mine\.txt'"):
        jobs.submit(again)
    folders.templates.mkdir()
    shutil.copyfile(home / "mine.txt", folders.templates / "mine.txt")
    with pytest.raises(NotFound, match=r"There is no VAE .*expected a file or a diffusers folder, by its path or in"):
        jobs.submit(again)
    found = again.model_copy(update={"vae": ""})
    with pytest.raises(NotFound, match=r"elsewhere.cats"):
        jobs.submit(found)
    shutil.copytree(home / "cats", folders.data / "cats")
    started = jobs.submit(found)
    worker = started.files.worker()
    assert worker is not None
    worker.kill()
    worker.wait(10)
    assert job.request.dataset_directory == str(home / "cats")
