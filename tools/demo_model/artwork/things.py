"""Things and their views as latents: what the UNet is trained on.

    torchrun --nproc_per_node 2 -m tools.demo_model.artwork.things WORKFOLDER

A thing is an icon, the same icon in other colours, or a drawn figure. Two views of one thing differ in all but the
thing, so that a word made from one view and trained on the other can say nothing else. Latents are computed once: one
takes about ten milliseconds to draw and six to encode. Needs the sprites (`artwork`) and the autoencoder (`train_vae`).
"""

import argparse
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from diffusers import AutoencoderKL
from numpy.typing import NDArray

from tools.demo_model.artwork.autoencoder import latents_of
from tools.demo_model.artwork.icons import Icon, Sprite, load_icons
from tools.demo_model.artwork.views import SIDE, colour_table, lab, random_view, recoloured, show
from tools.demo_model.drawing import Pixels, Scene, draw
from tools.demo_model.palette import COLOURS
from tools.demo_model.parallel import Team, join_team, leave_team
from tools.demo_model.scenes import random_scene
from tools.demo_model.vocabulary import Vocabulary, load_vocabulary

SEED = 3
RICH_SETS = frozenset(
    "noto noto-v1 fxemoji fluent-emoji fluent-emoji-flat fluent-color streamline-emojis streamline-kameleon-color"
    " streamline-plump-color streamline-ultimate-color streamline-stickies-color flat-ui marketeq material-icon-theme"
    " vscode-icons".split()
)
"""Sets of which more views are made: things with shapes and colours. The others are mostly companies' marks."""
OWN_VIEWS, TWIN_VIEWS = 3, 2
DRAWN_THINGS, DRAWN_VIEWS = 9_000, 2
SOLID = 200
"""The alpha, of 255, from which a pixel counts as the figure's."""
DOMINANT = 0.45
"""The part of a figure that one of the twelve colours must cover to be its colour."""
CHUNK = 256
LEAST_OCCURRENCES = 3
"""How often a word must occur among the names to be learnt."""


@dataclass(frozen=True)
class Thing:
    """What several views have in common. `name` and `colour` are words, where there are any."""

    icon: int | None = None
    twin: bool = False
    name: str | None = None
    colour: str | None = None
    scenes: tuple[Scene, ...] = ()
    """A drawn figure's scenes, one a view."""


@dataclass(frozen=True)
class Shown:
    """One picture of the training: which thing it shows, how, and what stands behind it."""

    thing: int
    size: str | None = None
    place: str | None = None
    background: str | None = None
    scene: int | None = None
    """For a drawn thing the number of its scene."""


@dataclass(frozen=True)
class Lessons:
    """Latents float16 [n, 4, 16, 16], what each shows, and the things; `views[k]` lists the pictures of thing k."""

    latents: NDArray[np.float16]
    shown: Sequence[Shown]
    things: Sequence[Thing]
    views: Sequence[NDArray[np.int64]]


def plan(icons: Sequence[Icon]) -> list[tuple[int, bool]]:
    """The artwork's things as pairs (icon, twin) in a shuffled order that depends on the icons alone."""
    pairs = [(k, False) for k in range(len(icons))] + [
        (k, True) for k, icon in enumerate(icons) if icon.set in RICH_SETS
    ]
    return [pairs[k] for k in np.random.default_rng(SEED).permutation(len(pairs))]


def drawn_thing(number: int) -> Thing:
    """A figure of the drawn world in several scenes."""
    rng = np.random.default_rng([SEED, 7, number])
    first = random_scene(rng)
    others = [random_scene(rng) for _ in range(DRAWN_VIEWS - 1)]
    again = [replace(s, figure=first.figure, companion=first.companion, style=first.style) for s in others]
    if first.companion is not None:
        again = [replace(s, size=None, place=None) for s in again]
    return Thing(scenes=(first, *again))


def dominant_colour(sprite: Sprite) -> str | None:
    """The one of the twelve colours that covers most of the figure, if it covers enough."""
    pixels = sprite[::4, ::4].reshape(-1, 4)
    solid = pixels[pixels[:, 3] > SOLID][:, :3]
    table = np.stack([colour_table()[name] for name in COLOURS])
    nearest = np.linalg.norm(lab(solid.astype(float))[:, None] - table, axis=-1).argmin(axis=1)
    counts = np.bincount(nearest, minlength=len(COLOURS)) / max(len(solid), 1)
    return tuple(COLOURS)[int(counts.argmax())] if counts.max() > DOMINANT else None


Drawn = tuple[Pixels, Thing, list[Shown]]


def draw_artwork(number: int, pair: tuple[int, bool], icons: Sequence[Icon], sprites: Sprite) -> Drawn:
    """The views of one artwork thing: pixels uint8 [views, 128, 128, 3] and what they show."""
    icon, twin = pair
    rng = np.random.default_rng([SEED, 11, icon, int(twin)])
    sprite = np.array(sprites[icon])
    sprite = recoloured(sprite, int(rng.integers(2**31))) if twin else sprite
    colour, words = dominant_colour(sprite), icons[icon].words
    thing = Thing(icon, twin, words, colour)
    count = TWIN_VIEWS if twin else OWN_VIEWS if icons[icon].set in RICH_SETS else TWIN_VIEWS
    chosen = [random_view(number, rng) for _ in range(count)]
    seen = [show(sprite, view) for view in chosen]
    shown = [Shown(number, view.size, view.place, s.background) for view, s in zip(chosen, seen, strict=True)]
    return np.stack([s.pixels for s in seen]), thing, shown


def draw_figure(number: int, place: int) -> Drawn:
    """The views of one drawn thing."""
    thing = drawn_thing(place)
    pixels = np.stack([draw(scene, SIDE) for scene in thing.scenes])
    return pixels, thing, [Shown(number, scene=k) for k in range(len(thing.scenes))]


def compute(folder: Path, team: Team) -> None:
    """Draws and encodes this process's share of the things, chunk by chunk; finished chunks are kept."""
    icons, sprites = load_icons(folder)
    pairs = plan(icons)
    total = len(pairs) + DRAWN_THINGS
    vae = AutoencoderKL.from_pretrained(folder / "vae", local_files_only=True)
    parts = folder / "latents"
    parts.mkdir(exist_ok=True)
    # Drawn things stand between the others, so that the first chunks are a fair sample of all.
    order = np.random.default_rng(SEED + 1).permutation(total)
    starts = range(0, total, CHUNK)
    for start in list(starts)[team.rank :: team.size]:
        path = parts / f"{start:06d}.npz"
        if not path.exists():
            drawn = [
                draw_artwork(int(n), pairs[n], icons, sprites)
                if n < len(pairs)
                else draw_figure(int(n), int(n) - len(pairs))
                for n in order[start : start + CHUNK]
            ]
            _write(path, vae, drawn)
        if team.leads:
            print(f"things: {start + CHUNK} of {total}", flush=True)


def _write(path: Path, vae: AutoencoderKL, drawn: Sequence[Drawn]) -> None:
    shown = [asdict(s) for _, _, some in drawn for s in some]
    things = [{"icon": t.icon, "twin": t.twin, "name": t.name, "colour": t.colour} for _, t, _ in drawn]
    words = np.frombuffer(json.dumps({"shown": shown, "things": things}).encode(), np.uint8)
    with open(path.with_suffix(".tmp"), "wb") as file:
        np.savez(file, latents=latents_of(vae, np.concatenate([pixels for pixels, _, _ in drawn])), words=words)
    os.replace(path.with_suffix(".tmp"), path)


def load_lessons(folder: Path) -> Lessons:
    """Everything that has been computed so far."""
    icons, _ = load_icons(folder)
    artwork = len(plan(icons))
    latents, shown, things = [], [], []
    for path in sorted((folder / "latents").glob("*.npz")):
        with np.load(path) as part:
            latents.append(part["latents"])
            words = json.loads(bytes(part["words"]))
        numbers = [s["thing"] for s in words["shown"]]
        places = {number: len(things) + k for k, number in enumerate(dict.fromkeys(numbers))}
        for number, entry in zip(places, words["things"], strict=True):
            things.append(drawn_thing(number - artwork) if number >= artwork else Thing(**entry))
        shown += [Shown(**{**s, "thing": places[s["thing"]]}) for s in words["shown"]]
    views: list[list[int]] = [[] for _ in things]
    for k, s in enumerate(shown):
        views[s.thing].append(k)
    return Lessons(np.concatenate(latents), shown, things, [np.array(v) for v in views])


def words_of(icons: Sequence[Icon]) -> Iterator[str]:
    """The words of names and backgrounds: those of names as often as they occur."""
    for icon in icons:
        yield from (icon.words or "").split()
    for name in colour_table():
        yield from name.split() * LEAST_OCCURRENCES
    yield from ("gradient", "background") * LEAST_OCCURRENCES


def vocabulary_of(folder: Path) -> Vocabulary:
    """The words of the drawn world, and those that occur often enough among names and backgrounds."""
    counted = Counter(words_of(load_icons(folder)[0]))
    return load_vocabulary(folder / "tokenizer", (w for w, n in counted.items() if n >= LEAST_OCCURRENCES))


def main() -> None:
    """Computes the latents."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    team = join_team()
    compute(options.folder, team)
    leave_team(team)


if __name__ == "__main__":
    main()
