"""Trainings as jobs, with real worker processes."""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ti_studio.embeddings.formats.files import read_embedding
from ti_studio.embeddings.names import BadName
from ti_studio.embeddings.sidecars import preview_path
from ti_studio.errors import Conflict, NotFound, StudioError
from ti_studio.folders import Folders, ImpossiblePath, OutsideFolder
from ti_studio.jobs.job import ACTIVE, Job
from ti_studio.jobs.progress import JobStatus
from ti_studio.jobs.queue import Jobs
from ti_studio.training.config.request import TrainRequest

PATIENCE = 300.0
"""Seconds until a test gives up; a worker takes seconds to start on an idle machine."""


@pytest.fixture
def jobs(folders: Folders) -> Iterator[Jobs]:
    jobs = Jobs(folders)
    yield jobs
    for job in jobs.list():
        worker = job.files.worker()
        if worker is not None:
            worker.kill()
            worker.wait(10)


@pytest.fixture
def request_for(pictures: Path) -> Callable[..., TrainRequest]:
    def make(name: str = "zzzz1234", **changes: object) -> TrainRequest:
        settings = {
            "name": name,
            "dataset_directory": str(pictures),
            "batch_size": 1,
            "max_steps": 4,
            "preview_every": 0,
        }
        return TrainRequest(**{**settings, **changes})  # type: ignore[arg-type]

    return make


def wait(jobs: Jobs, job: Job, until: Callable[[Job], bool]) -> Job:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        jobs.tend()
        job = jobs.get(job.id)
        if until(job):
            return job
        assert job.status not in (JobStatus.FAILED, JobStatus.CRASHED), job.summary()
        time.sleep(0.05)
    raise AssertionError(f"{job.id} is still {job.status.value}: {job.summary()}")


def is_over(job: Job) -> bool:
    return job.status not in (JobStatus.QUEUED, *ACTIVE)


def test_room_is_made_before_a_training_starts_and_not_while_one_waits(
    folders: Folders, request_for: Callable[..., TrainRequest]
) -> None:
    asked: list[int] = []
    jobs = Jobs(folders, make_room=lambda: asked.append(len(jobs.list())))
    first = jobs.submit(request_for(max_steps=100_000))
    jobs.submit(request_for("yyyy5678"))
    assert asked == [1]
    worker = jobs.get(first.id).files.worker()
    assert worker is not None
    worker.kill()


def test_a_job_trains_in_its_own_process_and_leaves_the_word_with_its_card(
    jobs: Jobs, folders: Folders, request_for: Callable[..., TrainRequest]
) -> None:
    job = wait(jobs, jobs.submit(request_for(preview_every=2, preview_count=1)), is_over)

    summary = job.summary()
    path = folders.embeddings / "zzzz1234.safetensors"
    assert (summary["status"], summary["step"], summary["embedding"]) == ("finished", 4, str(path))
    assert read_embedding(path).step == 4
    assert [preview["url_name"] for preview in summary["previews"]] == ["000000-0.png", "000002-0.png", "000004-0.png"]
    assert preview_path(path).read_bytes() == job.preview_path("000004-0.png").read_bytes()
    assert [point[0] for point in job.loss_curve()] == [1, 2, 3, 4]
    assert [point[0] for point in job.loss_curve(after_step=2)] == [3, 4]


def test_killed_and_stopped_and_resumed_gives_the_same_file_as_left_alone(
    jobs: Jobs, folders: Folders, request_for: Callable[..., TrainRequest]
) -> None:
    wanted = request_for(max_steps=60, save_every=7)
    job = wait(jobs, jobs.submit(wanted), lambda job: job.progress.step >= 10)
    worker = job.files.worker()
    assert worker is not None
    worker.kill()
    worker.wait(10)
    crashed = jobs.get(job.id)
    assert crashed.status is JobStatus.CRASHED
    assert "ended unexpectedly" in crashed.summary()["reason"]

    jobs.resume(job.id)
    wait(jobs, job, lambda job: job.progress.step >= 20 and job.status is JobStatus.RUNNING)
    jobs.stop(job.id)
    stopped = wait(jobs, job, lambda job: job.status is JobStatus.STOPPED or job.status is JobStatus.FINISHED)
    if stopped.status is JobStatus.STOPPED:
        jobs.resume(job.id)
    wait(jobs, job, lambda job: job.status is JobStatus.FINISHED)
    interrupted = read_embedding(folders.embeddings / "zzzz1234.safetensors").vectors["clip_l"]

    again = wait(jobs, jobs.submit(wanted.model_copy(update={"overwrite": True})), is_over)

    assert again.status is JobStatus.FINISHED
    assert read_embedding(folders.embeddings / "zzzz1234.safetensors").vectors["clip_l"].equal(interrupted)
    assert [point[0] for point in jobs.get(job.id).loss_curve()] == list(range(1, 61))


def test_a_second_training_waits_for_the_first(jobs: Jobs, request_for: Callable[..., TrainRequest]) -> None:
    first = jobs.submit(request_for("zzzz1111", max_steps=100_000))
    second = jobs.submit(request_for("zzzz2222"))

    assert (second.status, second.queue_position) == (JobStatus.QUEUED, 1)
    current = jobs.current()
    assert current is not None
    assert current.id == first.id

    jobs.stop(first.id)
    assert wait(jobs, second, lambda job: job.status is JobStatus.FINISHED).progress.step == 4
    assert jobs.get(first.id).status is JobStatus.STOPPED


def test_another_object_for_the_same_folder_sees_the_same_jobs(
    jobs: Jobs, folders: Folders, request_for: Callable[..., TrainRequest]
) -> None:
    job = wait(jobs, jobs.submit(request_for(max_steps=100_000)), lambda job: job.progress.step >= 1)

    restarted = Jobs(folders)

    current = restarted.current()
    assert current is not None
    assert (current.id, current.status) == (job.id, JobStatus.RUNNING)
    restarted.stop(job.id)
    assert wait(restarted, job, is_over).status is JobStatus.STOPPED


def test_a_name_that_is_in_work_is_refused(jobs: Jobs, request_for: Callable[..., TrainRequest]) -> None:
    first = jobs.submit(request_for(max_steps=100_000))

    with pytest.raises(Conflict, match=r"A training of 'ZZZZ1234' is (running|queued) already"):
        jobs.submit(request_for("ZZZZ1234"))

    with pytest.raises(Conflict, match=r"A training of 'Zzzz1234' is (running|queued) already"):
        jobs.submit(request_for("yyyy5678", more_words="Zzzz1234"))

    jobs.stop(first.id)
    with pytest.raises(Conflict, match="stop it first"):
        jobs.remove(first.id)


def test_a_failure_in_the_worker_is_told_as_a_failure(
    jobs: Jobs, folders: Folders, request_for: Callable[..., TrainRequest], tmp_path: Path
) -> None:
    (tmp_path / "glued.txt").write_text("pre[name]post")

    job = jobs.submit(request_for("zzzz", template=str(tmp_path / "glued.txt")))
    job = wait(jobs, job, is_over)

    assert job.status is JobStatus.FAILED
    assert "does not hold the word" in job.summary()["reason"]
    assert list(folders.embeddings.iterdir()) == []


def test_a_removed_job_is_gone_and_its_word_stays(
    jobs: Jobs, folders: Folders, request_for: Callable[..., TrainRequest]
) -> None:
    job = wait(jobs, jobs.submit(request_for(max_steps=1)), is_over)

    jobs.remove(job.id)

    assert jobs.list() == []
    assert (folders.embeddings / "zzzz1234.safetensors").exists()
    with pytest.raises(NotFound, match="There is no training"):
        jobs.get(job.id)


def test_a_job_folder_that_somebody_broke_does_not_hide_the_others(jobs: Jobs, folders: Folders) -> None:
    broken = folders.outputs / "train" / "broken"
    broken.mkdir(parents=True)
    (broken / "request.json").write_text("{}")

    assert jobs.list() == []


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"name": ""}, BadName, "The name is empty"),
        ({"name": "../evil"}, BadName, "has . . in it|has / in it"),
        ({"name": "a:b"}, BadName, "has : in it"),
        ({"name": "con"}, BadName, "is a device on Windows"),
        ({"more_words": ("../evil",)}, BadName, "has . . in it|has / in it"),
        ({"dataset_directory": ""}, NotFound, "The dataset directory is empty"),
        ({"dataset_directory": "a\0b"}, ImpossiblePath, "has a null character in it"),
        ({"dataset_directory": "no/where"}, NotFound, "There is no folder .*no/where"),
        ({"template": "missing.txt"}, NotFound, "There is no prompt template 'missing.txt'"),
        ({"checkpoint": "dream"}, NotFound, "There is no checkpoint 'dream'"),
    ],
)
def test_a_request_that_cannot_work_is_refused_and_changes_nothing(
    jobs: Jobs,
    folders: Folders,
    request_for: Callable[..., TrainRequest],
    changes: dict[str, object],
    error: type[StudioError],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        jobs.submit(request_for(**changes))

    assert jobs.list() == []
    assert list(folders.embeddings.iterdir()) == []


def test_a_taken_name_is_refused_unless_it_may_be_overwritten(
    jobs: Jobs, folders: Folders, request_for: Callable[..., TrainRequest]
) -> None:
    (folders.embeddings / "Zzzz1234.pt").write_bytes(b"")

    with pytest.raises(Conflict, match=r"The name 'zzzz1234' is taken by Zzzz1234\.pt"):
        jobs.submit(request_for())
    with pytest.raises(Conflict, match=r"The name 'zzzz1234' is taken by Zzzz1234\.pt"):
        jobs.submit(request_for("yyyy5678", more_words="zzzz1234"))


def test_a_dataset_outside_the_allowed_folder_is_refused(
    folders: Folders, request_for: Callable[..., TrainRequest], tmp_path: Path
) -> None:
    (tmp_path / "allowed").mkdir()

    with pytest.raises(OutsideFolder, match="leads out of"):
        Jobs(replace(folders, dataset_root=tmp_path / "allowed")).submit(request_for())


@pytest.mark.parametrize(
    "reaching_out",
    [
        {"folders": ({"directory": "../outside"},)},
        {"folders": ({"directory": ".", "mask_directory": "/"},)},
        {"mask_directory": "../outside"},
        {"initialization_file": "/etc/hostname"},
        {"initialization_file": "../../word.safetensors"},
        {"metadata_file": "/etc/hostname"},
        {"folders": ({"directory": ".", "metadata_file": "../outside.json"},)},
        {"vae": "/etc/hostname"},
        {"metadata_thumbnail": "../outside.png"},
    ],
)
def test_no_path_of_a_request_leads_out_of_the_allowed_folders(
    folders: Folders, request_for: Callable[..., TrainRequest], pictures: Path, reaching_out: dict[str, object]
) -> None:
    jobs = Jobs(replace(folders, dataset_root=pictures))

    with pytest.raises(OutsideFolder, match="leads out of"):
        jobs.submit(request_for(**{"dataset_directory": ".", **reaching_out}))

    assert jobs.list() == []


def test_a_full_disk_is_told_before_anything_is_written(
    jobs: Jobs, request_for: Callable[..., TrainRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=3 * 2**20))

    with pytest.raises(StudioError, match="has 3 MB left; a training wants 64 MB"):
        jobs.submit(request_for())

    assert jobs.list() == []


def test_every_event_line_has_its_time(jobs: Jobs, request_for: Callable[..., TrainRequest]) -> None:
    job = wait(jobs, jobs.submit(request_for(max_steps=2)), is_over)

    lines = [json.loads(line) for line in job.files.events_path.read_text().splitlines()]
    kinds = [line["event"] for line in lines]
    assert kinds[0] == "queued"
    assert kinds[-1] == "finished"
    assert kinds.count("step") == 2
    assert all(line["at"] > 1_700_000_000 for line in lines)
