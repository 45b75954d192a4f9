"""Compares our training step with a plain loop (the diffusers example's) and a cached one (as sd-scripts does it).

    python -m tools.benchmark_training                            # the demo checkpoint: a minute
    python -m tools.benchmark_training --checkpoint sd15          # SD 1.5's real shapes: half an hour, 8 GB of memory

Each variant runs in a process of its own, one at a time, in turns for `--rounds` rounds. With `--in-turns` all of them
are loaded at once and change at every step, so that a machine which is now faster, now slower treats them alike. The
table shows medians over the steps of all rounds: seconds and CPU seconds a step (the latter are what to compare by when
other work is going on), the peak memory, and the share of the first loop's. The last lines are our resume state's size,
the share of a step that is spent outside of the models, and how far our gradient is from the plain loop's. `sd15` is a
checkpoint with random weights of the real shapes; any path of a checkpoint will do. `docs/speed.md` holds the results.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tools.training_benchmark.variants import VARIANTS, Setting, Turn, TurnOfMany, run_variant, write_pictures

ROOT = Path(__file__).resolve().parents[1]
DEMO = ROOT / "models" / "Stable-diffusion" / "demo"
TEMPLATE = ROOT / "textual_inversion_templates" / "subject.txt"
EXACT = "gradient"

# OpenMP's threads would else spin while they wait for each other, and that counts as CPU time.
ENVIRONMENT = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "HF_HUB_OFFLINE": "1"}

Result = dict[str, Any]


def main() -> None:
    """Runs the program."""
    options = _options()
    if options.variant:
        _child(options)
        return
    with tempfile.TemporaryDirectory() as folder:
        results = _compare(options, Path(folder))
        print(_table(results))
        print(_ours(results))
        for precision in ("fp32", "auto"):
            told = _run(options, Path(folder), f"{EXACT}-{precision}")
            print(
                f"Gradient of the rows, {precision}: {told['difference']:.1e} from the plain loop's in fp32.",
                flush=True,
            )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", default=str(DEMO), help="a path, or sd15 [the demo checkpoint]")
    parser.add_argument("--variants", default=",".join(VARIANTS), help="some of them, the first to compare with")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, help="a round [21; for sd15 3]; the first of them is not counted")
    parser.add_argument("--batch-size", type=int, help="[4; for sd15 1]")
    parser.add_argument("--threads", type=int, help="of each process [all cores; one for ours if small]")
    for internal in ("--variant", "--work"):
        parser.add_argument(internal, help=argparse.SUPPRESS)
    parser.add_argument("--in-turns", action="store_true", help="change at every step: needs the memory of all")
    parser.add_argument("--began", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    small = options.checkpoint != "sd15"
    options.steps = options.steps or (21 if small else 3)
    options.batch_size = options.batch_size or (4 if small else 1)
    return options


def _compare(options: argparse.Namespace, folder: Path) -> dict[str, list[Result]]:
    """Runs every variant once a round; returns what each told."""
    if options.checkpoint == "sd15":
        path = folder / "random-sd15.safetensors"
        command = [sys.executable, "-m", "tools.random_checkpoint", "--family", "sd15", "--output", str(path)]
        subprocess.run(command, check=True, cwd=ROOT, env=_environment(options))
        options.checkpoint = str(path)
    names = options.variants.split(",")
    results: dict[str, list[Result]] = {name: [] for name in names}
    for number in range(options.rounds):
        for name, told in (_run_in_turns if options.in_turns else _run_in_a_row)(options, folder, names):
            results[name].append(told)
            print(
                f"round {number + 1}, {name}: {_seconds(told['cpu_seconds'])} CPU s a step", file=sys.stderr, flush=True
            )
    return results


def _run_in_a_row(options: argparse.Namespace, folder: Path, names: list[str]) -> Iterator[tuple[str, Result]]:
    for name in names:
        yield name, _run(options, folder, name)


def _run_in_turns(options: argparse.Namespace, folder: Path, names: list[str]) -> Iterator[tuple[str, Result]]:
    """Runs variants at once, of which one makes a step while the others wait."""
    running: dict[str, subprocess.Popen[str]] = {}
    with contextlib.ExitStack() as stack:
        for step in range(options.steps):
            for name in names:
                if step == 0:
                    work = stack.enter_context(tempfile.TemporaryDirectory(dir=folder))
                    running[name] = stack.enter_context(_start(options, name, work))
                _let(running[name], name)
        for name, process in running.items():
            printed, _ = process.communicate()
            yield name, _told(process, printed)


def _let(process: "subprocess.Popen[str]", name: str) -> None:
    """Lets a variant make one step."""
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    if not process.stdout.readline():
        raise SystemExit(f"{name} ended before its time, with {process.wait()}.")


def _told(process: "subprocess.Popen[str]", printed: str) -> Result:
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    told: Result = json.loads(printed.splitlines()[-1])
    return told


def _run(options: argparse.Namespace, folder: Path, name: str) -> Result:
    """Runs a variant in a process of its own."""
    with tempfile.TemporaryDirectory(dir=folder) as work, _start(options, name, work) as process:
        printed, _ = process.communicate()
        return _told(process, printed)


def _start(options: argparse.Namespace, name: str, work: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tools.benchmark_training", "--variant", name, "--work", work]
    command += ["--checkpoint", options.checkpoint, "--steps", str(options.steps)]
    command += ["--batch-size", str(options.batch_size), "--began", str(time.time())]
    command += ["--in-turns"] * options.in_turns
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, env=_environment(options), stdin=pipe, stdout=pipe, text=True)


def _environment(options: argparse.Namespace) -> dict[str, str]:
    path = os.pathsep.join(filter(None, (str(ROOT / "modules"), os.environ.get("PYTHONPATH", ""))))
    threads = {"OMP_NUM_THREADS": str(options.threads)} if options.threads else {}
    return {**os.environ, **ENVIRONMENT, **threads, "PYTHONPATH": path}


def _child(options: argparse.Namespace) -> None:
    """Runs one variant, and prints what it tells as one line of JSON."""
    from ti_studio.models.checkpoint.checkpoints import identify  # noqa: PLC0415
    from ti_studio.models.hardware import hardware_for, use_threads_for  # noqa: PLC0415
    from tools.training_benchmark.exactness import difference  # noqa: PLC0415

    work, checkpoint = Path(options.work), Path(options.checkpoint)
    info = identify(checkpoint)
    write_pictures(work / "pictures", info.default_size)
    (work / "job").mkdir()
    setting = Setting(checkpoint, work / "pictures", work / "job", TEMPLATE, options.steps, options.batch_size)
    if options.variant.startswith(EXACT):
        told: Result = {"difference": difference(setting, options.variant.removeprefix(f"{EXACT}-"))}
    else:
        turn = TurnOfMany() if options.in_turns else Turn()
        variant = VARIANTS[options.variant]
        if variant.loop == "ours":  # as the training process does
            use_threads_for(info, hardware_for(info, variant.precision))
        told = run_variant(variant, setting, options.began, turn)
    print(json.dumps(told))


def _table(results: dict[str, list[Result]]) -> str:
    """Returns the comparison as a Markdown table."""
    first = next(iter(results.values()))
    base = _median(first, "cpu_seconds"), first[0]["peak"]
    lines = ["| loop | seconds | CPU seconds | of the first | peak memory | of the first | first step after |"]
    lines.append("|---|---|---|---|---|---|---|")
    for name, told in results.items():
        cpu, peak = _median(told, "cpu_seconds"), max(one["peak"] for one in told)
        precision = f" ({told[0]['precision']})" if name.endswith("auto") else ""
        lines.append(
            f"| {name}{precision} | {_median(told, 'seconds'):.3g} | {cpu:.3g} | {cpu / base[0]:.2f} | "
            f"{peak / 2**30:.2f} GiB | {peak / base[1]:.2f} | {statistics.median(one['first'] for one in told):.0f} s |"
        )
    return "\n".join(lines)


def _ours(results: dict[str, list[Result]]) -> str:
    """Returns what is told of our own loop alone."""
    found = [(name, one) for name, told in results.items() for one in told if "state_bytes" in one]
    if not found:
        return ""
    largest = max(one["state_bytes"] for _, one in found)
    overhead = statistics.median(one["overhead"] for _, one in found)
    return f"Resume state: {largest:,} bytes. Outside of the models: {overhead:.1%} of a step."


def _median(told: list[Result], what: str) -> float:
    return statistics.median(value for one in told for value in one[what])


def _seconds(values: list[float]) -> str:
    return ", ".join(f"{value:.3g}" for value in values[:4]) + (", …" if len(values) > 4 else "")  # noqa: PLR2004


if __name__ == "__main__":
    main()
