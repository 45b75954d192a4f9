"""Measures words for how things are shown: a style in the prompt, and what is spoilt in the negative prompt.

    python tools/measure_style.py CONCEPTS --runs outputs/style --grid docs/images

CONCEPTS has a folder for each thing, with `held/` pictures of it. A word is taught by the preset `style` from ten
pictures of ten different things in one manner (outlines, coarse squares, one palette), whose files say what they show.
Then eight other things are painted without the word and with it. Printed are how often

  judge     a judge of the manner is right on true pictures of other things
  without   pictures without the word are taken for the manner
  with      pictures with the word are
  thing     pictures with the word still show the thing that was asked for (of eight; chance is 12 %)

And a word is taught by the preset `negative` from ten spoilt pictures; printed is how much nearer to clean pictures
than to spoilt ones the painted ones are, without the word and with it in the negative prompt. What is done is not done
again.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))  # started as a file, Python looks for modules beside it only

from ti_studio.embeddings.embedding import Embedding  # noqa: E402
from ti_studio.embeddings.formats.files import read_embedding  # noqa: E402
from ti_studio.training.config.presets import filled, presets_for  # noqa: E402
from tools.demo_model.artwork.manners import kind_of  # noqa: E402
from tools.demo_model.drawing import Pixels  # noqa: E402
from tools.learning.studio import Studio  # noqa: E402
from tools.learning.styles import WORD, cleanness, judge, kept, paint_all, pictures_of, sheet, teach  # noqa: E402

DEMO_CHECKPOINT = ROOT / "models" / "Stable-diffusion" / "demo"
STYLES, SPOILT = (900_008, 900_002, 900_000), (900_005, 900_013, 900_004)
"""Seeds of manners that the checkpoint was not trained on: outlines, squares, a palette; and blurred, broken, wrong
colours."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Reads the command line, teaches, paints, judges; returns the exit status."""
    options = parser().parse_args(arguments)
    names = sorted(folder.name for folder in options.concepts.iterdir() if (folder / "held").is_dir())
    studio = Studio(options.ckpt)
    half = len(names) // 2
    taught, others = (pictures_of(options.concepts, some, studio.native_side) for some in (names[:half], names[half:]))
    print("| style | judge | without | with | thing |\n|---|--:|--:|--:|--:|")
    for seed in options.styles:
        folder = options.runs / f"style-{seed}"
        word = taught_word(studio, taught, seed, folder, _given(studio, "style", options.steps))
        paint_all(studio, folder / "without", None, options.pictures)
        paint_all(studio, folder / "with", word, options.pictures)
        shares = judge(folder, seed, taught, others)
        kept(folder / "shares.json", asdict(shares))
        figures = (shares.judge, shares.without, shares.manner, shares.thing)
        print(f"| {kind_of(seed)} | {' | '.join(f'{share:.0%}' for share in figures)} |")
        _draw(options.grid, f"style-{seed}", folder, ("without", "with"))
    print("\n| spoilt | cleaner than spoilt: without | with | same thing |\n|---|--:|--:|--:|")
    for seed in options.spoilt:
        folder = options.runs / f"spoilt-{seed}"
        word = taught_word(studio, taught, seed, folder, _given(studio, "negative", options.steps))
        paint_all(studio, folder / "without", None, options.pictures)
        paint_all(studio, folder / "negative", word, options.pictures, negative=True)
        without, negative, same = cleanness(folder, seed, taught)
        kept(folder / "shares.json", {"without": without, "negative": negative, "same": same})
        print(f"| {kind_of(seed)} | {without:.3f} | {negative:.3f} | {same:.0%} |")
        _draw(options.grid, f"spoilt-{seed}", folder, ("without", "negative"))
    return 0


def taught_word(
    studio: Studio, pictures: dict[str, Pixels], seed: int, folder: Path, given: dict[str, Any]
) -> Embedding:
    """Teaches the word, or reads it where it has been taught."""
    path = folder / "job" / f"{WORD}.safetensors"
    return read_embedding(path) if path.exists() else teach(studio, pictures, seed, folder, given)


def _given(studio: Studio, preset: str, steps: int | None) -> dict[str, Any]:
    asked = {} if steps is None else {"max_steps": steps, "validation_every": 0}
    return filled(preset, asked, presets_for(studio.model.info))


def _draw(grid: Path | None, name: str, folder: Path, ways: Sequence[str]) -> None:
    if grid is not None:
        grid.mkdir(parents=True, exist_ok=True)
        sheet(folder, ways, 128).save(grid / f"{name}.png")


def parser() -> argparse.ArgumentParser:
    """Describes the command line."""
    described = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    described.add_argument("concepts", type=Path)
    described.add_argument("--runs", type=Path, required=True, help="folder for words, pictures and figures")
    described.add_argument("--ckpt", type=Path, default=DEMO_CHECKPOINT, help="the checkpoint's folder")
    described.add_argument("--styles", type=int, nargs="*", default=STYLES, help="seeds of manners")
    described.add_argument("--spoilt", type=int, nargs="*", default=SPOILT, help="seeds of spoilt manners")
    described.add_argument("--steps", type=int, help="of each training, in place of the preset's")
    described.add_argument("--pictures", type=int, default=4, help="of each thing (default: 4)")
    described.add_argument("--grid", type=Path, help="folder for a sheet of each word's pictures")
    return described


if __name__ == "__main__":
    sys.exit(main())
