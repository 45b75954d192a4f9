"""A whole training, from a request to a file in the embeddings folder, told as events."""

import importlib.metadata
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from ti_studio import __version__
from ti_studio.embeddings.embedding import Embedding
from ti_studio.embeddings.files import write_embedding
from ti_studio.embeddings.metadata import Provenance, header_metadata
from ti_studio.models.loading import Model
from ti_studio.prompts.layers import Layer
from ti_studio.training.captions import PromptTemplate
from ti_studio.training.dataset import Dataset, scan_folders
from ti_studio.training.events import (
    Event,
    Finished,
    Preparing,
    Previewed,
    Saved,
    Started,
    Stopped,
    Validated,
    Warned,
)
from ti_studio.training.initialization import starting_embedding
from ti_studio.training.latent_files import LatentFiles
from ti_studio.training.latents import FreshLatents, Latents, cache_latents, check_pictures
from ti_studio.training.learner import Learner
from ti_studio.training.learning_rate import LearningRateSchedule
from ti_studio.training.lesson import Lesson, fingerprint, prepare_lesson
from ti_studio.training.loop import optimise, validation_loss
from ti_studio.training.loss_scale import LossScale
from ti_studio.training.parametrization import vocabulary_norms
from ti_studio.training.prompts import CAPTION_ALONE, PromptReader, keep_captions_with_word, tokenize_prompts
from ti_studio.training.publishing import publish
from ti_studio.training.request import TrainRequest
from ti_studio.training.state import State
from ti_studio.training.validation import Validations

SECONDS_BETWEEN_STATES = 5.0
"""At most so many seconds of work are lost when the process is killed."""

LEAST_USEFUL_RATE = 1e-5
"""Adam moves a coordinate by at most about the rate each step, and a coordinate of CLIP's rows is about 0.014 large."""

LEAST_FACTOR = 0.1
"""Optimizers that find the rate by themselves take a factor, and one below this holds them back."""


@dataclass(frozen=True)
class Place:
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


Preview = Callable[[Embedding], Iterator[Previewed]]
"""Paints previews of the word as it is at this step, and tells where they are."""


def train(
    request: TrainRequest, model: Model, place: Place, preview: Preview, should_stop: Callable[[], bool]
) -> Iterator[Event]:
    """Trains a word, or goes on with a training if the job's folder holds a state.

    The last event is `Finished` or `Stopped`.

    Raises:
        StudioError: the training can't begin or go on; what has been saved stays.
    """
    run = _Run(request, model, place)
    yield from run.prepare()
    yield from run.begin()
    if run.learner.step == 0 and request.preview_every:
        yield from preview(run.embedding())
    saved_at = time.monotonic()
    steps = optimise(model, run.lesson, run.learner)
    while not run.is_over():
        yield next(steps)
        yield from run.periodic(preview)
        if time.monotonic() - saved_at > SECONDS_BETWEEN_STATES:
            run.save_state()
            saved_at = time.monotonic()
        if should_stop() and not run.is_over():
            run.save_state()
            yield Stopped(run.learner.step)
            return
    run.save_state()
    yield run.finish()


class _Run:
    """A training under way."""

    lesson: Lesson
    learner: Learner

    def __init__(self, request: TrainRequest, model: Model, place: Place) -> None:
        self.request = request
        self.model = model
        self.place = place
        size = model.info.default_size
        self.size = (request.width or size, request.height or size)

    def prepare(self) -> Iterator[Event]:
        """Reads the pictures and makes the lesson of them."""
        yield from (Warned(note) for note in self.model.info.outline.notes)
        yield Preparing("Reading the pictures")
        dataset = scan_folders(self.request.dataset_folders(str(self.place.dataset)), self.size)
        tokenizer = self.model.encoders[0].tokenizer
        if tokenizer.is_ordinary_word(self.request.name):
            yield Warned(f"{self.request.name!r} is an ordinary word: prompts with it will mean the embedding instead.")
        vectors = self.request.vectors_per_token
        template = CAPTION_ALONE if self.request.captions_are_prompts else PromptTemplate.read(self.place.template)
        if self.request.captions_are_prompts:
            reader = PromptReader.of(self.request.name, vectors, tokenizer)
            dataset, told = keep_captions_with_word(dataset, reader)
            yield from (Warned(text) for text in told)
        if any(sample.options.is_reg for sample in dataset.samples):
            yield Warned("Regularisation pictures are mixed in, but a prompt without the word teaches it nothing.")
        prompts = tokenize_prompts(dataset, template, self.request.name, tokenizer, vectors)
        count = len(dataset.samples)
        yield Preparing(f"Encoding {count} picture{'s' if count > 1 else ''} at {self.size[0]}×{self.size[1]}")
        latents, self._dataset = self._latents(dataset)
        yield from (Warned(f"Not used: {reason}") for reason in self._dataset.rejected)
        whole = set(self._dataset.samples)
        prompts = tuple(picture for picture in prompts if picture.sample in whole)
        self.lesson = prepare_lesson(self.request, self.model, latents, prompts)

    def _latents(self, dataset: Dataset) -> tuple[Latents, Dataset]:
        at_once = self.request.vae_batch_size
        if any(sample.options.encodes_anew for sample in dataset.samples):
            dataset = check_pictures(dataset)
            return FreshLatents(self.model, dataset.samples, at_once), dataset
        folder = self.place.latents
        files = LatentFiles(folder, self.model) if folder is not None and self.request.cache_latents_to_disk else None
        return cache_latents(self.model, dataset, at_once, files)

    def begin(self) -> Iterator[Event]:
        """Sets the rows to the initialization text, or to the state that is resumed."""
        request, device = self.request, self.model.hardware.device
        start = starting_embedding(request, self.model.encoders)
        scale = LossScale(self.model.hardware.dtype)
        self.learner = Learner(start, device, request, self._vocabulary_norms(), scale)
        self.validations = Validations(self.learner.initial)
        yield from (Warned(text) for text in (*self.learner.warnings, *self._doubts()))
        self._fingerprint = fingerprint(self._dataset)
        if self.place.state.exists():
            state = State.read(self.place.state)
            self.learner.restore(state)
            if request.validation_every:
                self.validations.restore(state)
            if state.notes.get("dataset") != self._fingerprint:
                yield Warned("The pictures or captions have changed since the training was stopped.")
        yield Started(
            step=self.learner.step,
            max_steps=request.max_steps,
            pictures=len(self._dataset.samples),
            checkpoint=self.model.info.title,
            device=str(device),
            precision=self.model.hardware.precision,
        )
        if request.validation_every and self.learner.step == 0:
            yield from self._validate()

    def _vocabulary_norms(self) -> dict[str, float]:
        """Returns the vocabulary's mean norms, for options that need them."""
        needed = self.request.parametrization == "direction" or self.request.norm_limit > 0
        return vocabulary_norms(self.model.encoders) if needed else {}

    def is_over(self) -> bool:
        """Returns whether there is no step to make any more: all are made, or they no longer make the word better."""
        return self.learner.step >= self.request.max_steps or bool(self.validations.verdict(self.request))

    def periodic(self, preview: Preview) -> Iterator[Event]:
        """Makes the validation, and takes the snapshot and the previews, that are due at this step."""
        step, request = self.learner.step, self.request
        if request.validation_every and (step == request.max_steps or step % request.validation_every == 0):
            yield from self._validate()
        last = self.is_over()
        if request.save_every and (last or step % request.save_every == 0):
            yield self._snapshot(f"{request.name}-{step:06d}.{request.save_as}")
        if request.preview_every and (last or step % request.preview_every == 0):
            yield from preview(self.embedding())

    def _validate(self) -> Iterator[Event]:
        """Compares the word with how it was, and keeps it if it is the best so far."""
        rows, step = self.learner.shown_rows, self.learner.step
        loss = validation_loss(self.model, self.lesson, rows)
        best = False
        if step:
            best = self.validations.take_in(step, loss, rows)
        else:
            self.validations.begin(loss)
        least = loss if self.validations.best_loss is None else self.validations.best_loss
        norms = {encoder: values.norm(dim=-1).tolist() for encoder, values in rows.items()}
        yield Validated(step, loss, least, self.validations.best_step, norms)
        if best:
            yield self._snapshot(f"{self.request.name}-best.safetensors")

    def _snapshot(self, name: str) -> Saved:
        """Writes the word as it is now, and the state that belongs to it."""
        path = self.place.job / "snapshots" / name
        path.parent.mkdir(exist_ok=True)
        write_embedding(replace(self.embedding(), name=path.stem), path)
        self.save_state()
        return Saved(self.learner.step, path.relative_to(self.place.job).as_posix())

    def _doubts(self) -> Iterator[str]:
        """Tells of options that can't do what they are for."""
        request = self.request
        if request.zero_terminal_snr and not self.lesson.noise.predicts_velocity:
            yield "zero_terminal_snr is for v-prediction; a checkpoint that predicts noise learns nothing of it."
        family = self.model.info.family
        if request.clip_skip > 1 and family.layer is not Layer.CHOSEN:
            yield f"Clip skip {request.clip_skip} is not used: {family.name} checkpoints have a layer of their own."
        rate = LearningRateSchedule.parse(request.learning_rate).segments[0].rate
        if request.optimizer in ("prodigy", "dadapt") and rate < LEAST_FACTOR:
            yield (
                f"{request.optimizer} finds the learning rate by itself and multiplies it by the one given, {rate:g}; "
                "1 is usual."
            )

    def save_state(self) -> None:
        """Writes what a resume needs."""
        state = self.learner.state() | State({}, {"dataset": self._fingerprint})
        if self.request.validation_every:
            state |= self.validations.state()
        state.write(self.place.state)

    def finish(self) -> Finished:
        """Puts the embedding into its folder."""
        embedding = self._best() if self.request.keep_best else self.embedding()
        path = publish(embedding, self.request, self.place.embeddings, replaced=self.place.job / "replaced")
        return Finished(self.learner.step, str(path), self._early())

    def _early(self) -> str:
        """Returns why the training ended before its last step, and what came of it; nothing if it did not."""
        step, request = self.learner.step, self.request
        if step >= request.max_steps:
            return ""
        saved = request.max_steps - step
        best = self.validations.best_step
        kept = f"The best, of step {best}, was kept" if request.keep_best else f"The best was at step {best}"
        return (
            f"Finished early at step {step}: {self.validations.verdict(request)}. {kept}. "
            f"{saved} of {request.max_steps} steps were saved."
        )

    def _best(self) -> Embedding:
        """Returns the word as it was at its best validation."""
        vectors = {encoder: rows.cpu() for encoder, rows in self.validations.best_rows.items()}
        step = self.validations.best_step
        return replace(self.embedding(step), vectors=vectors, step=step)

    def embedding(self, step: int | None = None) -> Embedding:
        """Returns the word as it is now, with everything that is known about it; `step` is said to be its step."""
        provenance = Provenance(
            trigger=self.request.name,
            family=self.model.info.family.name,
            vectors_per_token=self.request.vectors_per_token,
            step=self.learner.step if step is None else step,
            checkpoint=self.model.info.title,
            resolution=self.size,
            date=datetime.fromtimestamp(self.place.created).astimezone(),
            checkpoint_sha256=self.model.info.sha256,
            initialization_text=self.request.initialization_text,
            prediction_type="v" if self.model.info.prediction_type == "v_prediction" else "epsilon",
            clip_skip=self.request.clip_skip if self.model.info.family.layer is Layer.CHOSEN else None,
            request=self.request.model_dump_json(),
            dataset=_summary(self._dataset, self._fingerprint),
            versions=_versions(),
        )
        return self.learner.embedding(header_metadata(provenance))


def _summary(dataset: Dataset, digest: str) -> dict[str, object]:
    return {"folder": dataset.name, "pictures": len(dataset.samples), "sha256": digest}


def _versions() -> dict[str, str]:
    libraries = {name: importlib.metadata.version(name) for name in ("torch", "diffusers", "transformers")}
    return {"ti_studio": __version__, "python": platform.python_version(), **libraries}
