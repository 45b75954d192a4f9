"""What the training process does."""

from functools import partial
from pathlib import Path

import torch

from ti_studio.errors import StudioError
from ti_studio.generation.painter import Painter
from ti_studio.jobs.folder import JobFolder
from ti_studio.jobs.previews import give_card_its_picture, paint_previews
from ti_studio.models.checkpoints import identify
from ti_studio.models.loading import Hardware, load
from ti_studio.training.events import Finished, Preparing
from ti_studio.training.run import Place, train


class OutOfMemory(StudioError):
    """A training that does not fit into the device's memory."""


def work(files: JobFolder) -> None:
    """Loads the checkpoint and trains, appending every event to the job's `events.jsonl`.

    Raises:
        StudioError: the training can't begin or go on.
    """
    place, request = files.place, files.request
    info = identify(Path(place.checkpoint), root=Path(place.checkpoints)).predicting(request.prediction_type)
    files.append(Preparing(f"Loading checkpoint {info.title}").to_json())
    model = load(info, Hardware.automatic())
    training_place = Place(
        job=files.path,
        embeddings=Path(place.embeddings),
        dataset=Path(place.dataset),
        template=Path(place.template),
        created=place.created,
        latents=files.path.parents[1] / "latents",
    )
    preview = partial(paint_previews, Painter(model), request, files.path)
    try:
        for event in train(request, model, training_place, preview, files.stop_path.exists):
            if isinstance(event, Finished):
                give_card_its_picture(Path(event.path), files.path)
            files.append(event.to_json())
    except torch.OutOfMemoryError as error:
        raise OutOfMemory(
            f"The device's memory is full ({error}). A smaller batch or picture size takes less."
        ) from error
