"""Measures what words learn on DreamBench: likeness to the subject, and obedience to the rest of the prompt.

    python tools/dreambench.py DATASET --ckpt sd15.safetensors --runs outputs/dreambench \\
        --dino dinov2-base --siglip siglip-base-patch16-512 --clip clip-vit-base-patch32
    python tools/dreambench.py DATASET --ckpt sdxl.safetensors --runs outputs/sdxl --size 768 --siglip … --only dog cat2

DATASET is the folder `dataset` of github.com/google/dreambooth: 30 subjects with 4 to 6 pictures each, and 25 prompts
for each. Every subject is taught by the preset for the checkpoint (its class word is the initialization text) and every
prompt is painted with seeds 0 to 3, "a WORD in the jungle". Scored are, by the networks whose folders are named (as
transformers' save_pretrained writes them; nothing is downloaded):

  DINO    the mean cosine of the painted with the true pictures' DINOv2 features (--dino)
  image   the same of SigLIP's or CLIP's (--siglip, --clip)
  text    the mean cosine of a picture with its prompt, in which the class stands for the word (--siglip, --clip)

A Markdown table is printed, "true pictures" being what those of one subject have with one another, and below it what
others have published. What is taught, painted and scored is kept in --runs and not done again; a run that was ended
goes on. It wants a GPU: a subject is some hundred training steps at least and a hundred pictures.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
for place in (ROOT, ROOT / "modules"):
    if str(place) not in sys.path:
        sys.path.insert(0, str(place))  # started as a file, Python looks for modules beside it only

from ti_studio.embeddings.embedding import Embedding  # noqa: E402
from ti_studio.embeddings.formats.files import read_embedding, write_embedding  # noqa: E402
from ti_studio.errors import StudioError  # noqa: E402
from ti_studio.generation.request import GenerateRequest  # noqa: E402
from ti_studio.generation.samplers import sampler_names  # noqa: E402
from ti_studio.models.checkpoint.checkpoints import identify  # noqa: E402
from ti_studio.models.hardware import Hardware, hardware_for  # noqa: E402
from ti_studio.training.config.presets import DEFAULT_PRESET, PRESET_CHOICES, filled, presets_for  # noqa: E402
from ti_studio.training.config.request import TrainRequest  # noqa: E402
from tools.learning.dreambench_data import Subject, read_subjects  # noqa: E402
from tools.learning.picture_scores import Network, Scores  # noqa: E402
from tools.learning.studio import Studio  # noqa: E402

NETWORKS = ("dino", "siglip", "clip")
HEADINGS = {"dino": ("DINO",), "siglip": ("SigLIP image", "SigLIP text"), "clip": ("CLIP image", "CLIP text")}
PUBLISHED = """
| published | checkpoint | DINO | image | text | measured with |
|---|---|--:|--:|--:|---|
| Textual Inversion (in DreamBooth, arXiv 2208.12242) | SD 1 | .569 | .780 | .255 | DINO ViT-S/16, CLIP ViT-B/32 |
| DreamBooth (arXiv 2208.12242), which changes the UNet | SD 1 | .668 | | | DINO ViT-S/16 |
| Directional Textual Inversion (arXiv 2512.13672) | SD 1.5 | .418 | | | DINOv2-base, backgrounds masked |
| the same | SD 2.1 | .469 | | | the same |
| the same | SDXL | .450 | | | the same |

These figures were taken second hand, Textual Inversion's from memory: look them up before you cite them. Scores of
different networks, and of masked and whole pictures, can't be compared with one another."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Reads the command line, does what is not done yet, prints; returns the exit status."""
    options = parser().parse_args(arguments)
    try:
        subjects = read_subjects(options.dataset, options.only)
        check_settings(options)
        paint_missing(subjects, options)
        print(report(scored(subjects, options), [name for name in NETWORKS if getattr(options, name)]))
    except StudioError as error:
        print(error, file=sys.stderr)
        return 1
    print(PUBLISHED)
    return 0


def parser() -> argparse.ArgumentParser:
    """Describes the command line."""
    described = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    described.add_argument("dataset", type=Path)
    described.add_argument("--ckpt", type=Path, required=True, help="the checkpoint's file or folder")
    described.add_argument("--runs", type=Path, required=True, help="folder for words, pictures and scores")
    for network, title in zip(NETWORKS, ("DINOv2", "SigLIP", "CLIP"), strict=True):
        described.add_argument(f"--{network}", type=Path, metavar="FOLDER", help=f"{title}, as transformers saves it")
    described.add_argument("--only", nargs="+", default=[], metavar="SUBJECT", help="these subjects alone")
    described.add_argument("--preset", choices=PRESET_CHOICES, default=DEFAULT_PRESET)
    described.add_argument("--set", nargs=2, action="append", default=[], metavar=("FIELD", "VALUE"),
                           help="another setting of the training, such as: max_steps 3000")  # fmt: skip
    described.add_argument("--seeds", type=int, default=4, help="pictures of each prompt (default: 4)")
    described.add_argument("--size", type=int, help="pixels on each side, in training and painting (default: its own)")
    described.add_argument("--sampler", choices=sampler_names(), default="DDIM")
    described.add_argument("--steps", type=int, default=50, help="of the sampler (default: 50)")
    described.add_argument("--cfg", type=float, default=7.5, help="classifier-free guidance (default: 7.5)")
    return described


class OtherSettings(StudioError):
    """A folder of runs that were made in another way."""


def check_settings(options: argparse.Namespace) -> None:
    """Notes in the folder of runs how they are made.

    Raises:
        OtherSettings: those that are there were made otherwise.
    """
    info = identify(options.ckpt)
    settings = {
        "checkpoint": info.path.name,
        "training": {name: str(value) for name, value in values_of(options).items()},
        "painting": [options.sampler, options.steps, options.cfg, options.size, options.seeds],
    }
    note = options.runs / "settings.json"
    if note.exists():
        found = json.loads(note.read_text(encoding="utf-8"))
        unlike = [name for name in settings if found.get(name) != settings[name]]
        if unlike:
            raise OtherSettings(f"{options.runs} holds runs with another {' and '.join(unlike)}; name another --runs.")
        return
    options.runs.mkdir(parents=True, exist_ok=True)
    _write_json(note, settings)


def values_of(options: argparse.Namespace) -> dict[str, Any]:
    """Returns the training's values, less what is taught and from what."""
    size = {} if options.size is None else {"width": options.size, "height": options.size}
    return filled(options.preset, {**size, **dict(options.set)}, presets_for(identify(options.ckpt)))


def paint_missing(subjects: Sequence[Subject], options: argparse.Namespace) -> None:
    """Teaches and paints the subjects of which something is missing; loads the checkpoint only if there are such."""
    missing = [subject for subject in subjects if not all(map(Path.exists, painted_of(subject, options)))]
    if not missing:
        return
    studio = Studio(options.ckpt, hardware=hardware_for(identify(options.ckpt)))
    for number, subject in enumerate(missing, 1):
        print(f"{subject.name} ({number} of {len(missing)})", file=sys.stderr, flush=True)
        word = taught(studio, subject, options)
        files = iter(painted_of(subject, options))
        for prompt in subject.prompts:
            targets = [next(files) for _ in range(options.seeds)]
            if not all(map(Path.exists, targets)):
                _paint(studio, word, prompt.format(thing=word.name), targets, options)


def taught(studio: Studio, subject: Subject, options: argparse.Namespace) -> Embedding:
    """Returns a subject's word, taught now or before."""
    path = options.runs / subject.name / "word.safetensors"
    if not path.exists():
        own = {
            "name": word_of(subject),
            "initialization_text": subject.kind,
            "dataset_directory": str(subject.folder),
            "preview_every": 0,
            "overwrite": True,
        }
        request = TrainRequest(**{**values_of(options), **own})
        path.parent.mkdir(parents=True, exist_ok=True)
        write_embedding(studio.teach(request, options.runs / subject.name / "training"), path)
    return replace(read_embedding(path), name=word_of(subject))


def word_of(subject: Subject) -> str:
    """Returns the word that a subject is taught as."""
    return f"db-{subject.name.replace('_', '-')}"


def painted_of(subject: Subject, options: argparse.Namespace) -> list[Path]:
    """Returns the places of a subject's pictures: prompt after prompt, seed after seed."""
    folder = options.runs / subject.name / "pictures"
    return [
        folder / f"{prompt:02}-{seed}.png" for prompt in range(len(subject.prompts)) for seed in range(options.seeds)
    ]


def _paint(studio: Studio, word: Embedding, prompt: str, targets: Sequence[Path], options: argparse.Namespace) -> None:
    request = GenerateRequest(
        prompt=prompt,
        sampler=options.sampler,
        steps=options.steps,
        cfg_scale=options.cfg,
        width=options.size,
        height=options.size,
    )
    targets[0].parent.mkdir(parents=True, exist_ok=True)
    for target, pixels in zip(targets, studio.paint_as(request, range(len(targets)), word), strict=True):
        unfinished = target.with_suffix(".tmp.png")
        Image.fromarray(pixels).save(unfinished)
        os.replace(unfinished, target)


def scored(subjects: Sequence[Subject], options: argparse.Namespace) -> dict[str, dict[str, Mapping[str, Any]]]:
    """Returns for each subject each network's scores; those that were found before are read."""
    found: dict[str, dict[str, Mapping[str, Any]]] = {subject.name: {} for subject in subjects}
    hardware = Hardware.automatic()
    for name in NETWORKS:
        folder = getattr(options, name)
        if folder is None:
            continue
        network: Network | None = None
        for subject in subjects:
            path = options.runs / subject.name / f"{name}-{folder.resolve().name}.json"
            if not path.exists():
                network = network or Network(folder, hardware.device)
                _write_json(path, _score(network, subject, options))
            found[subject.name][name] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _score(network: Network, subject: Subject, options: argparse.Namespace) -> dict[str, Any]:
    texts = [prompt.format(thing=subject.kind) for prompt in subject.prompts for _ in range(options.seeds)]
    scores: Scores = network.scores(painted_of(subject, options), texts, subject.pictures)
    return {**asdict(scores), "true": network.among(subject.pictures)}


def report(found: Mapping[str, Mapping[str, Mapping[str, Any]]], networks: Sequence[str]) -> str:
    """Returns a Markdown table: a row for each subject, their mean, and what true pictures get."""
    headings = ["subject", *(heading for name in networks for heading in HEADINGS[name])]
    kinds = [(name, kind) for name in networks for kind in ("image", "text")[: len(HEADINGS[name])]]

    def row(title: str, value: Callable[[str, str], float | None]) -> str:
        cells = [value(*kind) for kind in kinds]
        return " | ".join([f"| {title}", *("" if cell is None else f"{cell:.3f}" for cell in cells)]) + " |"

    def mean(name: str, key: str) -> float:
        return float(np.mean([scores[name][key] for scores in found.values()]))

    lines = [row(subject, lambda name, kind, of=scores: of[name][kind]) for subject, scores in found.items()]  # type: ignore[misc]
    lines.append(row("**mean**", mean))
    lines.append(row("true pictures", lambda name, kind: mean(name, "true") if kind == "image" else None))
    return "\n".join([f"| {' | '.join(headings)} |", "|---" + "|--:" * len(kinds) + "|", *lines])


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    unfinished = path.with_suffix(".tmp")
    unfinished.write_text(json.dumps(content, indent=1), encoding="utf-8")
    os.replace(unfinished, path)


if __name__ == "__main__":
    sys.exit(main())
