"""Validation, snapshots and previews: the callbacks that are due every so many steps."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from ti_studio.embeddings.embedding import Embedding
from ti_studio.training.cancellation import Check
from ti_studio.training.events import Event, Previewed, Saved, Validated
from ti_studio.training.output.word_files import WordFiles
from ti_studio.training.preparation import DONE, PreparedTraining
from ti_studio.training.state import TrainingState
from ti_studio.training.validation import validation_loss

SECONDS_BETWEEN_STATES = 5.0
"""At most so many seconds of work are lost when the process is killed."""

VALIDATED, SAVED, PREVIEWED = "validated", "saved", "previewed"

Preview = Callable[[Sequence[Embedding]], Iterator[Previewed]]
"""Paints previews of the words as they are at this step, and yields an event for each picture."""


@dataclass
class Callbacks:
    """The callbacks of a training, and the state file that records them.

    A callback is recorded in the state after its events. A training that was killed meanwhile repeats it when resumed,
    and leaves none out.
    """

    prepared: PreparedTraining
    files: WordFiles
    preview: Preview
    check: Check
    """Called between two pieces of work; raises where the training shall stop."""
    done: list[str] = field(default_factory=list)
    """The callbacks done at the present step."""
    saved_at: float = field(default_factory=time.monotonic)
    """When the state was written last, by `time.monotonic`."""

    @property
    def is_over(self) -> bool:
        """Whether no step is left: `max_steps` is reached, or early stopping ends the training."""
        prepared = self.prepared
        if prepared.trainable.step >= prepared.request.max_steps:
            return True
        return bool(prepared.early_stopping.stop_reason(prepared.request))

    def run(self) -> Iterator[Event]:
        """Makes the validation, the snapshot and the previews that are due at this step and not done yet."""
        request, main = self.prepared.request, self.prepared.process_group.is_main
        if VALIDATED not in self.done and self._is_due(request.validation_every, at_start=True):
            yield from self._validate()
            self._record(VALIDATED)
        if SAVED not in self.done and self._is_due(request.save_every, at_start=False):
            ending = f"{self.prepared.trainable.step:06d}.{request.save_as}"
            yield from (self._snapshot(word, f"{word.name}-{ending}") for word in self.words())
            self._record(SAVED)
        if main and PREVIEWED not in self.done and self._is_due(request.preview_every, at_start=True):
            yield from self.preview(self.words())
            self.free_vae()
            self.check()  # previews end early where the training shall stop, and are then not done
            self._record(PREVIEWED)

    def free_vae(self) -> None:
        """Frees the VAE's memory until the next previews, unless the steps encode pictures."""
        if not self.prepared.training_batches.latents.encodes:
            self.prepared.model.autoencoder.put_away()

    def _is_due(self, every: int, *, at_start: bool) -> bool:
        """Returns whether a callback is due: every so many steps, at the last step, and before the first if
        `at_start`."""
        step = self.prepared.trainable.step
        if not every or step == 0:
            return bool(every) and at_start
        return step % every == 0 or self.is_over

    def _record(self, callback: str) -> None:
        self.done.append(callback)
        self.save_state()

    def _validate(self) -> Iterator[Event]:
        """Computes the validation loss, and writes the words as the best ones if they are."""
        prepared, stopping = self.prepared, self.prepared.early_stopping
        rows, step = prepared.trainable.evaluation_rows, prepared.trainable.step
        loss = validation_loss(prepared.model, prepared.training_batches, rows, self.check)
        improved = False
        if step:
            improved = stopping.record(step, loss, rows)
        else:
            stopping.begin(loss)
        best_loss = loss if stopping.best_loss is None else stopping.best_loss
        norms = {encoder: values.norm(dim=-1).tolist() for encoder, values in rows.items()}
        yield Validated(step, loss, best_loss, stopping.best_step, norms)
        if improved:
            yield from self.save_best()

    def save_best(self) -> Iterator[Saved]:
        """Writes the words of the best validation as snapshots."""
        return (self._snapshot(word, f"{word.name}-best.safetensors") for word in self.best_words())

    def _snapshot(self, word: Embedding, name: str) -> Saved:
        return self.files.save_snapshot(word, name, writes=self.prepared.process_group.is_main)

    def words(self) -> list[Embedding]:
        """Returns the words as they are now, the first one first."""
        trainable = self.prepared.trainable
        return self.files.words(trainable.embedding().vectors, trainable.step)

    def best_words(self) -> list[Embedding]:
        """Returns the words as they were at their best validation."""
        stopping = self.prepared.early_stopping
        rows = {encoder: values.cpu() for encoder, values in stopping.best_rows.items()}
        return self.files.words(rows, stopping.best_step)

    def save_state_if_due(self) -> None:
        """Writes the state if the last one is older than SECONDS_BETWEEN_STATES."""
        if time.monotonic() - self.saved_at > SECONDS_BETWEEN_STATES:
            self.save_state()

    def save_state(self) -> None:
        """Writes the state that a resume reads; the main process alone."""
        self.saved_at = time.monotonic()
        prepared = self.prepared
        if not prepared.process_group.is_main:
            return
        notes = {**prepared.fingerprint.notes(), DONE: json.dumps(self.done)}
        state = prepared.trainable.state() | TrainingState({}, notes)
        if prepared.request.validation_every:
            state |= prepared.early_stopping.state()
        state.write(prepared.paths.state)
