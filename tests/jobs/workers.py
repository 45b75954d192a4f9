"""Real worker processes that start in a moment: forked from one that has imported torch already."""

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

from ti_studio.folders import TEMPORARY_PREFIX
from ti_studio.jobs import worker
from ti_studio.jobs.folder import JobFolder, JobPaths
from ti_studio.jobs.progress import JobProgress
from ti_studio.models.checkpoint.checkpoints import CheckpointInfo
from ti_studio.training.config.request import TrainRequest
from ti_studio.training.data.captions import find_template

PATIENCE = 300.0
"""Seconds until a test gives up."""

_FORKED = multiprocessing.get_context("forkserver")
_FORKED.set_forkserver_preload(["ti_studio.jobs.work", "diffusers", "transformers"])


def make_job(root: Path, checkpoint: CheckpointInfo, pictures: Path, request: TrainRequest) -> JobFolder:
    """Makes a job's folder, and an embeddings folder beside it."""
    (root / "embeddings").mkdir(parents=True, exist_ok=True)
    place = JobPaths(
        checkpoint=str(checkpoint.path),
        checkpoints=str(checkpoint.path.parent),
        embeddings=str(root / "embeddings"),
        dataset=str(pictures),
        template=str(find_template(root, request.template)),
        created=1_700_000_000.0,
    )
    return JobFolder.create(root / "outputs" / "train", request, place)


@contextmanager
def working(job: JobFolder) -> Iterator[BaseProcess]:
    """Runs a worker; on leaving it is killed if it still runs."""
    process = _FORKED.Process(target=worker.main, args=([str(job.path)],))
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join(PATIENCE)


def work_to_the_end(job: JobFolder) -> JobProgress:
    """Runs a worker until it ends, and returns what it told."""
    with working(job) as process:
        process.join(PATIENCE)
        assert not process.is_alive()
    return JobProgress(job.events_path).follow()


def wait_until(true: Callable[[], bool], process: BaseProcess) -> None:
    """Waits until something is true; fails if the process ends before it is."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert process.is_alive(), "the worker has ended already"
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.0002)


def temporaries(folder: Path) -> list[Path]:
    """Returns the files that are being written, or were when their process was killed."""
    found = []
    for place in (folder, folder / "snapshots", folder / "previews"):
        if place.is_dir():
            found += [Path(entry.path) for entry in os.scandir(place) if entry.name.startswith(TEMPORARY_PREFIX)]
    return found
