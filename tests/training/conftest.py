"""Fixtures of whole trainings."""

from pathlib import Path

import pytest

from ti_studio.training.data.captions import find_template
from ti_studio.training.preparation import RunPaths


@pytest.fixture
def place(tmp_path: Path, pictures: Path) -> RunPaths:
    (tmp_path / "job").mkdir()
    (tmp_path / "embeddings").mkdir()
    return RunPaths(
        job=tmp_path / "job",
        embeddings=tmp_path / "embeddings",
        dataset=pictures,
        template=find_template(tmp_path, "subject_filewords.txt"),
        created=1_700_000_000.0,
    )
