"""All jobs of an installation: submitted, started one at a time, stopped, resumed. What is known of them is on disk
only, so a server, a command line and a restarted server all see the same. Imports no torch.
"""

import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from filelock import FileLock

from ti_studio.errors import Conflict, NotFound, StudioError
from ti_studio.folders import Folders, inside
from ti_studio.jobs.folder import JobFolder, JobPaths
from ti_studio.jobs.job import ACTIVE, RESUMABLE, Job
from ti_studio.jobs.name_lock import check_not_held, name_lock
from ti_studio.jobs.progress import JobProgress, JobStatus
from ti_studio.jobs.request_paths import Gate
from ti_studio.models.checkpoint.checkpoints import CheckpointInfo, find_checkpoint
from ti_studio.prompts.limits import PromptLimits
from ti_studio.training.config.optimizer import check_packages
from ti_studio.training.config.request import TrainRequest
from ti_studio.training.data.captions import PromptTemplate
from ti_studio.training.data.dataset import scan_folders
from ti_studio.training.output.publishing import check_free

LEAST_FREE_BYTES = 64 * 1024 * 1024
"""What a training wants free on the disk: snapshots, previews and state are a few megabytes."""


log = logging.getLogger(__name__)


class DiskFull(StudioError):
    """There is too little room for a training's files."""

    status = 507


@dataclass(frozen=True)
class _Known:
    """What has been read of a job."""

    files: JobFolder
    request: TrainRequest
    created: float
    progress: JobProgress


class Jobs:
    """The queue of trainings below `outputs/train/`."""

    def __init__(
        self,
        folders: Folders,
        find: Callable[[str | None], CheckpointInfo] | None = None,
        make_room: Callable[[], str | None] = lambda: None,
    ) -> None:
        """Knows the jobs below `folders.outputs`.

        Args:
            folders: where everything lies.
            find: finds the checkpoint that a request names, or the one for requests that name none; None looks in the
                folder of checkpoints, and takes any path.
            make_room: called before a training starts, to free the memory of what this process has loaded; may return
                a sentence for those who watch the training.
        """
        self._folders = folders
        self._gate = Gate(folders)
        self._find_checkpoint = find or partial(find_checkpoint, folders.checkpoints)
        self._make_room = make_room
        self._root = folders.outputs / "train"
        self._known: dict[str, _Known] = {}
        self._broken: set[str] = set()
        self._workers: list[_Worker] = []

    def submit(self, request: TrainRequest) -> Job:
        """Checks a request, makes its job folder, and starts it if no other training runs.

        Raises:
            StudioError: the request can't work: its name, dataset, template or checkpoint, or the disk is full. Nothing
                has been changed.
        """
        request = self._gate.passed(request)
        place = self._check(request)
        with self._locked():
            self._check_name_is_not_in_work(request)
            files = JobFolder.create(self._root, request, place)
        self.tend()
        return self.get(files.path.name)

    def list(self) -> list[Job]:
        """Returns all jobs, the newest first."""
        jobs = sorted(self._all_jobs(), key=lambda job: (job.created, job.id))
        waiting = [job.id for job in jobs if job.status is JobStatus.QUEUED]
        return [
            replace(job, queue_position=waiting.index(job.id) + 1 if job.id in waiting else None)
            for job in reversed(jobs)
        ]

    def get(self, job_id: str) -> Job:
        """Returns one job.

        Raises:
            NotFound: there is none of this id.
        """
        for job in self.list():
            if job.id == job_id:
                return job
        raise NotFound(f"There is no training {job_id!r}.")

    def current(self) -> Job | None:
        """Returns the job that runs; else the next one to run; else the newest."""
        jobs = self.list()
        running = [job for job in jobs if job.status in ACTIVE]
        waiting = [job for job in reversed(jobs) if job.status is JobStatus.QUEUED]
        return next(iter([*running, *waiting, *jobs]), None)

    def stop(self, job_id: str) -> Job:
        """Asks a running job to stop after its present step; takes a waiting one out of the queue. A second call for a
        job that does not stop ends its process; it can be resumed all the same.

        Raises:
            Conflict: it is not running.
        """
        job = self.get(job_id)
        if job.status is JobStatus.QUEUED:
            job.files.append({"event": "stopped", "step": job.progress.step})
        elif job.status is JobStatus.RUNNING:
            job.files.stop_path.touch()
        elif job.status is JobStatus.STOPPING:
            worker = job.files.worker()
            if worker is not None:
                worker.kill()
        else:
            raise Conflict(f"The training {job.request.name!r} is not running; it is {job.status.value}.")
        return self.get(job_id)

    def resume(self, job_id: str) -> Job:
        """Queues a stopped, failed or crashed job again; it goes on from its last state.

        Raises:
            Conflict: it runs, waits or is finished.
            StudioError: its dataset, template or checkpoint is gone.
        """
        job = self.get(job_id)
        if job.status not in RESUMABLE:
            raise Conflict(f"The training {job.request.name!r} can't be resumed; it is {job.status.value}.")
        # The server may guard its folders now, and not have done so when the training was submitted.
        self._check(self._gate.passed(job.request), job.folder)
        with self._locked():
            self._check_name_is_not_in_work(job.request)
            job.files.clear_worker()
            job.files.append({"event": "queued"})
        self.tend()
        return self.get(job_id)

    def remove(self, job_id: str) -> None:
        """Deletes a job's folder; the embedding that it made stays.

        Raises:
            Conflict: it runs.
        """
        job = self.get(job_id)
        if job.status in ACTIVE:
            raise Conflict(f"The training {job.request.name!r} is running; stop it first.")
        shutil.rmtree(inside(self._root, job.id))
        self._known.pop(job_id, None)

    def tend(self) -> None:
        """Starts the job that has waited longest, if none runs. Call it every now and then."""
        self._workers = [worker for worker in self._workers if worker.poll() is None]  # reaps those that have ended
        with self._locked():
            jobs = self.list()
            if any(job.status in ACTIVE for job in jobs):
                return
            waiting = [job for job in jobs if job.status is JobStatus.QUEUED]
            if waiting:
                warning = self._make_room()
                if warning:
                    waiting[-1].files.append({"event": "warned", "text": warning})
                self._workers.append(_start_worker(waiting[-1].files))

    def _check(self, request: TrainRequest, job: Path | None = None) -> JobPaths:
        """Checks everything that can be checked before a training, and resolves what it names; `job` is the folder of
        one that goes on.

        Raises:
            StudioError: something is wrong with it.
        """
        if self._folders.are_guarded:
            check_packages(request)
        for name in request.vectors:
            check_free(name, self._folders.embeddings, overwrite=request.overwrite, job=job)
            check_not_held(name_lock(self._folders.embeddings, name), name)
        for prompt in (*request.preview_prompts, request.preview_negative_prompt):
            PromptLimits().check_text(prompt, "A preview prompt")
        info = self._find_checkpoint(request.checkpoint)
        template = self._gate.template(request.template)
        PromptTemplate.read(template)
        dataset = self._gate.dataset(request.folders[0].directory if request.folders else request.dataset_directory)
        size = info.default_size
        scan_folders(request.dataset_folders(str(dataset)), (request.width or size, request.height or size))
        self._check_room()
        return JobPaths(
            checkpoint=str(info.path.resolve()),
            checkpoints=str(self._folders.checkpoints),
            embeddings=str(self._folders.embeddings),
            dataset=str(dataset),
            template=str(template.resolve()),
            created=time.time(),
        )

    def _check_room(self) -> None:
        for folder in (self._folders.outputs, self._folders.embeddings):
            folder.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(folder).free
            if free < LEAST_FREE_BYTES:
                least = LEAST_FREE_BYTES // 2**20
                raise DiskFull(f"The disk of {folder} has {free // 2**20} MB left; a training wants {least} MB.")

    def _check_name_is_not_in_work(self, request: TrainRequest) -> None:
        for job in self.list():
            taken = {name.lower() for name in job.request.vectors}
            both = [name for name in request.vectors if name.lower() in taken]
            if both and job.status in (*ACTIVE, JobStatus.QUEUED):
                raise Conflict(f"A training of {both[0]!r} is {job.status.value} already; stop it first.")

    def _all_jobs(self) -> Iterator[Job]:
        if not self._root.is_dir():
            return
        for path in self._root.iterdir():
            if path.name in self._broken or not (path / "request.json").exists():
                continue
            try:
                known = self._known.get(path.name) or self._read(JobFolder(path))
                progress = known.progress.follow()
                yield Job(known.files, known.request, known.created, progress, _status(known.files, progress))
            except (StudioError, ValueError, OSError) as error:
                log.warning("The job folder %s is left out: %s", path, error)
                self._broken.add(path.name)

    def _read(self, files: JobFolder) -> "_Known":
        known = _Known(files, files.request, files.place.created, JobProgress(files.events_path))
        self._known[files.path.name] = known
        return known

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keeps other processes from starting or submitting jobs meanwhile."""
        self._root.mkdir(parents=True, exist_ok=True)
        with FileLock(self._root / ".lock"):
            yield


def _status(files: JobFolder, progress: JobProgress) -> JobStatus:
    if progress.last in ("finished", "stopped", "failed"):
        return JobStatus(progress.last)
    if not files.has_worker:
        return JobStatus.QUEUED
    if files.worker() is None:
        # The worker may have told its end and gone between the two looks.
        progress.follow()
        return JobStatus(progress.last) if progress.last in ("finished", "stopped", "failed") else JobStatus.CRASHED
    return JobStatus.STOPPING if files.stop_path.exists() else JobStatus.RUNNING


class _Worker(subprocess.Popen[bytes]):
    """A training process, which may outlive the object and the process that started it."""

    def __del__(self) -> None:
        """Does not warn, as its parent class does, that the process is still running: it is meant to."""
        self.poll()


def _start_worker(files: JobFolder) -> _Worker:
    """Starts the training process and returns it."""
    source_root = str(Path(__file__).resolve().parents[2])
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, [source_root, os.environ.get("PYTHONPATH")])),
        "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "PASSIVE"),  # see ti_studio.__main__
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }
    with (files.path / "log.txt").open("ab") as log:
        process = _Worker(
            [sys.executable, "-m", "ti_studio.jobs.worker", str(files.path)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            cwd=files.path.parent,
            start_new_session=True,
        )
    files.set_worker(process.pid)
    return process
