"""Runs one of the compared training loops in this process, and says what its steps take."""

import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw

from ti_studio.field_types import Precision
from ti_studio.models.checkpoint.checkpoints import identify
from ti_studio.models.hardware import hardware_for
from ti_studio.models.loading import Model, load, load_as_it_is
from ti_studio.training import prompt_embeds
from ti_studio.training.config.request import TrainRequest
from ti_studio.training.events import Step
from ti_studio.training.preparation import RunPaths
from ti_studio.training.run import train
from tools.training_benchmark.plain_loop import Material, steps

PICTURES = 4
VECTORS = 2
KIBIBYTE = 1024


@dataclass(frozen=True)
class Variant:
    """A loop, and what it computes in."""

    loop: str
    """`ours`, `plain` or `cached`."""
    precision: Precision


VARIANTS = {
    "plain-fp32": Variant("plain", "fp32"),
    "cached-fp32": Variant("cached", "fp32"),
    "cached-bf16": Variant("cached", "bf16"),
    "ours-fp32": Variant("ours", "fp32"),
    "ours-auto": Variant("ours", "auto"),
}


@dataclass(frozen=True)
class Setting:
    """What every variant of a comparison is given."""

    checkpoint: Path
    pictures: Path
    """The folder of pictures."""
    work: Path
    """An empty folder for what the training writes."""
    template: Path
    steps: int
    """To make, of which the first is not among the figures: it allocates the memory."""
    batch_size: int


class Turn:
    """Nobody else is running: all steps can be made at once."""

    def wait(self) -> None:
        """Returns when a step may be made."""

    def end(self) -> None:
        """Tells that one was made."""


class TurnOfMany(Turn):
    """Others are running, and whoever started them says on the standard input when a step may be made."""

    def wait(self) -> None:
        """Waits for a line, or for the end of the input."""
        sys.stdin.readline()

    def end(self) -> None:
        """Prints a line."""
        print(flush=True)


@dataclass
class _Clock:
    """Seconds and CPU seconds of each step, and of the models' part in them."""

    began: float
    """When the process was started, by `time.time`."""
    seconds: list[float]
    cpu_seconds: list[float]
    models: float = 0.0
    first: float = 0.0

    def watch(self, made: Iterator[object], turn: Turn) -> None:
        """Takes in how long each step is on its way, from when its turn comes."""
        turn.wait()
        wall, cpu = time.perf_counter(), time.process_time()
        for number, _ in enumerate(made):
            if number == 0:
                self.first = time.time() - self.began
                self.models = 0.0
            else:
                self.seconds.append(time.perf_counter() - wall)
                self.cpu_seconds.append(time.process_time() - cpu)
            turn.end()
            turn.wait()
            wall, cpu = time.perf_counter(), time.process_time()

    def timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Returns the function with its time counted as the models'."""

        def counted(*args: Any, **kwargs: Any) -> Any:
            before = time.process_time()
            result = function(*args, **kwargs)
            self.models += time.process_time() - before
            return result

        return counted


def write_pictures(folder: Path, size: int) -> None:
    """Draws the pictures that are trained on; what is on them makes no step faster."""
    folder.mkdir(parents=True)
    for index in range(PICTURES):
        image = Image.effect_noise((size, size), 60).convert("RGB")
        ImageDraw.Draw(image).ellipse((size // 8, size // 4, size // 2, size - 8), fill=(200, 40 * index, 90))
        image.save(folder / f"{index}.png")


def run_variant(variant: Variant, setting: Setting, began: float, turn: Turn) -> dict[str, Any]:
    """Makes the steps; returns their seconds and CPU seconds, the peak memory, and what else is known of them."""
    info = identify(setting.checkpoint)
    hardware = hardware_for(info, variant.precision)
    clock = _Clock(began, [], [])
    told: dict[str, Any] = {"precision": hardware.precision}
    if variant.loop == "ours":
        model = load(info, hardware)
        _count_models(clock)
        clock.watch((event for event in _training(model, setting, variant) if isinstance(event, Step)), turn)
        told["overhead"] = 1 - clock.models / sum(clock.cpu_seconds)
        told["state_bytes"] = (setting.work / "state.safetensors").stat().st_size
    else:
        model = load_as_it_is(info, hardware)
        made = steps(model, material(model, setting), caches=variant.loop == "cached")
        clock.watch((next(made) for _ in range(setting.steps)), turn)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIBIBYTE
    return told | {"seconds": clock.seconds, "cpu_seconds": clock.cpu_seconds, "peak": peak, "first": clock.first}


def request_for(setting: Setting, precision: Precision = "auto") -> TrainRequest:
    """Returns the training that ours makes."""
    return TrainRequest(
        name="zzzz1234",
        initialization_text="tree",
        dataset_directory=str(setting.pictures),
        template="subject.txt",
        vectors_per_token=VECTORS,
        batch_size=setting.batch_size,
        max_steps=setting.steps,
        save_every=0,
        preview_every=0,
        precision=precision,
    )


def _training(model: Model, setting: Setting, variant: Variant) -> Iterator[object]:
    place = RunPaths(setting.work, setting.work, setting.pictures, setting.template, created=time.time())
    return train(request_for(setting, variant.precision), model, place, lambda _: iter(()), lambda: False)


def _count_models(clock: _Clock) -> None:
    """Counts what a step spends in the models: the text encoders, the UNet, and the way back through both."""
    watched: list[tuple[Any, str]] = [
        (Model, "predict"),
        (prompt_embeds, "encode_chunks"),
        (torch.autograd, "backward"),
    ]
    for owner, name in watched:
        setattr(owner, name, clock.timed(getattr(owner, name)))


def material(model: Model, setting: Setting) -> Material:
    """Returns the same pictures and prompts for the plain loops."""
    pictures = sorted(setting.pictures.iterdir())
    prompts = [line.strip() for line in setting.template.read_text(encoding="utf-8").splitlines() if line.strip()]
    chosen = [prompts[index % len(prompts)] for index in range(len(pictures))]
    return Material(pictures, model.info.default_size, chosen, VECTORS, setting.batch_size)
