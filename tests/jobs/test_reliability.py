"""Trainings that are killed at any moment, find the disk full, or meet another one; with real processes."""

import os
import random
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from tests.jobs.workers import make_job, temporaries, wait_until, work_to_the_end, working
from ti_studio.embeddings.formats.files import read_embedding
from ti_studio.folders import TEMPORARY_PREFIX, Folders
from ti_studio.jobs.folder import JobFolder
from ti_studio.jobs.name_lock import NameHeld, check_not_held, holding, name_lock
from ti_studio.jobs.progress import JobProgress
from ti_studio.jobs.queue import Jobs
from ti_studio.models.checkpoint.checkpoints import CheckpointInfo
from ti_studio.training.config.request import TrainRequest
from ti_studio.training.state import TrainingState

MakeJob = Callable[..., JobFolder]


@pytest.fixture
def make(tmp_path: Path, tiny_checkpoint: CheckpointInfo, pictures: Path) -> MakeJob:
    """Makes jobs of one and the same training, each in a data folder of its own."""

    def job(folder: Path | str, **changes: object) -> JobFolder:
        settings = {
            "name": "zzzz1234",
            "dataset_directory": str(pictures),
            "batch_size": 1,
            "max_steps": 16,
            "save_every": 7,
            "preview_every": 8,
            "preview_count": 1,
            "validation_every": 5,
            "validation_count": 1,
            "ema_decay": 0.5,
        }
        request = TrainRequest(**{**settings, **changes})  # type: ignore[arg-type]
        return make_job(tmp_path / folder, tiny_checkpoint, pictures, request)

    return job


def left_by(job: JobFolder) -> dict[str, bytes]:
    """Returns the word, the snapshots and the pictures that a job has left."""
    data = job.path.parents[2]
    files = [*(data / "embeddings").rglob("*"), *(job.path / "snapshots").iterdir(), *(job.path / "previews").iterdir()]
    return {path.name: path.read_bytes() for path in files}


def told(progress: JobProgress) -> tuple[object, ...]:
    return (
        [point[:2] for point in progress.curve],
        [(made["step"], made["loss"], made["best"]) for made in progress.validations],
        sorted((made["step"], made["path"]) for made in [*progress.snapshots, *progress.previews]),
        progress.last,
    )


def test_killed_at_any_moment_and_resumed_a_training_leaves_what_it_would_have_left(make: MakeJob) -> None:
    whole = make("whole")
    alone = work_to_the_end(whole)
    job = make("killed")
    drawn = random.Random()
    killed_at = [_kill_after(job, step, drawn.randrange(40)) for step in (1, 5, 9)]

    resumed = work_to_the_end(job)

    assert max(killed_at) < 16, "it was killed at its end only"
    assert told(resumed) == told(alone)
    assert left_by(job) == left_by(whole)


def _kill_after(job: JobFolder, step: int, looks: int) -> int:
    """Kills a worker so many looks at its files after a step; returns its last step."""
    follow = JobProgress(job.events_path)
    left = iter(range(looks))
    with working(job) as process:
        wait_until(lambda: follow.follow().step >= step and next(left, None) is None, process)
        process.kill()
        process.join()
    job.clear_worker()
    assert temporaries(job.path) == []
    return follow.follow().step


def test_killed_in_the_middle_of_saving_a_state_the_one_before_it_is_gone_on_from(make: MakeJob) -> None:
    whole = make("whole", save_every=1, preview_every=0)
    work_to_the_end(whole)
    job = make("killed", save_every=1, preview_every=0)
    with working(job) as process:
        state = job.path / "state.safetensors"
        wait_until(state.exists, process)
        wait_until(lambda: _is_writing(job, process.pid or 0), process)
        process.kill()
        process.join()
    assert temporaries(job.path) != []

    assert work_to_the_end(job).last == "finished"
    assert read_embedding(job.path.parents[2] / "embeddings" / "zzzz1234.safetensors").step == 16
    job.clear_worker()
    assert temporaries(job.path) == []
    (job.path / "previews").mkdir(exist_ok=True)
    (whole.path / "previews").mkdir(exist_ok=True)
    assert left_by(job) == left_by(whole)


def _is_writing(job: JobFolder, pid: int) -> bool:
    """Tells whether a process has a half-written file in the job's own folder; it is then frozen."""
    if not any(path.parent == job.path for path in temporaries(job.path)):
        return False
    os.kill(pid, signal.SIGSTOP)
    if any(path.parent == job.path for path in temporaries(job.path)):
        return True
    os.kill(pid, signal.SIGCONT)
    return False


def test_killed_between_its_last_step_and_its_end_a_training_knows_its_own_file(
    make: MakeJob, folders: Folders, tmp_path: Path
) -> None:
    job = make("data")
    work_to_the_end(job)
    lines = job.events_path.read_bytes().splitlines(keepends=True)
    assert b'"finished"' in lines[-1]
    job.events_path.write_bytes(b"".join(lines[:-1]))  # as if it had been killed before it could tell
    left = left_by(job)
    jobs = Jobs(Folders.under(tmp_path / "data", checkpoints=folders.checkpoints))
    job.write_json("worker.json", {"pid": os.getpid(), "started": 0.0})  # another process has that id by now

    resumed = jobs.resume(job.path.name)
    worker = resumed.files.worker()
    assert worker is not None
    worker.kill()  # that it may is what is to be seen here; the following one starts sooner
    worker.wait(60)
    job.clear_worker()

    assert work_to_the_end(job).last == "finished"
    assert left_by(job) == left


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 700 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=700k", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_fails_the_training_with_the_reason_and_room_lets_it_go_on(make: MakeJob, small_disk: Path) -> None:
    options = {"save_every": 1, "preview_every": 0, "validation_every": 0, "vectors_per_token": 8}
    whole = make("whole", **options)
    work_to_the_end(whole)
    job = make(small_disk, **options)

    failed = _until_the_disk_is_full(job, small_disk)

    assert failed.last == "failed" and failed.reason is not None
    assert str(job.path) in failed.reason and "could not be written" in failed.reason
    assert "the disk is full" in failed.reason
    assert 0 < TrainingState.read(job.path / "state.safetensors").step <= failed.step < 16
    (small_disk / "filling").unlink()
    job.clear_worker()
    assert work_to_the_end(job).last == "finished"
    assert _rows(job).equal(_rows(whole))


def test_a_disk_too_full_to_go_on_has_room_for_the_last_event(make: MakeJob, small_disk: Path) -> None:
    job = make(small_disk, save_every=0, preview_every=0, validation_every=0, max_steps=100_000)

    failed = _until_the_disk_is_full(job, small_disk)

    assert failed.last == "failed" and failed.reason is not None
    assert "the disk is full" in failed.reason
    # A busy machine may be at the state that is saved every few seconds before it is at the next event.
    assert any(str(path) in failed.reason for path in (job.events_path, job.path / "state.safetensors"))


def _until_the_disk_is_full(job: JobFolder, disk: Path) -> JobProgress:
    with working(job) as process:
        follow = JobProgress(job.events_path)
        wait_until(lambda: follow.follow().step >= 3, process)
        _fill(disk)
        process.join(60)
        assert not process.is_alive()
    return JobProgress(job.events_path).follow()


def _rows(job: JobFolder) -> torch.Tensor:
    return read_embedding(job.path.parents[2] / "embeddings" / "zzzz1234.safetensors").vectors["clip_l"]


def _fill(disk: Path) -> None:
    with (disk / "filling").open("wb", buffering=0) as file:
        while True:
            try:
                file.write(bytes(512))
            except OSError:
                return


def test_a_stop_comes_through_while_previews_are_painted(make: MakeJob) -> None:
    job = make("stopped", preview_count=16)
    with working(job) as process:
        wait_until((job.path / "previews" / "000000-0.png").exists, process)
        os.kill(process.pid or 0, signal.SIGTERM)
        process.join(60)
        assert not process.is_alive()
    stopped = JobProgress(job.events_path).follow()
    assert (stopped.last, stopped.step, stopped.curve) == ("stopped", 0, [])
    assert 0 < len(stopped.previews) < 16
    assert TrainingState.read(job.path / "state.safetensors").notes["done"] == '["validated"]'


@pytest.mark.parametrize("words", [{}, {"name": "first", "more_words": "zzzz1234"}])
def test_a_word_that_another_process_trains_is_refused_with_who_does(
    make: MakeJob, tmp_path: Path, words: dict[str, str]
) -> None:
    job = make("data", **words)
    lock = name_lock(tmp_path / "data" / "embeddings", "ZZZZ1234")

    with holding(lock, "zzzz1234", tmp_path / "elsewhere"):
        with pytest.raises(NameHeld, match=rf"'x' is being trained by process {os.getpid()} on .* since 20.*elsewhere"):
            check_not_held(lock, "x")
        refused = work_to_the_end(job)

    assert refused.last == "failed"
    assert refused.reason is not None and f"process {os.getpid()}" in refused.reason
    assert refused.curve == []
    assert list(lock.parent.iterdir()) == []
    assert list((tmp_path / "data" / "embeddings").iterdir()) == []
    check_not_held(lock, "x")


def test_a_lock_goes_with_the_process_that_is_killed(make: MakeJob, tmp_path: Path) -> None:
    job = make("data")
    lock = name_lock(tmp_path / "data" / "embeddings", "zzzz1234")
    with working(job) as process:
        wait_until((job.path / "state.safetensors").exists, process)
        with pytest.raises(NameHeld, match=f"process {process.pid} "):
            check_not_held(lock, "zzzz1234")

    check_not_held(lock, "zzzz1234")


def test_a_second_process_for_the_same_job_leaves_it_to_the_first(make: MakeJob, tmp_path: Path) -> None:
    job = make("data")
    with holding(name_lock(tmp_path / "data" / "embeddings", "zzzz1234"), "zzzz1234", job.path):
        told = work_to_the_end(job)

    worker = job.worker()
    assert worker is not None and worker.pid == os.getpid()
    assert told.last == "running"


def test_what_killed_processes_left_does_no_harm_and_is_removed_when_it_is_old(make: MakeJob, tmp_path: Path) -> None:
    job = make("data", max_steps=2, preview_every=0, validation_every=0)
    old, young = (tmp_path / "data" / "embeddings" / f"{TEMPORARY_PREFIX}{name}" for name in ("old", "young"))
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (1_700_000_000, 1_700_000_000))
    with job.events_path.open("ab") as file:
        file.write(b'\x00\x00\n[1]\n{"event": "step", "st')

    progress = work_to_the_end(job)

    assert (progress.last, [point[0] for point in progress.curve]) == ("finished", [1, 2])
    assert (old.exists(), young.exists()) == (False, True)
