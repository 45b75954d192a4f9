"""Fixtures that tests of several packages share."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from tests.checkpoints import DEMO, TINY, write_tiny_checkpoint
from tests.telling import shared_files, text_in
from ti_studio.embeddings.errors import UnreadableEmbedding
from ti_studio.embeddings.formats.files import read_embedding
from ti_studio.embeddings.library.library import Library
from ti_studio.folders import Folders
from ti_studio.models.checkpoint.checkpoints import CheckpointInfo, identify
from ti_studio.models.hardware import Hardware
from ti_studio.models.loading import Model, load

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session", autouse=True)
def _no_file_says_where_it_was_made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Reads, after the last test, every file that the tests have written and that a person may pass on."""
    yield
    base = tmp_path_factory.getbasetemp()
    here = [json.dumps(str(place))[1:-1] for place in (base, base.resolve(), ROOT)]
    telling = [path for path in shared_files(base) if any(place in text_in(path) for place in here) and _is_ours(path)]
    assert not telling, f"These files hold a path of this machine: {', '.join(map(str, telling))}"


def _is_ours(path: Path) -> bool:
    """Tells whether a file may be one that the studio wrote; the malicious pickles of some tests are refused."""
    if path.suffix.lower() not in (".pt", ".bin"):
        return True
    try:
        read_embedding(path)
    except UnreadableEmbedding:
        return False
    return True


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> CheckpointInfo:
    """A checkpoint with random weights that trains and paints in milliseconds."""
    return identify(write_tiny_checkpoint(tmp_path_factory.mktemp("checkpoints") / "tiny"))


@pytest.fixture(scope="session")
def tiny_model(tiny_checkpoint: CheckpointInfo) -> Model:
    """The tiny checkpoint, loaded."""
    return load(tiny_checkpoint, Hardware.automatic())


@pytest.fixture(scope="session")
def tiny_families(tmp_path_factory: pytest.TempPathFactory) -> dict[str, CheckpointInfo]:
    """A tiny checkpoint of each family, by the family's name."""
    folder = tmp_path_factory.mktemp("families")
    return {name: identify(write_tiny_checkpoint(folder / name, family=name)) for name in TINY}


@pytest.fixture(scope="session")
def tiny_sd2(tiny_families: dict[str, CheckpointInfo]) -> Model:
    """A tiny SD 2, loaded."""
    return load(tiny_families["SD 2"], Hardware.automatic())


@pytest.fixture(scope="session")
def tiny_sdxl(tiny_families: dict[str, CheckpointInfo]) -> Model:
    """A tiny SDXL, loaded."""
    return load(tiny_families["SDXL"], Hardware.automatic())


@pytest.fixture(scope="session")
def demo_model() -> Model:
    """The demo checkpoint, loaded."""
    return load(identify(DEMO), Hardware.automatic())


@pytest.fixture
def folders(tmp_path: Path, tiny_checkpoint: CheckpointInfo) -> Folders:
    """A fresh data folder whose only checkpoint is the tiny one."""
    folders = Folders.under(tmp_path / "data", checkpoints=tiny_checkpoint.path.parent)
    folders.make()
    return folders


@pytest.fixture
def library(folders: Folders) -> Library:
    """The library of that data folder."""
    return Library(folders.embeddings)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of three captioned pictures, 40×32 pixels."""
    return draw_pictures(tmp_path / "pictures", ["red", "green", "blue"])


@pytest.fixture
def draw() -> Callable[[Path, list[str]], Path]:
    """Draws a folder of pictures."""
    return draw_pictures


def draw_pictures(folder: Path, colours: list[str]) -> Path:
    """Draws a disc of each colour, and says in a caption what colour it is."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, colour in enumerate(colours):
        image = Image.new("RGB", (40, 32), "white")
        ImageDraw.Draw(image).ellipse((8, 4, 30, 26), fill=colour)
        image.save(folder / f"{index}.png")
        (folder / f"{index}.txt").write_text(f"{colour}, on a white background")
    return folder
