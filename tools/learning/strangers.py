"""One thing that nobody here drew: its word is taught from a folder of pictures, and what the word paints is kept."""

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ti_studio.training.config.presets import filled, presets_for
from ti_studio.training.config.request import TrainRequest
from ti_studio.training.data.backgrounds import COLOURS as PLAIN_COLOURS
from tools.demo_model.artwork.views import lab
from tools.demo_model.backdrops import PLAIN
from tools.demo_model.drawing import Pixels
from tools.demo_model.palette import COLOURS, Colour
from tools.learning.lineup import Lineup, border_colours, in_lab
from tools.learning.studio import Studio

PROMPT = "a photo of {thing}"
BACKGROUNDS: Mapping[str, Colour] = {**PLAIN, **{name: COLOURS[name] for name in ("red", "brown", "purple", "orange")}}
"""What a person calls a background; the nearest in Lab is the judge's answer."""
ONE_COLOUR, SUDDEN = 8.0, 10.0
"""Distances in Lab: below the first two edges have one colour, above the second a row differs from the next."""
DEMANDED = ("blue", "white", "black")
AUTOENCODER, INITIAL = "autoencoder", "initialization text"


@dataclass(frozen=True)
class Task:
    """One concept's folder, taught with one seed; seed None stands for what is painted without teaching."""

    concept: Path
    seed: int | None


@dataclass(frozen=True)
class Plan:
    """How words are taught and looked at."""

    checkpoint: Path
    runs: Path
    """Pictures and results go to `runs/<way>/<concept>/…`."""
    preset: str
    changes: Mapping[str, Any]
    pictures: int = 8
    taught_from: int | None = None
    """How many of a thing's pictures it is taught from; None: all."""
    captions: bool = False
    """Whether a caption beside each picture says what stands behind the thing."""


@dataclass(frozen=True)
class Taught:
    """How a training went."""

    seconds: float
    steps: int
    norms: Sequence[float]


@dataclass(frozen=True)
class Judged:
    """What a line-up says of one thing's pictures."""

    shares: tuple[float, float, float]
    """Of the plain pictures, those taken for the right thing, first and among three; and of the others, those that have
    the background asked for."""
    taken_for: str
    """What most of the plain pictures are taken for."""


def judged(lineup: Lineup, folder: Path) -> Judged:
    """Judges what `paint_all` has painted to a folder that is named after the thing."""
    ranks = [lineup.ranked(Image.open(path)) for path in sorted((folder / "plain").glob("*.png"))]
    first = float(np.mean([order[0] == folder.name for order in ranks]))
    three = float(np.mean([folder.name in order[:3] for order in ranks]))
    demanded = [(colour, path) for colour in DEMANDED for path in sorted((folder / colour).glob("*.png"))]
    right = [background_of(Image.open(path)) == colour for colour, path in demanded]
    answers = [order[0] for order in ranks]
    return Judged((first, three, float(np.mean(right)) if right else np.nan), max(set(answers), key=answers.count))


def carry_out(task: Task, plan: Plan) -> None:
    """Teaches and paints what is not there yet."""
    studio = Studio(plan.checkpoint)
    if task.seed is None:
        text = (task.concept / "init.txt").read_text(encoding="utf-8").strip()
        paint_all(studio, plan, plan.runs / INITIAL / task.concept.name, f"a {text}", None)
        _through_autoencoder(studio, task.concept, plan.runs / AUTOENCODER / task.concept.name)
        return
    folder = plan.runs / f"seed {task.seed}" / task.concept.name
    if not (folder / "taught.json").exists():
        word, taught = _teach(studio, task, plan)
        paint_all(studio, plan, folder, word.name, word)
        (folder / "taught.json").write_text(json.dumps(asdict(taught)), encoding="utf-8")


def _teach(studio: Studio, task: Task, plan: Plan) -> tuple[Any, Taught]:
    """Teaches the word as a person would who gives a name, an initialization text and the folder."""
    text = (task.concept / "init.txt").read_text(encoding="utf-8").strip()
    given = {
        "name": f"my-{task.concept.name}",
        "initialization_text": text,
        "dataset_directory": str(_dataset(task, plan)),
        "seed": task.seed,
        **plan.changes,
    }
    request = TrainRequest(**filled(plan.preset, given, presets_for(studio.model.info)))
    started = time.monotonic()
    word = studio.teach(request, plan.runs / "jobs" / f"{task.concept.name}-{task.seed}")
    norms = [round(float(norm), 3) for norm in word.vectors["clip_l"].norm(dim=-1)]
    return word, Taught(time.monotonic() - started, word.step, norms)


def _dataset(task: Task, plan: Plan) -> Path:
    """The folder that a thing is taught from: its own, or one with as many pictures and captions as planned."""
    whole = task.concept / "train"
    pictures = sorted(whole.glob("*.png"))
    if plan.taught_from is None and not plan.captions:
        return whole
    if len(pictures) < (plan.taught_from or 0):
        raise ValueError(f"{whole} has {len(pictures)} pictures; expected {plan.taught_from} at least.")
    folder = plan.runs / "datasets" / f"{task.concept.name}-{task.seed}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for path in pictures[: plan.taught_from]:
        shutil.copy2(path, folder)
        if plan.captions:
            (folder / f"{path.stem}.txt").write_text(caption_of(Image.open(path)), encoding="utf-8")
    return folder


def caption_of(picture: Image.Image) -> str:
    """Words for what stands behind the thing: "on a blue background", "on a blue and green background", or a gradient
    between the colours along the upper and the lower edge."""
    pixels = in_lab(picture)
    upper, lower = (np.median(edge.reshape(-1, 3), axis=0) for edge in (pixels[:3], pixels[-3:]))
    first, second = (_called(colour, PLAIN_COLOURS) for colour in (upper, lower))
    if first == second or float(np.linalg.norm(upper - lower)) < ONE_COLOUR:
        return f"on a {first} background"
    sides = np.median(np.concatenate([pixels[:, :3], pixels[:, -3:]], axis=1), axis=1)
    is_sudden = float(np.linalg.norm(np.diff(sides, axis=0), axis=1).max()) > SUDDEN
    return f"on a {first} and {second}{'' if is_sudden else ' gradient'} background"


def _called(colour: np.ndarray, names: Mapping[str, Colour]) -> str:
    return min(names, key=lambda name: float(np.linalg.norm(lab(np.array(names[name], float)) - colour)))


def paint_all(studio: Studio, plan: Plan, folder: Path, thing: str, word: Any) -> None:
    """Paints the thing alone, and before each of the backgrounds, to `folder/<prompt>/NN.png`."""
    prompts = {"plain": PROMPT.format(thing=thing)}
    prompts |= {name: f"{prompts['plain']} on a {name} background" for name in DEMANDED}
    for name, prompt in prompts.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for seed, pixels in enumerate(studio.paint(prompt, range(plan.pictures), word)):
            Image.fromarray(pixels).save(folder / name / f"{seed:02d}.png")


def _through_autoencoder(studio: Studio, concept: Path, folder: Path) -> None:
    """The training pictures as the checkpoint's autoencoder gives them back: no word can paint better."""
    (folder / "plain").mkdir(parents=True, exist_ok=True)
    side = studio.native_side
    for path in sorted((concept / "train").glob("*.png")):
        small = Image.open(path).convert("RGB").resize((side, side), Image.Resampling.LANCZOS)
        (back,) = studio.through_autoencoder([np.asarray(small)])
        Image.fromarray(back).save(folder / "plain" / path.name)


def background_of(picture: Image.Image | Pixels) -> str:
    """What a person would call the main colour along the picture's border."""
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    pixels = in_lab(image)
    rim = np.concatenate([pixels[:3].reshape(-1, 3), pixels[-3:].reshape(-1, 3), pixels[:, :3].reshape(-1, 3),
                          pixels[:, -3:].reshape(-1, 3)])  # fmt: skip
    centres = border_colours(pixels)
    counts = np.bincount(np.linalg.norm(rim[:, None] - centres, axis=-1).argmin(1), minlength=len(centres))
    main = centres[int(counts.argmax())]
    return _called(main, BACKGROUNDS)
