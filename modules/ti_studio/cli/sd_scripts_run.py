"""A training as sd-scripts' commands run it: in this process, with its files in the output folder."""

import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import NoReturn

from tqdm import tqdm

from ti_studio.cli.sd_scripts_dataset import show_dataset
from ti_studio.cli.sd_scripts_outputs import Outputs, Samples, open_log
from ti_studio.embeddings.embedding import Embedding
from ti_studio.embeddings.formats.header_picture import header_picture
from ti_studio.errors import NotFound
from ti_studio.field_types import Precision
from ti_studio.generation.pipeline import Txt2ImgPipeline
from ti_studio.jobs.name_lock import holding
from ti_studio.models.checkpoint.checkpoints import CheckpointInfo
from ti_studio.models.hardware import hardware_for, use_threads_for
from ti_studio.models.loading import Model, load, with_vae
from ti_studio.training.data.captions import find_template
from ti_studio.training.data.dataset import Dataset, repeats_of, scan_folders
from ti_studio.training.data.prompts import PromptReader, keep_captions_with_word
from ti_studio.training.data.sampler import BucketBatchSampler
from ti_studio.training.distributed import ProcessGroup
from ti_studio.training.events import Event, Finished, Preparing, Previewed, Saved, Started, Step, Stopped, Warned
from ti_studio.training.preparation import RunPaths
from ti_studio.training.run import train
from ti_studio.training.sd_scripts.plan import Plan, steps_in_epoch

STATE = "state.safetensors"
SECONDS_BETWEEN_LINES = 10.0
INTERRUPTED = 130


def run(plan: Plan, info: CheckpointInfo, process_group: ProcessGroup) -> int:
    """Trains, or shows the dataset, and returns the exit status. Every process of a team calls this.

    Raises:
        StudioError: the training can't begin or go on.
    """
    plan = _with_thumbnail(_for_team(plan, process_group))
    request = plan.request
    size = (request.width or info.default_size, request.height or info.default_size)
    dataset = scan_folders(request.dataset_folders(""), size)
    model = _load(info, request.precision, request.vae)
    epoch = _steps_in_epoch(plan, model, dataset)
    plan = _with_epochs(plan, epoch)
    if plan.options.get("debug_dataset"):
        show_dataset(plan.request, model, size)
        return 0
    outputs = Outputs(plan, epoch)
    if not process_group.is_main:
        return _train(plan, model, outputs, epoch, process_group)
    state = _state_to_resume(plan)
    outputs.work.mkdir(parents=True, exist_ok=True)
    try:
        with holding(outputs.lock, plan.output_name, outputs.work):
            _put_state(outputs, state)
            return _train(plan, model, outputs, epoch, process_group)
    finally:
        outputs.leave()


def _for_team(plan: Plan, process_group: ProcessGroup) -> Plan:
    """Makes the batch as large as all processes' batches together, as in sd-scripts."""
    if process_group.size == 1:
        return plan
    one = plan.request.batch_size
    whole = one * process_group.size
    print(
        f"{process_group.size} processes: a batch is {one} × {process_group.size} = {whole} pictures.", file=sys.stderr
    )
    return replace(plan, request=plan.request.model_copy(update={"batch_size": whole}))


def _with_thumbnail(plan: Plan) -> Plan:
    """Puts the thumbnail itself into the request, where its path was.

    Raises:
        EmbeddingError: it is no picture that can be read.
    """
    thumbnail = plan.request.metadata_thumbnail
    if not thumbnail:
        return plan
    return replace(plan, request=plan.request.model_copy(update={"metadata_thumbnail": header_picture(thumbnail)}))


def _train(plan: Plan, model: Model, outputs: Outputs, epoch: int, process_group: ProcessGroup) -> int:
    with _interruptible(at_once=process_group.size == 1) as interrupted:

        def should_stop() -> bool:
            return bool(interrupted)

        has_samples = plan.options.get("sample_prompts")
        pictures = Samples(plan, Txt2ImgPipeline(model), epoch, should_stop) if has_samples else None
        request = plan.request.model_copy(
            update={"save_every": outputs.every, "preview_every": pictures.every if pictures else 0}
        )
        preview = pictures.paint if pictures else _no_samples
        events = train(request, model, _place(plan, outputs), preview, should_stop, process_group)
        if process_group.is_main:
            return _follow(events, plan, outputs)
        return INTERRUPTED if any([isinstance(event, Stopped) for event in events]) else 0


def _steps_in_epoch(plan: Plan, model: Model, dataset: Dataset) -> int:
    request = plan.request
    if request.captions_are_prompts:
        reader = PromptReader.of(request.name, request.vectors_per_token, model.encoders[0].tokenizer)
        dataset, _ = keep_captions_with_word(dataset, reader)  # the training tells what it leaves out
    sizes = [sample.size for sample in dataset.samples]
    order = BucketBatchSampler.of(sizes, repeats_of(dataset.samples), request.batch_size, request.seed)
    return steps_in_epoch(request, order.batches_in_round)


def _load(info: CheckpointInfo, precision: Precision, vae: str) -> Model:
    print(f"Loading checkpoint {info.title}", file=sys.stderr)
    hardware = hardware_for(info, precision)
    use_threads_for(info, hardware)
    model = load(info, hardware)
    return with_vae(model, Path(vae)) if vae else model


def _with_epochs(plan: Plan, epoch: int) -> Plan:
    epochs = plan.options.get("max_train_epochs")
    steps = epochs * epoch if epochs else plan.request.max_steps
    print(f"An epoch is {epoch} steps; the training is {steps}.", file=sys.stderr)
    return replace(plan, request=plan.request.model_copy(update={"max_steps": steps}))


def _state_to_resume(plan: Plan) -> Path | None:
    """Returns the state that the training goes on from.

    Raises:
        NotFound: there is none in the folder to resume from.
    """
    resumed = plan.options.get("resume")
    state = Path(resumed).expanduser().resolve() / STATE if resumed else None
    if state is not None and not state.is_file():
        raise NotFound(f"--resume: there is no {state}; expected a folder that --save_state or Ctrl+C has left.")
    return state


def _put_state(outputs: Outputs, state: Path | None) -> None:
    """Makes the folders, and puts the state there that the training goes on from."""
    outputs.make(keep_state=state is not None and state.parent == outputs.work)
    if state is not None and state.parent != outputs.work:
        shutil.copyfile(state, outputs.work / STATE)


def _place(plan: Plan, outputs: Outputs) -> RunPaths:
    return RunPaths(
        job=outputs.work,
        embeddings=outputs.finished,
        dataset=Path(plan.request.folders[0].directory),
        template=find_template(outputs.work, plan.request.template),
        created=time.time(),
        latents=plan.output_dir / "latents",
    )


def _follow(events: Iterator[Event], plan: Plan, outputs: Outputs) -> int:
    """Shows what happens until the training ends; returns the exit status."""
    log = open_log(plan)
    bar: tqdm[NoReturn] = tqdm(
        total=plan.request.max_steps,
        unit="step",
        dynamic_ncols=True,
        mininterval=0.2 if sys.stderr.isatty() else SECONDS_BETWEEN_LINES,
    )
    with bar:
        for event in events:
            if isinstance(event, Step):
                log(event)
            elif isinstance(event, Saved):
                outputs.keep(event)
            elif isinstance(event, Finished):
                bar.close()
                print(outputs.finish(Path(event.path)))
            elif isinstance(event, Stopped):
                bar.close()
                print(f"Stopped at step {event.step}. Go on: the same with --resume={outputs.work}", file=sys.stderr)
                return INTERRUPTED
            else:
                _say(event)
            _move(bar, event)
    return 0


def _say(event: Event) -> None:
    if isinstance(event, Preparing):
        tqdm.write(event.text, file=sys.stderr)
    elif isinstance(event, Warned):
        tqdm.write(f"warning: {event.text}", file=sys.stderr)


def _move(bar: "tqdm[NoReturn]", event: Event) -> None:
    if isinstance(event, Started):
        bar.reset()
        bar.initial = bar.n = event.step  # so that the speed is that of this run
    elif isinstance(event, Step):
        bar.set_postfix_str(f"loss {event.loss:.4f}, |v| {event.vector_norm:.2f}", refresh=False)
        bar.update(event.step - bar.n)


def _no_samples(_words: Sequence[Embedding]) -> Iterator[Previewed]:
    return iter(())


@contextmanager
def _interruptible(*, at_once: bool = True) -> Iterator[list[int]]:
    """Collects Ctrl+C and SIGTERM: the first one asks for a stop after the present step, the second one ends the
    process `at_once`. Launchers of several processes send them a second time, and end them after half a minute."""
    seen: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        if seen and at_once:
            raise KeyboardInterrupt
        if not seen:
            more = "; press Ctrl+C again to end at once" if at_once else ""
            print(f"\nStopping after this step{more}.", file=sys.stderr)
        seen.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield seen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
