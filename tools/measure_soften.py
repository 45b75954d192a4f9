"""Measures what softening a word gains and costs: prompts obeyed against likeness lost.

    python tools/measure_soften.py CONCEPTS --runs outputs/lineup --curve docs/images/soften.png

Takes the words that tools/measure_lineup.py has taught in --runs, softens each towards its initialization text by
several strengths, and paints the thing alone and before three backgrounds. Printed for each strength are the mean
shares of pictures that are the right thing, first and among three, and of those that have the background. What is
painted is kept.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))  # started as a file, Python looks for modules beside it only

from ti_studio.embeddings.formats.files import read_embedding  # noqa: E402
from ti_studio.embeddings.softening import METHODS, Softening, softened  # noqa: E402
from ti_studio.training.output.initialization import initial_embedding  # noqa: E402
from tools.learning.lineup import Lineup  # noqa: E402
from tools.learning.strangers import Plan, judged, paint_all  # noqa: E402
from tools.learning.studio import Studio  # noqa: E402

DEMO_CHECKPOINT = ROOT / "models" / "Stable-diffusion" / "demo"
DONE = "painted"
"""The file that says that all of a thing's pictures are there: a run can be ended at any moment."""
STRENGTHS = (0.0, 0.2, 0.4, 0.6, 0.8)
WIDTH, HEIGHT, MARGIN = 480, 320, 40
LINES = {"first": "#1f77b4", "in 3": "#ff7f0e", "obeyed": "#2ca02c"}

Shares = tuple[float, float, float]


def main(arguments: Sequence[str] | None = None) -> int:
    """Reads the command line, softens, paints, judges; returns the exit status."""
    options = parser().parse_args(arguments)
    studio, lineup = Studio(options.ckpt), Lineup(options.concepts)
    plan = Plan(options.ckpt, options.runs, "", {}, options.pictures)
    names = sorted(path.name for path in (options.runs / "seed 0").iterdir())
    means: dict[float, Shares] = {}
    print("| strength | first | in 3 | obeyed |\n|--:|--:|--:|--:|")
    for strength in options.strengths:
        softening = Softening(strength, strength, options.method)
        folders = [paint(studio, plan, options.concepts / name, softening) for name in names]
        first, three, obeyed = np.mean([judged(lineup, folder).shares for folder in folders], axis=0)
        means[strength] = (float(first), float(three), float(obeyed))
        print(f"| {strength:g} | {first:.1%} | {three:.1%} | {obeyed:.1%} |", flush=True)
    if options.curve is not None:
        options.curve.parent.mkdir(parents=True, exist_ok=True)
        curve(means).save(options.curve)
    return 0


def paint(studio: Studio, plan: Plan, concept: Path, softening: Softening) -> Path:
    """Softens a thing's word and paints it, unless that is done; returns the folder of its pictures."""
    folder = plan.runs / f"softened {softening.method} {softening.norm:g}" / concept.name
    if not (folder / DONE).exists():
        word = read_embedding(plan.runs / "jobs" / f"{concept.name}-0" / f"my-{concept.name}.safetensors")
        text = (concept / "init.txt").read_text(encoding="utf-8").strip()
        towards = initial_embedding(text, tuple(studio.model.encoders), text, word.vectors_per_token)
        paint_all(studio, plan, folder, word.name, softened(word.name, word, towards, softening))
        (folder / DONE).touch()
    return folder


def curve(means: Mapping[float, Shares]) -> Image.Image:
    """The shares, 0 to 1 from bottom to top, over the strength from left to right."""
    board = Image.new("RGB", (WIDTH, HEIGHT), "white")
    draw = ImageDraw.Draw(board)

    def place(strength: float, share: float) -> tuple[float, float]:
        return MARGIN + strength * (WIDTH - 2 * MARGIN), HEIGHT - MARGIN - share * (HEIGHT - 2 * MARGIN)

    for share in (0, 0.25, 0.5, 0.75, 1):
        draw.line((*place(0, share), *place(1, share)), "#dddddd")
        draw.text((6, place(0, share)[1] - 5), f"{share:.0%}", "#666666")
    for number, (name, colour) in enumerate(LINES.items()):
        points = [place(strength, shares[number]) for strength, shares in means.items()]
        draw.line(points, colour, width=2)
        for x, y in points:
            draw.ellipse((x - 3, y - 3, x + 3, y + 3), fill=colour)
        draw.text((MARGIN + number * 80, 10), name, colour)
    for strength in means:
        draw.text((place(strength, 0)[0] - 6, HEIGHT - MARGIN + 8), f"{strength:g}", "#666666")
    return board


def parser() -> argparse.ArgumentParser:
    """Describes the command line."""
    described = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    described.add_argument("concepts", type=Path)
    described.add_argument("--runs", type=Path, required=True, help="the folder that measure_lineup.py worked in")
    described.add_argument("--ckpt", type=Path, default=DEMO_CHECKPOINT, help="the checkpoint's folder")
    described.add_argument("--strengths", type=float, nargs="+", default=STRENGTHS)
    described.add_argument("--method", choices=METHODS, default="adjust")
    described.add_argument("--pictures", type=int, default=4, help="of each prompt (default: 4)")
    described.add_argument("--curve", type=Path, help="PNG to draw the shares to")
    return described


if __name__ == "__main__":
    sys.exit(main())
