"""Makes a library of many embeddings, for benchmarks and screenshots: nested folders, previews, cards beside them.

    python tools/large_library.py FOLDER --count 10000

The embeddings are random rows of the demo checkpoint's width; a few fit no checkpoint of its family.
"""

import argparse
import colorsys
import json
import os
import random
from pathlib import Path

import torch
from PIL import Image, ImageDraw

from ti_studio.embeddings.embedding import Embedding
from ti_studio.embeddings.formats.files import write_embedding

THINGS = "fox owl cat dog elk hare newt crab wren swan mole toad lynx ibis moth pike seal boar".split()
LOOKS = "amber azure coral ivory olive indigo scarlet teal violet umber ochre lime".split()
PLACES = "forest harbour market attic meadow canyon glacier orchard".split()
KINDS = ("characters", "styles", "places", "objects", "negative", "tests")
PREVIEW_SIDE = 384
DATED_DAYS = 900


def main() -> None:
    """Makes the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=10_000)
    options = parser.parse_args()
    draw = random.Random(3)
    pictures = [_picture(number, options.folder) for number in range(60)]
    for number in range(options.count):
        _make(options.folder, number, draw, pictures)
    print(f"{options.count} embeddings in {options.folder}")


def _make(root: Path, number: int, draw: random.Random, pictures: list[bytes]) -> None:
    look, thing, place = draw.choice(LOOKS), draw.choice(THINGS), draw.choice(PLACES)
    kind = draw.choice(KINDS)
    folder = root / kind / place / (look if number % 3 else "")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{look}-{thing}-{number}.safetensors"
    width = 768 if number % 17 == 0 else 96
    rows = torch.randn(1 + number % 4, width, generator=torch.Generator().manual_seed(number)) * 0.3
    write_embedding(Embedding(path.stem, {"clip_l": rows}, 100 * (number % 30)), path)
    if number % 5:
        path.with_name(f"{path.stem}.preview.png").write_bytes(pictures[number % len(pictures)])
    if number % 2:
        article = "An" if look[0] in "aeiou" else "A"
        written = {
            "description": f"{article} {look} {thing} in the {place}, drawn in flat colours. " * (1 + number % 3),
            "tags": [look, thing, place],
            "preferred weight": [0, 0.8, 1.1][number % 3],
            "negative text": path.stem if kind == "negative" else "",
        }
        path.with_suffix(".json").write_text(json.dumps(written))
    when = 1_760_000_000 - draw.randrange(DATED_DAYS * 86_400)
    os.utime(path, (when, when))


def _picture(number: int, root: Path) -> bytes:
    """Returns a drawing as PNG."""
    root.mkdir(parents=True, exist_ok=True)
    hue = number / 60
    ground, shape = (tuple(int(255 * part) for part in colorsys.hsv_to_rgb(*hsv)) for hsv in _colours(hue))
    image = Image.new("RGB", (PREVIEW_SIDE, PREVIEW_SIDE), ground)
    pen, middle, reach = ImageDraw.Draw(image), PREVIEW_SIDE // 2, 60 + number
    corners = 3 + number % 6
    pen.regular_polygon((middle, middle, reach), corners, rotation=number * 7, fill=shape, outline="white", width=6)
    path = root / "picture.tmp"
    image.save(path, "PNG")
    content = path.read_bytes()
    path.unlink()
    return content


def _colours(hue: float) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    return (hue, 0.35, 0.9), ((hue + 0.45) % 1, 0.75, 0.75)


if __name__ == "__main__":
    main()
