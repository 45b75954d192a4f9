"""Sprites as one small archive, so that the training can go where a GPU is and npm is not.

    python -m tools.demo_model.artwork.packing pack WORKFOLDER sprites.zip
    python -m tools.demo_model.artwork.packing unpack sprites.zip WORKFOLDER

An archive holds sheets of 8 x 8 sprites as AVIF, lossy, and the icons' names: 1.5 GB become less than 30 MB.
"""

import argparse
import io
import os
import zipfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from tools.demo_model.artwork.icons import SPRITE, Sprite, load_icons

COLUMNS = 8
QUALITY = 36
"""AVIF's, 0 to 100: the sprites come back at 33 dB."""


def pack(folder: Path, archive: Path) -> None:
    """Writes the archive of a work folder's sprites."""
    icons, _ = load_icons(folder)
    starts = range(0, len(icons), COLUMNS**2)
    unfinished = archive.with_suffix(".tmp")
    with zipfile.ZipFile(unfinished, "w") as file, ProcessPoolExecutor() as pool:
        file.write(folder / "icons.json", "icons.json", zipfile.ZIP_DEFLATED)
        for start, content in zip(starts, pool.map(_sheet, [(folder, start) for start in starts]), strict=True):
            file.writestr(f"{start:06d}.avif", content)
    os.replace(unfinished, archive)


def _sheet(task: tuple[Path, int]) -> bytes:
    folder, start = task
    sprites = load_icons(folder)[1][start : start + COLUMNS**2]
    board = np.zeros((COLUMNS**2, SPRITE, SPRITE, 4), np.uint8)
    board[: len(sprites)] = sprites
    board[board[..., 3] == 0] = 0  # what nobody sees costs nothing
    grid = board.reshape(COLUMNS, COLUMNS, SPRITE, SPRITE, 4).swapaxes(1, 2)
    content = io.BytesIO()
    Image.fromarray(grid.reshape(COLUMNS * SPRITE, COLUMNS * SPRITE, 4)).save(content, "AVIF", quality=QUALITY, speed=8)
    return content.getvalue()


def unpack(archive: Path, folder: Path) -> None:
    """Writes `sprites.npy` and `icons.json` to the work folder; nothing is done where both are there."""
    if (folder / "icons.json").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive) as file:
        names = sorted(name for name in file.namelist() if name.endswith(".avif"))
        sprites = np.concatenate(list(_sprites(file, names)))
        icons = file.read("icons.json")
    (folder / "icons.tmp").write_bytes(icons)
    count = icons.count(b'"set"')
    np.save(folder / "sprites.tmp.npy", sprites[:count])
    os.replace(folder / "sprites.tmp.npy", folder / "sprites.npy")
    os.replace(folder / "icons.tmp", folder / "icons.json")


def _sprites(file: zipfile.ZipFile, names: list[str]) -> Iterator[Sprite]:
    for name in names:
        board = np.asarray(Image.open(io.BytesIO(file.read(name))).convert("RGBA"))
        grid = board.reshape(COLUMNS, SPRITE, COLUMNS, SPRITE, 4).swapaxes(1, 2)
        yield grid.reshape(COLUMNS**2, SPRITE, SPRITE, 4)


def main() -> None:
    """Reads the command line and packs or unpacks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("pack", "unpack"))
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    options = parser.parse_args()
    {"pack": pack, "unpack": unpack}[options.step](options.source, options.target)


if __name__ == "__main__":
    main()
