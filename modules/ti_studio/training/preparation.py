"""Everything before the first step of a training: pictures, prompts, initial vectors, and the state to resume."""

import json
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path

from ti_studio.models.loading import Model
from ti_studio.training.batches import TrainingBatches, prepare_batches
from ti_studio.training.cancellation import Check
from ti_studio.training.config.request import TrainRequest
from ti_studio.training.configuration_warnings import configuration_warnings
from ti_studio.training.data.backgrounds import describe
from ti_studio.training.data.buckets import Size
from ti_studio.training.data.captions import PromptTemplate
from ti_studio.training.data.dataset import Dataset, scan_folders
from ti_studio.training.data.latent_cache import LatentFiles
from ti_studio.training.data.latents import FreshLatents, Latents, cache_latents, check_pictures
from ti_studio.training.data.prompts import (
    CAPTION_ALONE,
    PicturePrompts,
    PromptReader,
    check_every_word,
    keep_captions_with_word,
    tokenize_prompts,
)
from ti_studio.training.distributed import ProcessGroup
from ti_studio.training.early_stopping import EarlyStopping
from ti_studio.training.events import Event, Preparing, Warned
from ti_studio.training.fingerprint import Fingerprint
from ti_studio.training.optim.grad_scaler import GradScaler
from ti_studio.training.optim.parametrization import needed_norms
from ti_studio.training.optim.trainable_embedding import TrainableEmbedding
from ti_studio.training.output.initialization import starting_embedding
from ti_studio.training.randomness import seeded_generator
from ti_studio.training.state import BadState, TrainingState

DONE = "done"
"""The note of a state that lists the callbacks done at the state's step."""


@dataclass(frozen=True)
class RunPaths:
    """The files and folders of a training."""

    job: Path
    """The job's folder: `state.safetensors`, `snapshots/`, `previews/`."""
    embeddings: Path
    dataset: Path
    template: Path
    created: float
    """When the training was requested (Unix seconds): the date in its files, also after a resume."""
    latents: Path | None = None
    """The folder of encoded pictures that several trainings share; None writes none."""

    @property
    def state(self) -> Path:
        """The file to resume from."""
        return self.job / "state.safetensors"


def training_size(request: TrainRequest, model: Model) -> Size:
    """Returns the width and the height of a training in pixels: the request's, or the checkpoint's own."""
    own = model.info.default_size
    return request.width or own, request.height or own


@dataclass(frozen=True)
class PreparedTraining:
    """A training that is ready for its next step."""

    request: TrainRequest
    model: Model
    paths: RunPaths
    dataset: Dataset
    training_batches: TrainingBatches
    trainable: TrainableEmbedding
    early_stopping: EarlyStopping
    fingerprint: Fingerprint
    """Of the pictures, the checkpoint and the request; a resumed training compares it."""
    done: tuple[str, ...] = ()
    """The callbacks that a resumed training has behind it at its step."""

    @property
    def process_group(self) -> ProcessGroup:
        """The processes that share each batch."""
        return self.training_batches.process_group


def prepare_training(
    request: TrainRequest, model: Model, paths: RunPaths, process_group: ProcessGroup, check: Check
) -> Generator[Event, None, PreparedTraining]:
    """Reads and encodes the pictures, and sets the vectors to the initialization text or to the saved state.

    Args:
        request: the training's options.
        model: the loaded checkpoint.
        paths: the folders of pictures and results, the template, the state.
        process_group: the processes that share each batch.
        check: called before every batch of pictures; raises to leave early.

    Raises:
        StudioError: there is nothing to learn from, a prompt would teach a word nothing, the options don't fit each
            other, or the saved state is of another training.
    """
    training_batches, dataset = yield from prepare_data(request, model, paths, process_group, check)
    start = starting_embedding(request, model.encoders)
    norms, scaler = needed_norms(request, model.encoders), GradScaler(model.hardware.dtype)
    trainable = TrainableEmbedding(start, model.hardware.device, request, norms, scaler)
    predicts_velocity = training_batches.noise.predicts_velocity
    warnings = configuration_warnings(request, model.info.family, predicts_velocity=predicts_velocity)
    yield from (Warned(text) for text in (*trainable.warnings, *warnings))
    fingerprint = Fingerprint.of(dataset, model.info, request)
    process_group.check_same(fingerprint.notes())
    stopping = EarlyStopping(trainable.initial)
    prepared = PreparedTraining(request, model, paths, dataset, training_batches, trainable, stopping, fingerprint)
    state = TrainingState.read(paths.state) if process_group.is_main and paths.state.exists() else None
    state = process_group.all_gather_object(state)[0]
    return prepared if state is None else (yield from _resumed(prepared, state))


def _resumed(prepared: PreparedTraining, state: TrainingState) -> Generator[Event, None, PreparedTraining]:
    """Restores a saved state, with a warning for every change of pictures and options since.

    Raises:
        BadState: the state can't be read, or is of another word.
        OtherCheckpoint: the state is of another checkpoint.
    """
    yield from (Warned(text) for text in prepared.fingerprint.changes_since(state.notes))
    prepared.trainable.restore(state)
    if prepared.request.validation_every:
        prepared.early_stopping.restore(state)
    try:
        return replace(prepared, done=tuple(json.loads(state.notes.get(DONE, "[]"))))
    except (ValueError, TypeError) as error:
        raise BadState(f"What the saved state says was done at its step can't be read: {error}") from error


def prepare_data(
    request: TrainRequest, model: Model, paths: RunPaths, process_group: ProcessGroup, check: Check
) -> Generator[Event, None, tuple[TrainingBatches, Dataset]]:
    """Reads and encodes the pictures and tokenizes their prompts.

    Args:
        request: the training's options.
        model: the loaded checkpoint.
        paths: the folders of pictures and encoded pictures, and the template.
        process_group: the processes that share each batch.
        check: called before every batch of pictures; raises to leave early.

    Returns:
        The source of the steps' batches, and the pictures in it.

    Raises:
        StudioError: there is nothing to learn from, or a prompt would teach a word nothing.
    """
    yield from (Warned(note) for note in model.info.summary.notes)
    model.checkpoint_gradients(request.gradient_checkpointing)
    yield Preparing("Reading the pictures")
    size = training_size(request, model)
    dataset = scan_folders(request.dataset_folders(str(paths.dataset)), size)
    tokenizer = model.encoders[0].tokenizer
    for name in filter(tokenizer.is_ordinary_word, request.vectors):
        yield Warned(f"{name!r} is an ordinary word: prompts with it will mean the embedding instead.")
    reader = PromptReader.of_words(request.vectors, tokenizer)
    dataset, prompts = yield from _read_prompts(request, dataset, paths, reader)
    count = len(dataset.samples)
    yield Preparing(f"Encoding {count} picture{'s' if count > 1 else ''} at {size[0]}×{size[1]}")
    latents, dataset = _latents(request, model, dataset, paths, check)
    yield from (Warned(f"Not used: {reason}") for reason in dataset.rejected)
    whole = set(dataset.samples)
    prompts = tuple(picture for picture in prompts if picture.sample in whole)
    check_every_word(prompts, reader)  # pictures that turned out to be damaged may have been all of a word's
    return prepare_batches(request, model, latents, prompts, process_group), dataset


def _read_prompts(
    request: TrainRequest, dataset: Dataset, paths: RunPaths, reader: PromptReader
) -> Generator[Event, None, tuple[Dataset, tuple[PicturePrompts, ...]]]:
    """Returns the pictures with prompts that teach a word, and those prompts."""
    template = CAPTION_ALONE if request.captions_are_prompts else PromptTemplate.read(paths.template)
    if request.captions_are_prompts:
        dataset, warnings = keep_captions_with_word(dataset, reader)
        yield from (Warned(text) for text in warnings)
    if any(sample.options.is_reg for sample in dataset.samples):
        yield Warned("Regularisation pictures are mixed in, but a prompt without the word teaches it nothing.")
    backgrounds = {} if request.captions_are_prompts else describe(dataset.samples)
    if backgrounds:
        described = ", ".join(sorted(set(backgrounds.values())))
        yield Preparing(f"Describing {len(backgrounds)} of {len(dataset.samples)} pictures: {described}")
    prompts = tokenize_prompts(dataset, template, reader, backgrounds)
    check_every_word(prompts, reader)
    return dataset, prompts


def _latents(
    request: TrainRequest, model: Model, dataset: Dataset, paths: RunPaths, check: Check
) -> tuple[Latents, Dataset]:
    """Returns the source of the steps' latents, and the dataset without damaged pictures."""
    at_once = request.vae_batch_size
    if any(sample.options.encodes_anew for sample in dataset.samples):
        dataset = check_pictures(dataset, check)
        return FreshLatents(model, dataset.samples, at_once, request.latent_sampling == "deterministic"), dataset
    folder = paths.latents
    files = LatentFiles(folder, model) if folder is not None and request.cache_latents_to_disk else None
    cache, dataset = cache_latents(model, dataset, at_once, files, check)
    if request.latent_sampling == "random":
        return cache, dataset
    once = request.latent_sampling == "once"
    return cache.settled(seeded_generator(request.seed, "latents", 0) if once else None), dataset
