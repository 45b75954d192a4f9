"""Openly licensed artwork: icon sets of npm, as transparent sprites with the words of their names.

    npm install @iconify-json/noto @iconify-json/fluent-emoji ...      # the sets of SETS, in some folder
    python -m tools.demo_model.artwork.icons WORKFOLDER --packages FOLDER/node_modules/@iconify-json

Needs PyPI's `resvg-py`. An icon takes between 3 and 30 milliseconds of one core; 18,738 of them, three minutes on two.
Sets from which the tests' folders were made (`twemoji`, `openmoji`, `emojione*`, `flat-color-icons`) are never read.
"""

import argparse
import io
import json
import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SPRITE = 144
"""Pixels on each side of a sprite: enough for a figure that fills a picture of 128."""
SETS = {
    "noto": "Apache-2.0",
    "noto-v1": "Apache-2.0",
    "fxemoji": "Apache-2.0",
    "fluent-emoji": "MIT",
    "fluent-emoji-flat": "MIT",
    "fluent-color": "MIT",
    "vscode-icons": "MIT",
    "material-icon-theme": "MIT",
    "devicon": "MIT",
    "skill-icons": "MIT",
    "circle-flags": "MIT",
    "flat-ui": "MIT",
    "marketeq": "MIT",
    "logos": "CC0-1.0",
    "cryptocurrency-color": "CC0-1.0",
    "streamline-emojis": "CC-BY-4.0",
    "streamline-ultimate-color": "CC-BY-4.0",
    "streamline-kameleon-color": "CC-BY-4.0",
    "streamline-plump-color": "CC-BY-4.0",
    "streamline-freehand-color": "CC-BY-4.0",
    "streamline-stickies-color": "CC-BY-4.0",
}
"""The sets that are read, and the licence that each has; another licence in the package stops the build."""
NAMED_SETS = (
    "noto", "noto-v1", "fxemoji", "fluent-emoji", "fluent-emoji-flat", "streamline-emojis", "streamline-kameleon-color"
)  # fmt: skip
"""Sets whose names say what is seen. A file type's or a company's name does not."""
LEFT_OUT = re.compile(
    r"skin-tone|(^|-)(light|medium|dark)-?(light|medium|dark)?-skin|-skin|keycap|^flag-|-flag-|letter|^regional|"
    r"^(man|woman|person|people|men|women|boy|girl|family|couple|kiss|mrs|mx)-|-(man|woman|men|women|boy|girl)s?(-|$)|"
    r"button|^\d|^input-|^clock?\d|o-?clock|thirty$|medium-light|medium-dark"
)
"""Names of letters, flags of countries and the many twins of people in other skin colours."""
VISIBLE, SOLID = 8, 128
"""Alphas, of 255, above which a pixel is seen, and covers what is behind it."""
LEAST_OPAQUE = 0.04
"""The least part of a sprite that must be covered."""

Sprite = NDArray[np.uint8]


@dataclass(frozen=True)
class Icon:
    """One icon of a set. `words` are what its name says, where the name says what is seen."""

    set: str
    name: str
    words: str | None


def icons_of(package: Path) -> list[tuple[Icon, str]]:
    """The icons of one npm package, each with its SVG.

    Raises:
        ValueError: the package has another licence than SETS says.
    """
    name = package.name
    licence = json.loads((package / "info.json").read_text(encoding="utf-8"))["license"]["spdx"]
    if licence != SETS[name]:
        raise ValueError(f"{package}: the licence is {licence}; expected {SETS[name]}")
    content = json.loads((package / "icons.json").read_text(encoding="utf-8"))
    found = []
    for key, icon in sorted(content["icons"].items()):
        if not icon.get("hidden") and not LEFT_OUT.search(key):
            words = key.replace("-", " ") if name in NAMED_SETS else None
            found.append((Icon(name, key, words), _svg(icon, content)))
    return found


def _svg(icon: dict[str, Any], defaults: dict[str, Any]) -> str:
    width, height = (icon.get(side, defaults.get(side, 16)) for side in ("width", "height"))
    corner = f"{icon.get('left', 0)} {icon.get('top', 0)}"
    head = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f'<svg {head} width="{width}" height="{height}" viewBox="{corner} {width} {height}">{icon["body"]}</svg>'


def rendered(svg: str) -> Sprite | None:
    """The SVG as uint8 RGBA [144, 144, 4], cut to what is visible, centred; None where next to nothing is seen."""
    import resvg_py  # noqa: PLC0415  # nothing but the rendering needs it

    try:
        png = resvg_py.svg_to_bytes(svg_string=svg, width=2 * SPRITE, skip_system_fonts=True)
    except ValueError:
        return None
    image = Image.open(io.BytesIO(bytes(png))).convert("RGBA")
    box = image.getchannel("A").point(lambda alpha: 255 if alpha > VISIBLE else 0).getbbox()
    if box is None:
        return None
    image = image.crop(box)
    image.thumbnail((SPRITE, SPRITE), Image.Resampling.LANCZOS)
    sprite = Image.new("RGBA", (SPRITE, SPRITE))
    sprite.paste(image, ((SPRITE - image.width) // 2, (SPRITE - image.height) // 2))
    pixels = np.asarray(sprite)
    return pixels if (pixels[..., 3] > SOLID).mean() >= LEAST_OPAQUE else None


def render_all(packages: Path, folder: Path) -> None:
    """Writes `sprites.npy` uint8 [n, 144, 144, 4] and `icons.json`; nothing is done where both are there."""
    if (folder / "icons.json").exists():
        return
    sources = [pair for name in SETS for pair in icons_of(packages / name)]
    with ProcessPoolExecutor() as pool:
        drawn = pool.map(rendered, [svg for _, svg in sources], chunksize=64)
        kept = list(_distinct(zip((icon for icon, _ in sources), drawn, strict=True)))
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "sprites.tmp.npy", np.stack([sprite for _, sprite in kept]))
    os.replace(folder / "sprites.tmp.npy", folder / "sprites.npy")
    text = json.dumps([asdict(icon) for icon, _ in kept])
    (folder / "icons.tmp").write_text(text, encoding="utf-8")
    os.replace(folder / "icons.tmp", folder / "icons.json")


def _distinct(pairs: Iterator[tuple[Icon, Sprite | None]]) -> Iterator[tuple[Icon, Sprite]]:
    """Leaves out what was not drawn, and what another name had drawn before."""
    seen: set[bytes] = set()
    for icon, sprite in pairs:
        if sprite is not None and (key := sprite[::4, ::4].tobytes()) not in seen:
            seen.add(key)
            yield icon, sprite


def load_icons(folder: Path) -> tuple[list[Icon], Sprite]:
    """The icons and their sprites, memory-mapped uint8 [n, 144, 144, 4]."""
    icons = [Icon(**entry) for entry in json.loads((folder / "icons.json").read_text(encoding="utf-8"))]
    return icons, np.load(folder / "sprites.npy", mmap_mode="r")


def main(arguments: Sequence[str] | None = None) -> None:
    """Reads the command line and renders."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--packages", type=Path, required=True, help="npm's folder of @iconify-json packages")
    options = parser.parse_args(arguments)
    render_all(options.packages, options.folder)
    print(f"{len(load_icons(options.folder)[0]):,} icons")


if __name__ == "__main__":
    main()
