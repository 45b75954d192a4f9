"""A whole training, from a request to files in the embeddings folder, as a stream of events."""

from collections.abc import Callable, Iterator

from ti_studio.models.loading import Model
from ti_studio.training.callbacks import Callbacks, Preview
from ti_studio.training.cancellation import StopWanted, check_of, go_on
from ti_studio.training.config.request import TrainRequest
from ti_studio.training.distributed import ProcessGroup
from ti_studio.training.events import Event, Finished, Started, Stopped
from ti_studio.training.loop import optimise
from ti_studio.training.output.metadata import provenance_of
from ti_studio.training.output.word_files import WordFiles
from ti_studio.training.preparation import PreparedTraining, RunPaths, prepare_training, training_size
from ti_studio.training.state import TrainingState


def train(
    request: TrainRequest,
    model: Model,
    paths: RunPaths,
    preview: Preview,
    should_stop: Callable[[], bool],
    process_group: ProcessGroup | None = None,
) -> Iterator[Event]:
    """Trains the words of a request, or resumes if the job's folder holds a state.

    The last event is `Finished` or `Stopped`. Every process of a group calls this; the main one alone reads the state
    and writes files. A stop that one of them asks for stops all, after the present step.

    Args:
        request: the training's options.
        model: the loaded checkpoint, frozen.
        paths: the files and folders of the training.
        preview: paints previews.
        should_stop: asked between two pieces of work.
        process_group: the processes that share each batch; this process alone by default.

    Raises:
        StudioError: the training can't begin or go on; what has been saved stays.
    """
    process_group = process_group or ProcessGroup()
    # Several processes stop at the same step; one that left a validation early would keep the others waiting.
    check = check_of(should_stop) if process_group.size == 1 else go_on
    try:
        prepared = yield from prepare_training(request, model, paths, process_group, check)
    except StopWanted:
        yield Stopped(TrainingState.read(paths.state).step if paths.state.exists() else 0)
        return
    callbacks = Callbacks(prepared, _word_files(prepared), preview, check, list(prepared.done))
    yield _started(prepared)
    if request.validation_every and prepared.early_stopping.best_step:
        yield from callbacks.save_best()  # the file may be of a later step, which is yet to come again
    callbacks.free_vae()
    steps = optimise(model, prepared.training_batches, prepared.trainable)
    try:
        yield from callbacks.run()
        while not callbacks.is_over:
            event = next(steps)
            callbacks.done = []
            yield event
            yield from callbacks.run()
            callbacks.save_state_if_due()
            if not callbacks.is_over and process_group.any(should_stop()):
                raise StopWanted
    except StopWanted:
        callbacks.save_state()
        yield Stopped(prepared.trainable.step)
        return
    callbacks.save_state()
    yield _finished(prepared, callbacks)


def _word_files(prepared: PreparedTraining) -> WordFiles:
    request, paths, dataset = prepared.request, prepared.paths, prepared.dataset
    pictures = {
        "folder": dataset.name,
        "pictures": len(dataset.samples),
        "sha256": prepared.fingerprint.fingerprint,
    }
    size = training_size(request, prepared.model)
    provenance = provenance_of(request, prepared.model.info, pictures, paths.created, size)
    return WordFiles(request, provenance, paths.job, paths.embeddings)


def _started(prepared: PreparedTraining) -> Started:
    hardware = prepared.model.hardware
    return Started(
        step=prepared.trainable.step,
        max_steps=prepared.request.max_steps,
        pictures=len(prepared.dataset.samples),
        checkpoint=prepared.model.info.title,
        device=str(hardware.device),
        precision=hardware.precision,
    )


def _finished(prepared: PreparedTraining, callbacks: Callbacks) -> Finished:
    """Writes the finished words, by the main process, and returns the event."""
    step, reason = prepared.trainable.step, _early_reason(prepared)
    if not prepared.process_group.is_main:
        return Finished(step, "", reason)
    words = callbacks.best_words() if prepared.request.keep_best else callbacks.words()
    path, *more = callbacks.files.publish(words)
    return Finished(step, path, reason, tuple(more))


def _early_reason(prepared: PreparedTraining) -> str:
    """Returns why the training ended before its last step, and which step was kept; empty if it did not."""
    step, request, stopping = prepared.trainable.step, prepared.request, prepared.early_stopping
    if step >= request.max_steps:
        return ""
    best = stopping.best_step
    kept = f"The best, of step {best}, was kept" if request.keep_best else f"The best was at step {best}"
    return (
        f"Finished early at step {step}: {stopping.stop_reason(request)}. {kept}. "
        f"{request.max_steps - step} of {request.max_steps} steps were saved."
    )
