"""Counts the steps and seconds that a word takes to learn: the plain recipe's own, and a preset's.

    python tools/benchmark_learning.py --results outputs/learning.jsonl             # an hour or more on two cores
    python tools/benchmark_learning.py --concepts trizebra --training-seeds 1 --seeds 4
    python tools/benchmark_learning.py --results outputs/learning.jsonl --only-report

For each of six concepts (tools/learning/concepts.py) and three training seeds, a word is taught twice from the same
five drawings, with the same batch size, vectors and initialization text:

  plain    AdamW at a constant 5e-3, timesteps drawn uniformly, A1111's template subject_filewords.txt, and no trick;
           until its curve is flat, or 3,000 steps;
  preset   as the Train tab does it with the preset that is named (`object` if none is).

Every 5 steps (from step 100 on, every 25) the word is taken as a person would get it at that step, and its loss
measured on 10 held-out drawings at 8 timesteps, with noise that is the same each time. Flat: the mean of the last six
points that are 25 steps apart is not 0.5 % below the mean of the six before; the plain recipe's level is that last
mean. Counted are the steps and seconds until a run's loss first is within 1 % of that level, the plain run's own and
the preset's. The seconds are those of the whole training from reading the pictures on, validations of its own
included, the measuring not.

obeyed is the share of pictures in which the rest of the prompt holds (see measure_learning.py), with both finished
words and the initialization text; picture is the picture score of "a photo of a ...", lower is better.

Every finished training is written to --results at once, one JSON object a line, and a run that is started again goes
on with those that are missing; delete the lines of a preset whose values have changed. Two runs on the same machine
print the same but for the seconds.
"""

import argparse
import multiprocessing
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))  # started as a file, Python looks for modules beside it only

from ti_studio.training.config.preset_kinds import PURPOSES  # noqa: E402
from ti_studio.training.config.presets import DEFAULT_PRESET  # noqa: E402
from tools.learning.comparison import NO_TRAINING, PLAIN, Outcome, Task, measure_task, read_outcomes, report  # noqa: E402
from tools.learning.concepts import CONCEPTS  # noqa: E402

DEMO_CHECKPOINT = ROOT / "models" / "Stable-diffusion" / "demo"


def main(arguments: Sequence[str] | None = None) -> int:
    """Reads the command line, measures what is missing, prints; returns the exit status."""
    options = parser().parse_args(arguments)
    asked = tasks(options)
    known = read_outcomes(options.results) if options.results else []
    outcomes = {outcome.task: outcome for outcome in known if outcome.task in asked}
    if not options.only_report:
        outcomes |= measured([task for task in asked if task not in outcomes], options)
    print(report([outcomes[task] for task in asked if task in outcomes], options.preset) or "Nothing to compare yet.")
    return 0


def parser() -> argparse.ArgumentParser:
    """Describes the command line."""
    described = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    described.add_argument("--concepts", nargs="+", choices=list(CONCEPTS), default=list(CONCEPTS), metavar="WORD",
                           help=f"of {', '.join(CONCEPTS)} (default: all)")  # fmt: skip
    described.add_argument("--training-seeds", type=int, default=3, help="trainings a word and recipe (default: 3)")
    described.add_argument(
        "--seeds", type=int, default=4, help="pictures of each prompt, other seeds for each training (default: 4)"
    )
    described.add_argument("--steps", type=int, default=3000, help="the plain recipe's most steps (default: 3000)")
    described.add_argument("--preset", choices=list(PURPOSES), default=DEFAULT_PRESET, help="what is compared with it")
    described.add_argument("--recipes", nargs="+", metavar="RECIPE",
                           help=f"measure these alone: {PLAIN}, the preset's name, {NO_TRAINING}")  # fmt: skip
    described.add_argument("--ckpt", type=Path, default=DEMO_CHECKPOINT, help="the checkpoint's folder")
    described.add_argument("--results", type=Path, help="file to keep outcomes in, and to go on from")
    described.add_argument("--only-report", action="store_true", help="measure nothing: print what --results has")
    described.add_argument("--jobs", type=int, default=os.cpu_count() or 1,
                           help="trainings at the same time, a core each (default: all cores)")  # fmt: skip
    return described


def tasks(options: argparse.Namespace) -> list[Task]:
    """Returns what is to be measured, one seed of every concept after the other, so that half a run tells something."""
    return [
        Task(recipe, word, seed, options.seeds, options.steps if recipe == PLAIN else 0)
        for seed in range(options.training_seeds)
        for word in options.concepts
        for recipe in (PLAIN, options.preset, NO_TRAINING)
        if options.recipes is None or recipe in options.recipes
    ]


def measured(missing: Sequence[Task], options: argparse.Namespace) -> dict[Task, Outcome]:
    """Measures trainings, several at a time; writes and tells of each as it is finished."""
    if options.results:
        options.results.parent.mkdir(parents=True, exist_ok=True)
    outcomes = {}
    context = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
    with ProcessPoolExecutor(max(1, options.jobs), mp_context=context, initializer=use_one_core) as pool:
        for finished in as_completed([pool.submit(measure_task, task, options.ckpt) for task in missing]):
            outcome = finished.result()
            outcomes[outcome.task] = outcome
            print(outcome.told(), flush=True)
            if options.results:
                with options.results.open("a", encoding="utf-8") as file:
                    file.write(outcome.to_json() + "\n")
    return outcomes


def use_one_core() -> None:
    """Keeps a process from taking the others' cores."""
    import torch  # noqa: PLC0415

    torch.set_num_threads(1)


if __name__ == "__main__":
    sys.exit(main())
