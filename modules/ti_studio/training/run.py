"""A whole training, from a request to a file in the embeddings folder, told as events."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from torch import Tensor

from ti_studio.embeddings.embedding import Embedding
from ti_studio.embeddings.formats.files import write_embedding
from ti_studio.embeddings.metadata import header_metadata
from ti_studio.embeddings.sharing import undescribed
from ti_studio.models.loading import Model
from ti_studio.training.batches import TrainingBatches
from ti_studio.training.cancellation import StopWanted, check_of, go_on
from ti_studio.training.config.request import TrainRequest
from ti_studio.training.configuration_warnings import configuration_warnings
from ti_studio.training.data.dataset import Dataset
from ti_studio.training.distributed import ProcessGroup
from ti_studio.training.early_stopping import EarlyStopping
from ti_studio.training.events import (
    Event,
    Finished,
    Previewed,
    Saved,
    Started,
    Step,
    Stopped,
    Validated,
    Warned,
)
from ti_studio.training.fingerprint import Fingerprint
from ti_studio.training.loop import optimise
from ti_studio.training.optim.grad_scaler import GradScaler
from ti_studio.training.optim.parametrization import needed_norms
from ti_studio.training.optim.trainable_embedding import TrainableEmbedding
from ti_studio.training.output.initialization import starting_embedding
from ti_studio.training.output.metadata import OF_ONE_WORD, provenance_of
from ti_studio.training.output.publishing import check_free, publish
from ti_studio.training.preparation import RunPaths, prepare, training_size
from ti_studio.training.state import BadState, TrainingState
from ti_studio.training.validation import validation_loss
from ti_studio.training.word_rows import rows_by_word

SECONDS_BETWEEN_STATES = 5.0
"""At most so many seconds of work are lost when the process is killed."""

_VALIDATED, _SAVED, _PREVIEWED = "validated", "saved", "previewed"
"""What may be due at a step."""

_DONE = "done"
"""The note of a state that lists what of it has been done at the state's step."""


Preview = Callable[[Sequence[Embedding]], Iterator[Previewed]]
"""Paints previews of the words as they are at this step, and tells where they are."""


def train(
    request: TrainRequest,
    model: Model,
    paths: RunPaths,
    preview: Preview,
    should_stop: Callable[[], bool],
    process_group: ProcessGroup | None = None,
) -> Iterator[Event]:
    """Trains a word, or several together, or goes on with a training if the job's folder holds a state.

    The last event is `Finished` or `Stopped`. With a team, every process of it calls this; the main one alone reads the
    state and writes files. A stop that any of them wants stops all, after the present step.

    Raises:
        StudioError: the training can't begin or go on; what has been saved stays.
    """
    run = _Run(request, model, paths, should_stop, process_group or ProcessGroup())
    try:
        yield from run.begin()
    except StopWanted:
        yield Stopped(TrainingState.read(paths.state).step if paths.state.exists() else 0)
        return
    try:
        yield from run.callbacks(preview)
        for step in run.steps():
            yield step
            yield from run.callbacks(preview)
            run.save_state_now_and_then()
            run.stop_if_wanted()
    except StopWanted:
        run.save_state()
        yield Stopped(run.trainable.step)
        return
    run.save_state()
    yield run.finish()


class _Run:
    """A training under way."""

    training_batches: TrainingBatches
    trainable: TrainableEmbedding
    _dataset: Dataset

    def __init__(
        self,
        request: TrainRequest,
        model: Model,
        paths: RunPaths,
        should_stop: Callable[[], bool],
        process_group: ProcessGroup,
    ) -> None:
        self.request = request
        self.model = model
        self.paths = paths
        self.process_group = process_group
        self._should_stop = should_stop
        # Several processes stop at the same step; one that left a validation early would keep the others waiting.
        self._check = check_of(should_stop) if process_group.size == 1 else go_on
        self._done: list[str] = []
        self._saved_at = time.monotonic()

    def begin(self) -> Iterator[Event]:
        """Prepares the pictures, and sets the rows to the initialization text or to the state that is resumed."""
        request, device = self.request, self.model.hardware.device
        self.training_batches, self._dataset = yield from prepare(
            request, self.model, self.paths, self.process_group, self._check
        )
        start = starting_embedding(request, self.model.encoders)
        scale = GradScaler(self.model.hardware.dtype)
        self.trainable = TrainableEmbedding(start, device, request, needed_norms(request, self.model.encoders), scale)
        self.early_stopping = EarlyStopping(self.trainable.initial)
        told = configuration_warnings(
            request, self.model.info.family, predicts_velocity=self.training_batches.noise.predicts_velocity
        )
        yield from (Warned(text) for text in (*self.trainable.warnings, *told))
        self._identity = Fingerprint.of(self._dataset, self.model.info, request)
        self._identity_notes = self._identity.notes()
        self.process_group.check_same(self._identity_notes)
        state = (
            TrainingState.read(self.paths.state) if self.process_group.is_main and self.paths.state.exists() else None
        )
        state = self.process_group.all_gather_object(state)[0]
        if state is not None:
            yield from self._resume(state)
        yield Started(
            step=self.trainable.step,
            max_steps=request.max_steps,
            pictures=len(self._dataset.samples),
            checkpoint=self.model.info.title,
            device=str(device),
            precision=self.model.hardware.precision,
        )
        if request.validation_every and self.early_stopping.best_step:
            yield from self._save_best()  # the file may be that of a later step, which is yet to come again
        self._put_vae_away()

    def _resume(self, state: TrainingState) -> Iterator[Event]:
        """Goes back to a saved state, and tells what has changed since."""
        yield from (Warned(text) for text in self._identity.changes_since(state.notes))
        self.trainable.restore(state)
        if self.request.validation_every:
            self.early_stopping.restore(state)
        try:
            self._done = list(json.loads(state.notes.get(_DONE, "[]")))
        except (ValueError, TypeError) as error:
            raise BadState(f"What the saved state says was done at its step can't be read: {error}") from error

    def is_over(self) -> bool:
        """Returns whether there is no step to make any more: all are made, or they no longer make the word better."""
        return self.trainable.step >= self.request.max_steps or bool(self.early_stopping.stop_reason(self.request))

    def steps(self) -> Iterator[Step | Warned]:
        """Makes the steps that are left to make."""
        steps = optimise(self.model, self.training_batches, self.trainable)
        while not self.is_over():
            event = next(steps)
            self._done = []
            yield event

    def stop_if_wanted(self) -> None:
        """Stops if that is wanted and there is a step left to make."""
        if not self.is_over() and self.process_group.any(self._should_stop()):
            raise StopWanted

    def callbacks(self, preview: Preview) -> Iterator[Event]:
        """Makes the validation, and takes the snapshot and the previews, that are due at this step and not done yet.

        Each is noted in the state after it was told: a training that was killed meanwhile does it again when it is
        resumed, and leaves none out.
        """
        if _VALIDATED not in self._done and self._is_due(self.request.validation_every, at_once=True):
            yield from self._validate()
            self._note(_VALIDATED)
        if _SAVED not in self._done and self._is_due(self.request.save_every, at_once=False):
            ending = f"{self.trainable.step:06d}.{self.request.save_as}"
            yield from (self._snapshot(f"{word.name}-{ending}", word) for word in self.words())
            self._note(_SAVED)
        wanted = self.process_group.is_main and self._is_due(self.request.preview_every, at_once=True)
        if wanted and _PREVIEWED not in self._done:
            yield from preview(self.words())
            self._put_vae_away()
            self._check()  # the previews end early when a stop is wanted, and are then not done
            self._note(_PREVIEWED)

    def _put_vae_away(self) -> None:
        """Frees the VAE's memory until the next previews, unless the steps encode pictures."""
        if not self.training_batches.latents.encodes:
            self.model.autoencoder.put_away()

    def _is_due(self, every: int, *, at_once: bool) -> bool:
        """Tells whether what is done every so many steps is due: at the last one too, and before the first one if it is
        done `at_once`."""
        step = self.trainable.step
        if not every or step == 0:
            return bool(every) and at_once
        return step % every == 0 or self.is_over()

    def _note(self, duty: str) -> None:
        """Notes what has been done at this step."""
        self._done.append(duty)
        self.save_state()

    def _validate(self) -> Iterator[Event]:
        """Compares the word with how it was, and keeps it if it is the best so far."""
        rows, step = self.trainable.evaluation_rows, self.trainable.step
        loss = validation_loss(self.model, self.training_batches, rows, self._check)
        best = False
        if step:
            best = self.early_stopping.record(step, loss, rows)
        else:
            self.early_stopping.begin(loss)
        least = loss if self.early_stopping.best_loss is None else self.early_stopping.best_loss
        norms = {encoder: values.norm(dim=-1).tolist() for encoder, values in rows.items()}
        yield Validated(step, loss, least, self.early_stopping.best_step, norms)
        if best:
            yield from self._save_best()

    def _save_best(self) -> Iterator[Saved]:
        return (self._snapshot(f"{word.name}-best.safetensors", word) for word in self._best())

    def _snapshot(self, name: str, embedding: Embedding) -> Saved:
        """Writes a word as it is, or was at an earlier step."""
        path = self.paths.job / "snapshots" / name
        if self.process_group.is_main:
            path.parent.mkdir(exist_ok=True)
            written = embedding if self.request.metadata else undescribed(embedding)
            write_embedding(replace(written, name=path.stem), path)
        return Saved(embedding.step or 0, path.relative_to(self.paths.job).as_posix())

    def save_state_now_and_then(self) -> None:
        """Writes what a resume needs if that was some seconds ago."""
        if time.monotonic() - self._saved_at > SECONDS_BETWEEN_STATES:
            self.save_state()

    def save_state(self) -> None:
        """Writes what a resume needs."""
        self._saved_at = time.monotonic()
        if not self.process_group.is_main:
            return
        state = self.trainable.state() | TrainingState({}, {**self._identity_notes, _DONE: json.dumps(self._done)})
        if self.request.validation_every:
            state |= self.early_stopping.state()
        state.write(self.paths.state)

    def finish(self) -> Finished:
        """Puts the embedding, or each of several, into its folder."""
        if not self.process_group.is_main:
            return Finished(self.trainable.step, "", self._early())
        words = self._best() if self.request.keep_best else self.words()
        folder, job = self.paths.embeddings, self.paths.job
        for word in words:  # all of them before the first is written
            check_free(word.name, folder, overwrite=self.request.overwrite, job=job)
        path, *more = [str(publish(word, self.request, folder, job)) for word in words]
        return Finished(self.trainable.step, path, self._early(), tuple(more))

    def _early(self) -> str:
        """Returns why the training ended before its last step, and what came of it; nothing if it did not."""
        step, request = self.trainable.step, self.request
        if step >= request.max_steps:
            return ""
        saved = request.max_steps - step
        best = self.early_stopping.best_step
        kept = f"The best, of step {best}, was kept" if request.keep_best else f"The best was at step {best}"
        return (
            f"Finished early at step {step}: {self.early_stopping.stop_reason(request)}. {kept}. "
            f"{saved} of {request.max_steps} steps were saved."
        )

    def _best(self) -> list[Embedding]:
        """Returns the words as they were at their best validation."""
        rows = {encoder: rows.cpu() for encoder, rows in self.early_stopping.best_rows.items()}
        return self._described(rows, self.early_stopping.best_step)

    def words(self) -> list[Embedding]:
        """Returns the words as they are now, the first one first."""
        return self._described(self.trainable.embedding().vectors, self.trainable.step)

    def _described(self, rows: Mapping[str, Tensor], step: int) -> list[Embedding]:
        """Returns the words of these rows with everything that is known about them."""
        pictures = len(self._dataset.samples)
        size = training_size(self.request, self.model)
        summary = {"folder": self._dataset.name, "pictures": pictures, "sha256": self._identity.fingerprint}
        known = provenance_of(self.request, self.model.info, summary, self.paths.created, size)
        found = rows_by_word(rows, self.request.vectors)
        words = []
        others_said = {name: text for name, text in known.said.items() if name not in OF_ONE_WORD}
        for word in self.request.words:
            own = replace(
                known,
                step=step,
                trigger=word.name,
                vectors_per_token=word.vectors_per_token,
                initialization_text=word.initialization_text,
                said=known.said if word.name == self.request.name else others_said,
            )
            vectors = {encoder: values.clone() for encoder, values in found[word.name].items()}
            words.append(Embedding(word.name, vectors, step=step, metadata=header_metadata(own)))
        return words
