"""Extensions in a data folder of their own."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ti_studio.extensions.host import ExtensionHost
from ti_studio.server_options import ServerOptions

SAMPLES = Path(__file__).parent / "samples"

Host = Callable[..., ExtensionHost]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The data folder."""
    (tmp_path / "data" / "extensions").mkdir(parents=True)
    return tmp_path / "data"


@pytest.fixture
def write(data: Path) -> Callable[[str, str], Path]:
    """Writes a file of an extension: `write("name/scripts/a.py", "text")`."""

    def write_one(place: str, text: str) -> Path:
        path = data / "extensions" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write_one


@pytest.fixture
def add_samples(data: Path) -> Callable[..., None]:
    """Puts some of the sample extensions there."""

    def add(*names: str) -> None:
        for name in names:
            shutil.copytree(SAMPLES / name, data / "extensions" / name)

    return add


@pytest.fixture
def host(data: Path) -> Host:
    """Makes the host of that folder: `host()`, or with flags of the server `host(listen=True)`."""

    def made(**flags: object) -> ExtensionHost:
        return ExtensionHost(data, ServerOptions(data_dir=data, **flags))  # type: ignore[arg-type]

    return made
