"""Measures the library at thousands of embeddings, beside a loader that reads everything again, as A1111's does.

    python -m tools.benchmark_library                   # 10,000 files: two minutes, 300 MB of temporary files
    python -m tools.benchmark_library --files 1000

Each of the parts is a process of its own. What other work is going on at the same time makes the seconds by the clock
longer; the processor's seconds, in brackets, less so. `docs/library.md` holds the results.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tools.library_benchmark.files import write_library
from tools.library_benchmark.measures import MEASURES, Place

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = {"OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}

_MANY = 0.01
"""Seconds from which on nobody asks for fractions of a millisecond."""

Result = dict[str, Any]


def main() -> None:
    """Runs the program."""
    options = _options()
    if options.measure:
        words = json.loads((options.folder / "words.json").read_text())
        told = MEASURES[options.measure](Place(options.folder / "embeddings", options.folder / "cache", words))
        print(json.dumps(told))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        words = write_library(folder / "embeddings", options.files)
        (folder / "words.json").write_text(json.dumps(words))
        print(_table({measure: _run(folder, measure) for measure in MEASURES}, options.files))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--measure", choices=MEASURES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def _run(folder: Path, measure: str) -> Result:
    command = [sys.executable, "-m", "tools.benchmark_library", "--measure", measure, "--folder", str(folder)]
    environment = {**os.environ, **ENVIRONMENT, "PYTHONPATH": str(ROOT / "modules")}
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True)
    told: Result = json.loads(done.stdout)
    return told


def _table(told: dict[str, Result], files: int) -> str:
    first, again, prompts, plain = (told[measure] for measure in ("first", "again", "prompts", "plain"))
    rows = [
        ("first scan", _time(first["start"]), _time(plain["start"])),
        ("restart", _time(again["start"]), _time(plain["start"])),
        ("refresh, nothing changed", _time(again["unchanged"]), _time(plain["unchanged"])),
        ("refresh, one file changed", _time(again["changed"]), f"{_time(plain['changed'])}; in a subfolder: not seen"),
        ("finding the words of 300 tokens", _time(prompts["finding"]), _time(plain["finding"])),
        ("all of reading that prompt", _time(prompts["prompt"]), ""),
        ("the same for the first prompt", _time(prompts["first"]), ""),
        ("memory", _megabytes(first["memory"]), _megabytes(plain["memory"])),
        ("memory after a restart", _megabytes(again["memory"]), ""),
    ]
    lines = [f"| {files:,} files: wall (CPU) | ours | reads everything again |", "| --- | --- | --- |"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def _time(timing: dict[str, float]) -> str:
    wall, cpu = timing["wall"], timing["cpu"]
    return f"{wall:.2f} s ({cpu:.2f} s)" if wall >= 1 else f"{_milliseconds(wall)} ({_milliseconds(cpu)})"


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:.{0 if seconds > _MANY else 2}f} ms"


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.0f} MB"


if __name__ == "__main__":
    main()
