"""Draws the training pictures once and keeps them in a file.

    python -m tools.demo_model.pictures WORKFOLDER --count 20000

A picture takes about five milliseconds of one core.
"""

import argparse
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from tools.demo_model.drawing import PICTURE, Pixels, Scene, draw
from tools.demo_model.scenes import random_scenes

TRAINING_SEED = 1
HELD_OUT_SEED = 2


def drawn(folder: Path, count: int, processes: int | None = None) -> Pixels:
    """The training pictures as a memory-mapped uint8 array [count, 64, 64, 3]; drawn on the first call."""
    path = folder / f"pictures-{count}.npy"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".tmp.npy")
        np.save(unfinished, draw_all(random_scenes(count, TRAINING_SEED), processes))
        os.replace(unfinished, path)
    return np.load(path, mmap_mode="r")


def draw_all(scenes: list[Scene], processes: int | None = None) -> Pixels:
    """Draws many scenes, uint8 [n, 64, 64, 3], on all cores."""
    pictures = np.empty((len(scenes), PICTURE, PICTURE, 3), dtype=np.uint8)
    with ProcessPoolExecutor(processes) as pool:
        for place, pixels in enumerate(pool.map(draw, scenes, chunksize=100)):
            pictures[place] = pixels
    return pictures


def held_out(count: int, side: int = PICTURE) -> Pixels:
    """Pictures that no training has seen, uint8 [count, side, side, 3]."""
    return np.stack([draw(scene, side) for scene in random_scenes(count, HELD_OUT_SEED)])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=20_000)
    options = parser.parse_args()
    drawn(options.folder, options.count)
