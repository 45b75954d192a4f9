"""Measures what a word learns by the Train tab's settings, and what it does to the rest of a prompt.

    python tools/measure_learning.py                              # everything: about 10 minutes on two idle cores
    python tools/measure_learning.py --concepts trizebra --seeds 8
    python tools/measure_learning.py --training-seeds 2 --output outputs/learning --markdown

For each of six concepts that the demo checkpoint has not seen as such (tools/learning/concepts.py) a word is taught
from 5 captioned drawings, in this process, by the same code and the same settings as on the Train tab, with the preset
that it begins with or another one: only its name, its initialization text and the folder of pictures are given. Then
three ways to speak of the concept are compared, all with the same seeds, none of them selected:

  (a) the initialization text;
  (b) the best plain description of several that are tried: the one with the lowest loss, and the one with the lowest
      picture score (chosen on the very pictures it is scored on, which favours it);
  (c) the learnt word.

What is printed of each:

  loss     the mean squared error of the predicted noise on 10 held-out drawings, on other backgrounds than the training
           pictures', each with the right caption around the word, at 16 timesteps with fixed noise;
  picture  how far the figures in pictures of "a photo of a ..." are from the true drawings: 0 the same, 1 nothing in
           common (tools/learning/likeness.py says how); colour and shape alone are beside it. The floor is what the
           checkpoint's autoencoder makes of true drawings: no prompt can be expected to get below it;
  picture, demanding   the same of the prompts that follow;
  obeyed   the share of pictures in which the rest of the prompt holds: "... on a blue background", white, black,
           "at night", "a small ...", "... on the left". The judge is geometric (tools/demo_model/classify.py).

Pictures are painted by txt2img's defaults. Two runs on the same machine print the same but for the seconds.
"""

import argparse
import multiprocessing
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))  # started as a file, Python looks for modules beside it only

from ti_studio.models.checkpoint.checkpoints import identify  # noqa: E402
from ti_studio.training.config.presets import DEFAULT_PRESET, PRESET_CHOICES, filled, presets_for  # noqa: E402
from ti_studio.training.config.request import TrainRequest  # noqa: E402
from tools.learning.concepts import CONCEPTS, Concept  # noqa: E402
from tools.learning.grid import write_grid  # noqa: E402
from tools.learning.measuring import Plan, Result, measure  # noqa: E402
from tools.learning.report import concept_report, summary  # noqa: E402

DEMO_CHECKPOINT = ROOT / "models" / "Stable-diffusion" / "demo"


def main(arguments: Sequence[str] | None = None) -> int:
    """Reads the command line, measures, prints; returns the exit status."""
    options = parser().parse_args(arguments)
    if not options.markdown:
        print(conditions(options), flush=True)
    results = []
    for result in measured([CONCEPTS[word] for word in options.concepts], plan(options), options.jobs):
        print(f"\n{concept_report(result)}", flush=True)
        if options.output:
            options.output.mkdir(parents=True, exist_ok=True)
            write_grid(result, options.output / f"learning-{result.concept.word}.png")
        results.append(result)
    print(f"\n### Summary\n\n{summary(results)}")
    return 0


def parser() -> argparse.ArgumentParser:
    """Describes the command line."""
    described = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    described.add_argument("--concepts", nargs="+", choices=list(CONCEPTS), default=list(CONCEPTS), metavar="WORD",
                           help=f"of {', '.join(CONCEPTS)} (default: all)")  # fmt: skip
    described.add_argument("--ckpt", type=Path, default=DEMO_CHECKPOINT, help="the checkpoint's folder")
    described.add_argument("--seeds", type=int, default=16, help="pictures of each prompt: seeds 0, 1, … (default: 16)")
    described.add_argument("--training-seeds", type=int, default=1, help="trainings of each word (default: 1)")
    described.add_argument("--preset", choices=PRESET_CHOICES, default=DEFAULT_PRESET,
                           help=f"settings to begin from (default: {DEFAULT_PRESET})")  # fmt: skip
    described.add_argument("--steps", type=int, help="training steps, instead of the preset's")
    described.add_argument("--set", nargs=2, action="append", default=[], metavar=("FIELD", "VALUE"),
                           help="another setting of the training, such as: learning_rate 0.002")  # fmt: skip
    described.add_argument("--output", type=Path, help="folder to write a grid of pictures to, one PNG a concept")
    described.add_argument("--markdown", action="store_true", help="print the tables alone, for docs/learning.md")
    described.add_argument("--jobs", type=int, default=os.cpu_count() or 1,
                           help="concepts measured at the same time, a core each (default: all cores)")  # fmt: skip
    return described


def plan(options: argparse.Namespace) -> Plan:
    """Returns what the command line asks to measure with."""
    given: dict[str, Any] = dict(options.set)
    if options.steps is not None:
        given["max_steps"] = options.steps
    changes = filled(options.preset, given, presets_for(identify(options.ckpt)))
    return Plan(options.ckpt, range(options.seeds), range(options.training_seeds), tuple(changes.items()))


def conditions(options: argparse.Namespace) -> str:
    """Says by which settings the words are taught."""
    given = {"name": "word", "dataset_directory": "folder", **dict(plan(options).changes)}
    request = TrainRequest(**given)
    return (
        f"{options.ckpt.name}: {request.max_steps} steps of batch {request.batch_size}, learning rate "
        f"{request.learning_rate}, {request.vectors_per_token} vectors, {request.template}; "
        f"{options.seeds} pictures a prompt, training seeds: {options.training_seeds}"
    )


def measured(concepts: Sequence[Concept], how: Plan, jobs: int) -> Iterator[Result]:
    """Yields the results in the order of the concepts, several of them measured at a time."""
    if jobs == 1 or len(concepts) == 1:
        yield from map(partial(measure, plan=how), concepts)
        return
    context = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
    with ProcessPoolExecutor(min(jobs, len(concepts)), mp_context=context, initializer=use_one_core) as pool:
        yield from pool.map(partial(measure, plan=how), concepts)


def use_one_core() -> None:
    """Keeps a process from taking the others' cores."""
    import torch  # noqa: PLC0415

    torch.set_num_threads(1)


if __name__ == "__main__":
    sys.exit(main())
