"""What the training process does."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from ti_studio.errors import StudioError
from ti_studio.folders import remove_temporaries
from ti_studio.generation.pipeline import Txt2ImgPipeline
from ti_studio.jobs.folder import JobFolder
from ti_studio.jobs.previews import give_card_its_picture, paint_previews
from ti_studio.models.checkpoint.checkpoints import identify
from ti_studio.models.hardware import hardware_for, use_threads_for
from ti_studio.models.loading import load, with_vae
from ti_studio.training.events import Finished, Preparing, Stopped
from ti_studio.training.preparation import RunPaths
from ti_studio.training.run import train

LATENTS = "latents"

FORGOTTEN_AFTER = 3600.0
"""Seconds after which a temporary file in a folder that several processes write to is one of a killed process."""


class OutOfMemory(StudioError):
    """A training that does not fit into the device's memory."""


def work(files: JobFolder, should_stop: Callable[[], bool]) -> None:
    """Loads the checkpoint and trains, appending every event to the job's `events.jsonl`, until `should_stop` says so.

    Raises:
        StudioError: the training can't begin or go on.
    """
    place, request = files.place, files.request
    for folder in (Path(place.embeddings), files.path.parents[1] / LATENTS):
        remove_temporaries(folder, unchanged_for=FORGOTTEN_AFTER)
    info = identify(Path(place.checkpoint), root=Path(place.checkpoints)).predicting(request.prediction_type)
    files.append(Preparing(f"Loading checkpoint {info.title}").to_json())
    hardware = hardware_for(info, request.precision)
    use_threads_for(info, hardware)
    model = load(info, hardware)
    if request.vae:
        model = with_vae(model, Path(request.vae))
    run_paths = RunPaths(
        job=files.path,
        embeddings=Path(place.embeddings),
        dataset=Path(place.dataset),
        template=Path(place.template),
        created=place.created,
        latents=files.path.parents[1] / LATENTS,
    )
    preview = partial(paint_previews, Txt2ImgPipeline(model), request, files.path, should_stop=should_stop)
    try:
        for event in train(request, model, run_paths, preview, should_stop):
            if isinstance(event, Finished):
                give_card_its_picture(Path(event.path), files.path)
            tell = files.append_last if isinstance(event, Finished | Stopped) else files.append
            tell(event.to_json())
    except torch.OutOfMemoryError as error:
        raise OutOfMemory(
            f"The device's memory is full ({error}). A smaller batch or picture size takes less."
        ) from error
