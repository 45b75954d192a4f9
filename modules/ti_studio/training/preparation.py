"""What comes before the first step of a training: its pictures and prompts, read, checked and encoded."""

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from ti_studio.models.loading import Model
from ti_studio.training.batches import TrainingBatches, prepare_batches
from ti_studio.training.cancellation import Check
from ti_studio.training.config.request import TrainRequest
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
from ti_studio.training.events import Event, Preparing, Warned
from ti_studio.training.randomness import seeded_generator


@dataclass(frozen=True)
class RunPaths:
    """Where a training reads and writes."""

    job: Path
    """The job's folder: `state.safetensors`, `snapshots/`, `previews/`."""
    embeddings: Path
    dataset: Path
    template: Path
    created: float
    """When the training was asked for (Unix seconds); the date that its files carry, resumed or not."""
    latents: Path | None = None
    """Where encoded pictures are kept for the next training that wants them; None keeps none."""

    @property
    def state(self) -> Path:
        """The file to resume from."""
        return self.job / "state.safetensors"


def training_size(request: TrainRequest, model: Model) -> Size:
    """Returns the width and the height of a training, pixels: what is asked for, or the checkpoint's own."""
    own = model.info.default_size
    return request.width or own, request.height or own


def prepare(
    request: TrainRequest, model: Model, paths: RunPaths, process_group: ProcessGroup, check: Check
) -> Generator[Event, None, tuple[TrainingBatches, Dataset]]:
    """Reads and encodes the pictures, and tells what is to be known of them and of the word.

    Args:
        request: what is asked for.
        model: the loaded checkpoint.
        place: where the pictures and the template are.
        team: the processes that share each batch.
        check: called before every batch of pictures.

    Returns:
        What the steps draw from, and the pictures that it is made of.

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
        dataset, told = keep_captions_with_word(dataset, reader)
        yield from (Warned(text) for text in told)
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
    """Returns where the steps get latents from, and the dataset without pictures that turned out to be damaged."""
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
