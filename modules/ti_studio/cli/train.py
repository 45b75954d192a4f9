"""`python -m ti_studio train` and `resume`: submit a training, and show how it goes until it ends."""

import argparse
import os
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel
from tqdm import tqdm

from ti_studio.cli.arguments import (
    Commands,
    WrongArguments,
    add_model_options,
    add_request_options,
    read_folders,
    read_request,
)
from ti_studio.errors import NotFound
from ti_studio.folders import Folders
from ti_studio.jobs.job import RESUMABLE, Job
from ti_studio.jobs.progress import JobStatus
from ti_studio.jobs.queue import Jobs
from ti_studio.models.checkpoint.checkpoints import find_checkpoint
from ti_studio.training.config.preset_kinds import PURPOSES
from ti_studio.training.config.presets import DEFAULT_PRESET, NO_PRESET, PRESET_CHOICES, filled, presets_for
from ti_studio.training.config.request import TrainRequest
from ti_studio.training.sd_scripts.dataset_config import read_dataset_config

SECONDS_BETWEEN_LOOKS = 0.2
SECONDS_BETWEEN_LINES = 10.0

Given = TypeVar("Given", bound=BaseModel)

_EXIT = {JobStatus.FINISHED: 0, JobStatus.STOPPED: 130}
_ENDED = (JobStatus.FINISHED, *RESUMABLE)

_EXAMPLES = """examples:
  python -m ti_studio train --name my-cat --initialization-text cat --dataset-directory ~/pictures/my-cat
  python -m ti_studio train --name my-cat --initialization-text "orange cat" --vectors-per-token 4 \\
      --learning-rate "0.005:200, 1e-3" --max-steps 1000 --dataset-directory ~/pictures/my-cat
  python -m ti_studio train --name my-cat --initialization-text cat --dataset-config cats.toml

Ctrl+C stops a training after its present step; `python -m ti_studio resume` goes on exactly where it was."""


def add_train(commands: Commands) -> None:
    """Adds the command `train`."""
    parser = commands.add_parser(
        "train",
        help="learn a word from a folder of pictures",
        description="Learns a word from a folder of pictures and writes it into the embeddings folder.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--preset",
        choices=PRESET_CHOICES,
        default=DEFAULT_PRESET,
        help=f"sets what no other option sets, as the checkpoint or what is published for its family has it "
        f"[{DEFAULT_PRESET}]; none leaves the defaults below. {_presets()} docs/presets.md has the values.",
    )
    parser.add_argument(
        "--dataset-config",
        type=Path,
        metavar="TOML",
        help="several folders with options of their own, as sd-scripts' dataset files have them (docs/sd-scripts.md), "
        "instead of --dataset-directory; what the file does not say is as the other options say",
    )
    add_request_options(parser, TrainRequest, {"checkpoint": "--ckpt"})
    parser.add_argument(
        "--more-words",
        nargs="+",
        metavar="WORD",
        help=f"{TrainRequest.model_fields['more_words'].description} Written as 'name : initialization text : vectors "
        "per token : initialization file', of which all behind the name may be left out",
    )
    add_model_options(parser)
    parser.set_defaults(run=run_train)


def add_resume(commands: Commands) -> None:
    """Adds the command `resume`."""
    parser = commands.add_parser(
        "resume",
        help="go on with a training that was stopped or has crashed",
        description="Goes on with a training exactly where it was.",
    )
    parser.add_argument("job", nargs="?", help="the training's folder name in outputs/train (default: the newest)")
    add_model_options(parser)
    parser.set_defaults(run=run_resume)


def run_train(options: argparse.Namespace) -> int:
    """Submits a training and follows it; returns the exit status.

    Raises:
        StudioError: the request can't work, or a launcher of several processes has started this.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise WrongArguments(
            "train runs in one process, and a launcher has started several. Start it without one, or use "
            "train_textual_inversion.py or sdxl_train_textual_inversion.py, which train with several."
        )
    if options.dataset_config is not None:
        _read_dataset(options)
    folders = read_folders(options)
    request = read_request(TrainRequest, options, partial(_completed, options.preset, folders))
    more_words = tuple(found_here(word, "initialization_file") for word in request.more_words)
    request = found_here(request, "initialization_file", "vae")
    request = _absolute(request, "dataset_directory", "mask_directory", "metadata_file")
    if not request.metadata_thumbnail.startswith("data:"):
        request = _absolute(request, "metadata_thumbnail")
    jobs = Jobs(folders)
    return follow(jobs, jobs.submit(request.model_copy(update={"more_words": more_words})))


def _completed(preset: str, folders: Folders, given: dict[str, Any]) -> dict[str, Any]:
    """Returns values for a request: those given, and for the rest the preset's for the checkpoint."""
    if preset == NO_PRESET:
        return given
    return filled(preset, given, presets_for(find_checkpoint(folders.checkpoints, given.get("checkpoint"))))


def _absolute(given: Given, *places: str) -> Given:
    """Returns a request, or a part of one, with these paths of it absolute: its own are relative to where the command
    runs."""
    paths = {name: str(Path(path).expanduser().resolve()) for name in places if (path := getattr(given, name))}
    return given.model_copy(update=paths)


def found_here(given: Given, *places: str) -> Given:
    """Returns the same with those of the paths absolute that are there where the command runs; others are names in the
    folders where such files are kept."""
    there = [name for name in places if (path := getattr(given, name)) and Path(path).expanduser().exists()]
    return _absolute(given, *there)


def _read_dataset(options: argparse.Namespace) -> None:
    """Puts what the dataset file says among the options: its folders, and a batch size and a size of previews where
    no option says them.

    Raises:
        StudioError: the file can't be read, or there is a dataset directory too.
    """
    if options.dataset_directory is not None:
        raise WrongArguments("--dataset-config and --dataset-directory: expected one of the two.")
    defaults = {} if options.caption_extension is None else {"caption_extension": options.caption_extension}
    config = read_dataset_config(options.dataset_config.expanduser(), defaults)
    for notice in config.notices:
        print(f"note: {notice}", file=sys.stderr)
    options.folders = config.folders
    first = config.folders[0]
    for name, value in (("batch_size", config.batch_size), ("width", first.width), ("height", first.height)):
        if getattr(options, name) is None:
            setattr(options, name, value)


def run_resume(options: argparse.Namespace) -> int:
    """Resumes a training and follows it; returns the exit status."""
    jobs = Jobs(read_folders(options))
    if options.job:
        return follow(jobs, jobs.resume(options.job))
    for job in jobs.list():
        if job.status in RESUMABLE:
            return follow(jobs, jobs.resume(job.id))
    raise NotFound("There is no training to resume.")


def _presets() -> str:
    """Says of every preset what it is for."""
    return " ".join(f"{name}: {purpose}" for name, purpose in PURPOSES.items()).replace("%", "%%")


def follow(jobs: Jobs, job: Job) -> int:
    """Shows a job until it ends; Ctrl+C stops it, and a second one ends its process."""
    print(f"Training {job.request.name!r} in {job.folder}", file=sys.stderr)
    shown = _Shown()
    while True:
        try:
            job = jobs.get(job.id)
            shown.show(job)
            if job.status in _ENDED:
                shown.close()
                return _conclude(job)
            if job.status is JobStatus.QUEUED:
                jobs.tend()
            time.sleep(SECONDS_BETWEEN_LOOKS)
        except KeyboardInterrupt:
            shown.say("Stopping after this step; press Ctrl+C again to end the process at once.")
            jobs.stop(job.id)


class _Shown:
    """The progress bar, and what has been said already. Into a file or pipe, the bar is a line every few seconds."""

    def __init__(self) -> None:
        self._bar: tqdm[NoReturn] | None = None
        self._said: set[str] = set()

    def say(self, text: str) -> None:
        """Writes a line above the bar, once."""
        if text and text not in self._said:
            self._said.add(text)
            tqdm.write(text, file=sys.stderr)

    def show(self, job: Job) -> None:
        """Shows what is new."""
        summary = job.summary()
        for warning in summary["warnings"]:
            self.say(f"warning: {warning}")
        self.say(summary["message"])
        if summary["loss"] is None or job.status is JobStatus.QUEUED:
            return
        if self._bar is None:
            self._bar = tqdm(
                total=summary["max_steps"],
                initial=job.progress.started["step"],  # so that the speed is that of this run
                unit="step",
                dynamic_ncols=True,
                mininterval=SECONDS_BETWEEN_LOOKS if sys.stderr.isatty() else SECONDS_BETWEEN_LINES,
            )
        loss, rate, norm = (summary[name] for name in ("smoothed_loss", "learning_rate", "vector_norm"))
        self._bar.set_postfix_str(f"loss {loss:.4f}, rate {rate:g}, |v| {norm:.2f}", refresh=False)
        self._bar.update(summary["step"] - self._bar.n)

    def close(self) -> None:
        """Leaves the bar as it is."""
        if self._bar is not None:
            self._bar.close()


def _conclude(job: Job) -> int:
    summary = job.summary()
    if job.status is JobStatus.FINISHED:
        if summary["early"]:
            print(summary["early"], file=sys.stderr)
        print(summary["embedding"], *summary["more_embeddings"], sep="\n")
    elif job.status is JobStatus.STOPPED:
        print(f"Stopped at step {summary['step']}. Go on: python -m ti_studio resume {job.id}", file=sys.stderr)
    else:
        print(f"error: {summary['reason'] or summary['message']}", file=sys.stderr)
    return _EXIT.get(job.status, 1)
