"""Measures whether words taught from strangers' pictures are recognised, and whether the rest of a prompt is obeyed.

    python tools/measure_lineup.py CONCEPTS --runs outputs/lineup
    python tools/measure_lineup.py CONCEPTS --runs outputs/lineup --only avocado frog --training-seeds 3

CONCEPTS has a folder for each thing: `train/` with the pictures to teach it from, `held/` with others that the line-up
compares with, and `init.txt`, the initialization text. Each word is taught by the Train tab's settings; "a photo of
WORD" is painted eight times, and eight times each on a blue, a white and a black background. Printed are:

  first, in 3   the share of the plain pictures that the line-up takes for the right thing, first or among three
  obeyed        the share of the pictures with a background that have it

beside the same for the initialization text, and for the training pictures as the autoencoder gives them back. What has
been taught and painted is kept in --runs and not done again. Two runs on one machine print the same.
"""

import argparse
import json
import multiprocessing
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))  # started as a file, Python looks for modules beside it only

from ti_studio.training.config.presets import DEFAULT_PRESET, PRESET_CHOICES  # noqa: E402
from tools.learning.lineup import Lineup  # noqa: E402
from tools.learning.strangers import AUTOENCODER, INITIAL, Plan, Task, carry_out, judged  # noqa: E402

DEMO_CHECKPOINT = ROOT / "models" / "Stable-diffusion" / "demo"


def main(arguments: Sequence[str] | None = None) -> int:
    """Reads the command line, teaches, paints, judges; returns the exit status."""
    options = parser().parse_args(arguments)
    folders = [f for f in sorted(options.concepts.iterdir()) if (f / "train").is_dir()]
    chosen = [f for f in folders if not options.only or f.name in options.only]
    plan = Plan(
        options.ckpt,
        options.runs,
        options.preset,
        dict(options.set),
        options.pictures,
        options.taught_from,
        options.captions,
    )
    tasks = [Task(folder, seed) for seed in (None, *range(options.training_seeds)) for folder in chosen]
    context = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
    with ProcessPoolExecutor(options.jobs, context) as pool:
        for _ in pool.map(partial(carry_out, plan=plan), tasks):
            print(".", end="", flush=True)
    print()
    lineup = Lineup(options.concepts)
    names = [folder.name for folder in chosen]
    for way in (AUTOENCODER, INITIAL, *(f"seed {seed}" for seed in range(options.training_seeds))):
        print(report(lineup, plan.runs / way, names))
    if options.training_seeds > 1:
        print(
            f"\nMedian over {options.training_seeds} seeds: {medians(lineup, plan.runs, names, options.training_seeds)}"
        )
    return 0


def medians(lineup: Lineup, runs: Path, names: Sequence[str], seeds: int) -> str:
    """The median over the training seeds of each mean over the things."""
    means = [
        np.mean([judged(lineup, runs / f"seed {seed}" / name).shares for name in names], axis=0)
        for seed in range(seeds)
    ]
    first, three, obeyed = np.median(means, axis=0)
    return f"first {first:.1%}, in 3 {three:.1%}, obeyed {obeyed:.1%}"


def parser() -> argparse.ArgumentParser:
    """Describes the command line."""
    described = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    described.add_argument("concepts", type=Path)
    described.add_argument("--runs", type=Path, required=True, help="folder for pictures and results")
    described.add_argument(
        "--only", nargs="+", metavar="NAME", help="these things alone are taught (all are compared with)"
    )
    described.add_argument("--ckpt", type=Path, default=DEMO_CHECKPOINT, help="the checkpoint's folder")
    described.add_argument("--preset", choices=PRESET_CHOICES, default=DEFAULT_PRESET)
    described.add_argument("--set", nargs=2, action="append", default=[], metavar=("FIELD", "VALUE"),
                           help="another setting of the training, such as: learning_rate 0.002")  # fmt: skip
    described.add_argument("--training-seeds", type=int, default=1, help="trainings of each word (default: 1)")
    described.add_argument("--pictures", type=int, default=8, help="of each prompt (default: 8)")
    described.add_argument("--taught-from", type=int, metavar="N", help="pictures a word is taught from (default: all)")
    described.add_argument("--captions", action="store_true", help="give each picture a caption of what stands behind")
    described.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    return described


def report(lineup: Lineup, runs: Path, names: Sequence[str]) -> str:
    """A Markdown table of one way to speak of the things, and its means."""
    rows, lines = (
        [],
        [
            f"\n**{runs.name}**\n",
            "| thing | first | in 3 | obeyed | taken for | seconds |",
            "|---|--:|--:|--:|---|--:|",
        ],
    )
    for name in names:
        found = judged(lineup, runs / name)
        first, three, obeyed = found.shares
        taught = runs / name / "taught.json"
        seconds = json.loads(taught.read_text(encoding="utf-8"))["seconds"] if taught.exists() else np.nan
        rows.append((*found.shares, seconds))
        lines.append(f"| {name} | {first:.0%} | {three:.0%} | {obeyed:.0%} | {found.taken_for} | {seconds:.0f} |")
    means = np.mean(rows, axis=0)
    lines.append(f"| **all** | **{means[0]:.1%}** | **{means[1]:.1%}** | **{means[2]:.1%}** | | {means[3]:.0f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
