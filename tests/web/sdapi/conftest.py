"""The application with the tiny checkpoint, which paints in milliseconds."""

from pathlib import Path

import pytest

from ti_studio.folders import Folders
from ti_studio.models.checkpoint.checkpoints import CheckpointInfo


@pytest.fixture
def folders(tmp_path: Path, tiny_checkpoint: CheckpointInfo) -> Folders:
    """An installation's folders, made."""
    made = Folders.under(tmp_path / "data", checkpoints=tiny_checkpoint.path.parent)
    made.make()
    return made
