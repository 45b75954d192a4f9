"""What a training with sd-scripts' commands writes: the embedding, snapshots, sample pictures, TensorBoard's files."""

import importlib.util
import math
import random
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from pathlib import Path

from PIL import Image
from pydantic import ValidationError

from ti_studio.embeddings.embedding import Embedding
from ti_studio.errors import StudioError
from ti_studio.folders import atomic_write, remove_temporaries
from ti_studio.generation.pipeline import Txt2ImgPipeline
from ti_studio.generation.request import GenerateRequest
from ti_studio.generation.samplers import find_sampler
from ti_studio.training.events import Previewed, Saved, Step
from ti_studio.training.sd_scripts.options import BadConfiguration
from ti_studio.training.sd_scripts.plan import Plan
from ti_studio.training.sd_scripts.sample_prompts import SamplePrompt, read_sample_prompts

SAMPLERS = {
    "ddim": "DDIM",
    "euler": "Euler",
    "k_euler": "Euler",
    "euler_a": "Euler a",
    "k_euler_a": "Euler a",
    "heun": "Heun",
    "dpm_2": "DPM2",
    "k_dpm_2": "DPM2",
    "dpm_2_a": "DPM2 a",
    "k_dpm_2_a": "DPM2 a",
    "dpmsolver": "DPM++ 2M",
    "dpmsolver++": "DPM++ 2M",
    "dpmsingle": "DPM++ 2M",
    # Multistep samplers of the same order, which took their place.
    "pndm": "DPM++ 2M",
    "lms": "DPM++ 2M",
    "k_lms": "DPM++ 2M",
}


def due_every(plan: Plan, what: str, epoch: int) -> list[int]:
    """Returns the numbers of steps after which something is due: by steps and by epochs."""
    steps = [plan.options.get(f"{what}_every_n_steps") or 0, _epochs_between(plan, what, epoch) * epoch]
    return [count for count in steps if count > 0]


def _epochs_between(plan: Plan, what: str, epoch: int) -> int:
    """Returns the epochs after which something is due, 0 for none; `--save_n_epoch_ratio` says it by their number."""
    ratio = plan.options.get("save_n_epoch_ratio") or 0
    if what == "save" and ratio > 0:
        return math.ceil(plan.request.max_steps / epoch) // int(ratio) or 1
    return int(plan.options.get(f"{what}_every_n_epochs") or 0)


class Outputs:
    """The files of the word in the output folder, and the folder of the training's state beside them."""

    def __init__(self, plan: Plan, epoch: int) -> None:
        self._plan = plan
        self._epoch = epoch
        self._due = due_every(plan, "save", epoch)
        self._epochs = _epochs_between(plan, "save", epoch)
        self.every = math.gcd(*self._due) if self._due else 0
        """Steps between two looks at whether something is to be saved."""
        self.work = plan.output_dir / f"{plan.output_name}-state"
        self.lock = self.work / "lock"
        self.finished = self.work / "finished"
        self._ending = plan.request.save_as

    def make(self, *, keep_state: bool) -> None:
        """Makes the folders, and clears away what an earlier training has left in them, killed ones included."""
        self._clear(keep_state=keep_state)
        self.finished.mkdir()
        remove_temporaries(self.work)

    def keep(self, saved: Saved) -> None:
        """Puts a snapshot into the output folder, under sd-scripts' name, if it is due."""
        path = self.work / saved.path
        if any(saved.step % steps == 0 for steps in self._due) and saved.step < self._plan.request.max_steps:
            epoch = saved.step // self._epoch if self._epochs and saved.step % (self._epochs * self._epoch) == 0 else 0
            path.replace(self._file(f"{epoch:06d}" if epoch else f"step{saved.step:08d}"))
            self._remove_old(saved.step, epoch)
        path.unlink(missing_ok=True)

    def _file(self, suffix: str) -> Path:
        return self._plan.output_dir / f"{self._plan.output_name}-{suffix}.{self._ending}"

    def _remove_old(self, step: int, epoch: int) -> None:
        """Removes the file that `--save_last_n_epochs` or `--save_last_n_steps` wants no longer, as sd-scripts does."""
        given = self._plan.options
        kept_epochs, kept_steps = given.get("save_last_n_epochs"), given.get("save_last_n_steps")
        if epoch and kept_epochs and epoch > self._epochs * kept_epochs:
            self._file(f"{epoch - self._epochs * kept_epochs:06d}").unlink(missing_ok=True)
        every = given.get("save_every_n_steps")
        if not epoch and kept_steps and every and step > kept_steps + 1:
            old = (step - kept_steps - 1) // every * every
            self._file(f"step{old:08d}").unlink(missing_ok=True)

    def finish(self, path: Path) -> Path:
        """Puts the finished word into the output folder; the state goes unless it is to be kept."""
        target = self._plan.output_dir / f"{self._plan.output_name}.{self._ending}"
        path.replace(target)
        keeps_state = any(self._plan.options.get(name) for name in ("save_state", "save_state_on_train_end"))
        self._clear(keep_state=keeps_state)
        if target.stem != self._plan.request.name:
            print(
                f"note: WebUIs know the word by its file's name: {target.stem}, not {self._plan.request.name}.",
                file=sys.stderr,
            )
        return target

    def leave(self) -> None:
        """Removes the folder of the state if there is nothing in it."""
        if self.work.is_dir() and not any(self.work.iterdir()):
            self.work.rmdir()

    def _clear(self, *, keep_state: bool) -> None:
        for folder in (self.finished, self.work / "snapshots", self.work / "replaced"):
            shutil.rmtree(folder, ignore_errors=True)
        if not keep_state:
            (self.work / "state.safetensors").unlink(missing_ok=True)


class Samples:
    """The sample pictures of a training. The file of prompts is read anew each time, so it can be changed meanwhile;
    what is wrong with it then is told, and the training goes on."""

    def __init__(self, plan: Plan, pipeline: Txt2ImgPipeline, epoch: int, should_stop: Callable[[], bool]) -> None:
        self._plan = plan
        self._pipeline = pipeline
        self._should_stop = should_stop
        self._due = due_every(plan, "sample", epoch)
        self._path = Path(plan.options["sample_prompts"]).expanduser()
        self.every = math.gcd(*self._due) if self._due else (plan.request.max_steps if self._at_first else 0)
        """Steps between two looks at whether pictures are due."""
        self._samples()  # what is wrong with the file is told before the training

    @property
    def _at_first(self) -> bool:
        return bool(self._plan.options.get("sample_at_first"))

    def paint(self, words: Sequence[Embedding]) -> Iterator[Previewed]:
        """Paints every prompt of the file, if pictures are due at this step."""
        step = words[0].step or 0
        if not (self._at_first if step == 0 else any(step % steps == 0 for steps in self._due)):
            return
        try:
            pictures = self._samples()
        except StudioError as error:
            print(f"note: no sample pictures at step {step}: {error}", file=sys.stderr)
            return
        folder = self._plan.output_dir / "sample"
        folder.mkdir(parents=True, exist_ok=True)
        for index, (sample, request) in enumerate(pictures):
            seed = random.getrandbits(32) if sample.seed is None else sample.seed
            stamp = time.strftime("%Y%m%d%H%M%S")
            for image in self._pipeline.preview(words, request, [seed], self._should_stop):
                path = folder / f"{self._plan.output_name}_{step:06d}_{index:02d}_{stamp}_{seed}.png"
                atomic_write(path, _png(image))
                yield Previewed(step, index, path.relative_to(self._plan.output_dir).as_posix(), sample.prompt, seed)

    def _samples(self) -> list[tuple[SamplePrompt, GenerateRequest]]:
        """Reads what is to be painted.

        Raises:
            StudioError: it is no file of prompts, or one of them can't be painted; says which.
        """
        return [(sample, self._request(sample)) for sample in read_sample_prompts(self._path)]

    def _request(self, sample: SamplePrompt) -> GenerateRequest:
        sampler = (sample.sampler or self._plan.options.get("sample_sampler") or "ddim").lower()
        try:
            return GenerateRequest(
                prompt=sample.prompt,
                negative_prompt=sample.negative_prompt,
                sampler=find_sampler(SAMPLERS.get(sampler, sampler)).name,
                steps=sample.steps,
                cfg_scale=sample.scale,
                width=sample.width or self._plan.request.width,
                height=sample.height or self._plan.request.height,
                clip_skip=self._plan.request.clip_skip,
            )
        except ValidationError as error:
            (problem, *_) = error.errors()
            raise BadConfiguration(
                f"{self._path}, prompt {sample.prompt[:60]!r}: {problem['loc'][0]}: {problem['msg']} "
                f"(found {problem['input']!r})."
            ) from error


def _png(image: Image.Image) -> bytes:
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def open_log(plan: Plan) -> Callable[[Step], None]:
    """Returns what writes a step into TensorBoard's files; nothing where they are not wanted or the package is not
    there, which is told."""
    folder = plan.options.get("logging_dir")
    logger = plan.options.get("log_with") or "tensorboard"
    if logger != "tensorboard":
        print(
            f"note: --log_with {logger}: nothing is sent to Weights & Biases; its command `wandb sync` takes the files "
            "that TensorBoard reads, and those are written.",
            file=sys.stderr,
        )
    missing = (
        "--logging_dir is not given"
        if not folder and "log_with" in plan.options
        else "the package tensorboard is missing; pip install tensorboard"
        if folder and importlib.util.find_spec("tensorboard") is None
        else ""
    )
    if missing:
        print(f"note: no log is written: {missing}.", file=sys.stderr)
    if missing or not folder:
        return lambda _step: None
    from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 - an optional package

    stamp = time.strftime("%Y%m%d%H%M%S")
    prefix = plan.options.get("log_prefix") or ""
    writer = SummaryWriter(Path(folder).expanduser() / f"{prefix}{stamp}")

    def write(step: Step) -> None:
        # As sd-scripts names them, and two more.
        for name, value in (
            ("loss", step.loss),
            ("lr", step.learning_rate),
            ("gradient norm", step.grad_norm),
            ("vector norm", step.vector_norm),
        ):
            writer.add_scalar(name, value, step.step)
        writer.flush()

    return write
