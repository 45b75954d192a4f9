"""Things and their views: what text model and UNet are trained on.

    torchrun --nproc_per_node 2 -m tools.demo_model.artwork.things WORKFOLDER draw
    torchrun --nproc_per_node 2 -m tools.demo_model.artwork.things WORKFOLDER encode

A thing is an icon, the same icon in other colours, or a drawn figure. Two views of one thing differ in all but the
thing, so that a word made from one view and trained on the other can say nothing else. Views are drawn once (about ten
milliseconds each) and kept, so that another autoencoder can encode them anew (six each). Drawing needs the sprites
(`icons`), encoding the autoencoder (`autoencoder`).
"""

import argparse
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from PIL import Image

from tools.demo_model.artwork.autoencoder import latents_of
from tools.demo_model.artwork.icons import Icon, Sprite, load_icons
from tools.demo_model.artwork.manners import in_manner
from tools.demo_model.artwork.views import SIDE, colour_table, lab, premultiplied, random_view, recoloured, show
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
MANNERS, MANNER_VIEWS = 2_500, 4
CHUNK = 256
THUMB = 32
"""Pixels on each side of a view's thumbnail, and of a thing by itself."""
WORDMARK_ASPECT = 1.8
"""A logo wider than this is a company's name in letters, which nobody asks a picture for."""
MANNER_WORDS = (",", "art", "by", "style")
"""What stands before the name of a manner: "a picture of a house , art by my-style"."""
LEAST_OCCURRENCES = 3
"""How often a word must occur among the names to be learnt."""


@dataclass(frozen=True)
class Thing:
    """What several views have in common: a thing or a manner. `name` and `colour` are words, where there are any."""

    icon: int | None = None
    twin: bool = False
    name: str | None = None
    colour: str | None = None
    scenes: tuple[Scene, ...] = ()
    """A drawn figure's scenes, one a view."""
    manner: int | None = None
    """The seed of a manner, in which the views show different things."""


@dataclass(frozen=True)
class Shown:
    """One picture of the training: which thing it shows, how, and what stands behind it."""

    thing: int
    size: str | None = None
    place: str | None = None
    background: str | None = None
    scene: int | None = None
    """For a drawn thing the number of its scene."""
    subject: str | None = None
    """For a manner the name of what is shown in it."""


@dataclass(frozen=True)
class Lessons:
    """n views of m things; `views[k]` lists the numbers of thing k's."""

    thumbs: Pixels
    """The views, uint8 [n, 32, 32, 3]."""
    alone: Pixels
    """The things by themselves, uint8 RGBA with premultiplied alpha [m, 32, 32, 4]; of drawn figures all zero."""
    shown: Sequence[Shown]
    things: Sequence[Thing]
    views: Sequence[NDArray[np.int64]]
    latents: NDArray[np.float16] | None = None
    """The views' latents [n, 4, 16, 16], where an autoencoder has encoded them."""


def plan(icons: Sequence[Icon], sprites: Sprite) -> list[tuple[int, bool]]:
    """The artwork's things as pairs (icon, twin) in a shuffled order that depends on the icons alone."""
    chosen = [k for k, icon in enumerate(icons) if icon.set != "logos" or not is_wordmark(sprites[k])]
    pairs = [(k, False) for k in chosen] + [(k, True) for k in chosen if icons[k].set in RICH_SETS]
    return [pairs[k] for k in np.random.default_rng(SEED).permutation(len(pairs))]


def is_wordmark(sprite: Sprite) -> bool:
    """True for what is much wider than high."""
    rows, columns = np.nonzero(sprite[..., 3])
    return len(rows) > 0 and np.ptp(columns) + 1 > WORDMARK_ASPECT * (np.ptp(rows) + 1)


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


@dataclass(frozen=True)
class Drawn:
    """A thing's views uint8 [views, 128, 128, 3], the thing by itself [32, 32, 4], and what the views show."""

    pixels: Pixels
    alone: Pixels
    thing: Thing
    shown: Sequence[Shown]


def draw_artwork(number: int, pair: tuple[int, bool], icons: Sequence[Icon], sprites: Sprite) -> Drawn:
    """Draws the views of one artwork thing."""
    icon, twin = pair
    rng = np.random.default_rng([SEED, 11, icon, int(twin)])
    sprite = np.array(sprites[icon])
    sprite = recoloured(sprite, int(rng.integers(2**31))) if twin else sprite
    thing = Thing(icon, twin, icons[icon].words, dominant_colour(sprite))
    count = TWIN_VIEWS if twin else OWN_VIEWS if icons[icon].set in RICH_SETS else TWIN_VIEWS
    chosen = [random_view(number, rng) for _ in range(count)]
    seen = [show(sprite, view) for view in chosen]
    shown = [Shown(number, view.size, view.place, s.background) for view, s in zip(chosen, seen, strict=True)]
    alone = Image.fromarray(premultiplied(sprite), "RGBA").resize((THUMB, THUMB), Image.Resampling.BOX)
    return Drawn(np.stack([s.pixels for s in seen]), np.asarray(alone), thing, shown)


def draw_figure(number: int, place: int) -> Drawn:
    """Draws the views of one drawn thing."""
    thing = drawn_thing(place)
    pixels = np.stack([draw(scene, SIDE) for scene in thing.scenes])
    alone = np.zeros((THUMB, THUMB, 4), np.uint8)
    return Drawn(pixels, alone, thing, [Shown(number, scene=k) for k in range(len(thing.scenes))])


def draw_manner(number: int, icons: Sequence[Icon], sprites: Sprite) -> Drawn:
    """Draws different named things in one manner, which leaves no colour behind them as it was."""
    rng = np.random.default_rng([SEED, 13, number])
    seed = int(rng.integers(2**31))
    named = [k for k, icon in enumerate(icons) if icon.words]
    pixels, shown = [], []
    for place, icon in enumerate(rng.choice(named, MANNER_VIEWS)):
        view = random_view(number, rng)
        seen = show(np.array(sprites[icon]), view)
        pixels.append(in_manner(seen.pixels, seed, place))
        shown.append(Shown(number, view.size, view.place, subject=icons[icon].words))
    return Drawn(np.stack(pixels), np.zeros((THUMB, THUMB, 4), np.uint8), Thing(manner=seed), shown)


def draw_all(folder: Path, team: Team) -> None:
    """Draws this process's share of the things, chunk by chunk, to `folder/views`; finished chunks are kept."""
    icons, sprites = load_icons(folder)
    pairs = plan(icons, sprites)
    total = len(pairs) + DRAWN_THINGS
    parts = folder / "views"
    parts.mkdir(exist_ok=True)
    # Drawn things stand between the others, so that the first chunks are a fair sample of all.
    order = np.random.default_rng(SEED + 1).permutation(total)
    starts = range(0, total, CHUNK)
    for start in list(starts)[team.rank :: team.size]:
        path = parts / f"{start:06d}.npz"
        if not path.exists():
            numbers = [int(n) for n in order[start : start + CHUNK]]
            artwork = len(pairs)
            _write(
                path,
                [
                    draw_artwork(n, pairs[n], icons, sprites) if n < artwork else draw_figure(n, n - artwork)
                    for n in numbers
                ],
                artwork,
            )
        if team.leads:
            print(f"things: {min(start + CHUNK, total)} of {total}", flush=True)
    for start in list(range(0, MANNERS, CHUNK))[team.rank :: team.size]:
        path = parts / f"manners-{start:06d}.npz"
        if not path.exists():
            some = range(start, min(start + CHUNK, MANNERS))
            _write(path, [draw_manner(number, icons, sprites) for number in some], 0)


def _write(path: Path, drawn: Sequence[Drawn], artwork: int) -> None:
    shown = [asdict(s) for d in drawn for s in d.shown]
    things = [_entry(d, artwork) for d in drawn]
    pixels = np.concatenate([d.pixels for d in drawn])
    cells = pixels.reshape(len(pixels), THUMB, SIDE // THUMB, THUMB, SIDE // THUMB, 3)
    with open(path.with_suffix(".tmp"), "wb") as file:
        np.savez(
            file,
            pixels=pixels,
            thumbs=cells.mean(axis=(2, 4)).round().astype(np.uint8),
            alone=np.stack([d.alone for d in drawn]),
            words=np.frombuffer(json.dumps({"shown": shown, "things": things}).encode(), np.uint8),
        )
    os.replace(path.with_suffix(".tmp"), path)


def _entry(drawn: Drawn, artwork: int) -> dict[str, Any]:
    thing = drawn.thing
    if thing.scenes:
        return {"drawn": drawn.shown[0].thing - artwork}
    return {key: value for key, value in asdict(thing).items() if key != "scenes"}


def encode_all(folder: Path, team: Team) -> None:
    """Encodes this process's share of the views to `folder/latents`; finished chunks are kept."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    vae = AutoencoderKL.from_pretrained(folder / "vae", local_files_only=True).to(device)
    target = folder / "latents"
    target.mkdir(exist_ok=True)
    paths = sorted((folder / "views").glob("*.npz"))
    for place, path in enumerate(paths[team.rank :: team.size]):
        encoded = target / f"{path.stem}.npy"
        if not encoded.exists():
            with np.load(path) as part:
                latents = latents_of(vae, part["pixels"])
            with open(encoded.with_suffix(".tmp"), "wb") as file:
                np.save(file, latents)
            os.replace(encoded.with_suffix(".tmp"), encoded)
        if team.leads and place % 10 == 0:
            print(f"latents: {place * team.size} of {len(paths)} chunks", flush=True)


def load_lessons(folder: Path, *, with_latents: bool = True) -> Lessons:
    """Everything that has been drawn so far, or that has been encoded."""
    thumbs, alone, latents, shown, things = [], [], [], [], []
    for path in sorted((folder / "views").glob("*.npz")):
        encoded = folder / "latents" / f"{path.stem}.npy"
        if with_latents and not encoded.exists():
            continue
        if with_latents:
            latents.append(np.load(encoded))
        with np.load(path) as part:
            thumbs.append(part["thumbs"])
            alone.append(part["alone"])
            words = json.loads(bytes(part["words"]))
        numbers = [s["thing"] for s in words["shown"]]
        places = {number: len(things) + k for k, number in enumerate(dict.fromkeys(numbers))}
        things += [drawn_thing(t["drawn"]) if "drawn" in t else Thing(**t) for t in words["things"]]
        shown += [Shown(**{**s, "thing": places[s["thing"]]}) for s in words["shown"]]
    views: list[list[int]] = [[] for _ in things]
    for k, s in enumerate(shown):
        views[s.thing].append(k)
    return Lessons(
        np.concatenate(thumbs),
        np.concatenate(alone),
        shown,
        things,
        [np.array(v) for v in views],
        np.concatenate(latents) if latents else None,
    )


def words_of(icons: Sequence[Icon]) -> Iterator[str]:
    """The words of names and backgrounds: those of names as often as they occur."""
    for icon in icons:
        yield from (icon.words or "").split()
    for name in colour_table():
        yield from name.split() * LEAST_OCCURRENCES
    yield from ("gradient", "background", *MANNER_WORDS) * LEAST_OCCURRENCES


def vocabulary_of(folder: Path) -> Vocabulary:
    """The words of the drawn world, and those that occur often enough among names and backgrounds."""
    counted = Counter(words_of(load_icons(folder)[0]))
    return load_vocabulary(folder / "tokenizer", (w for w, n in counted.items() if n >= LEAST_OCCURRENCES))


def main() -> None:
    """Draws, or encodes what is drawn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("step", choices=("draw", "encode"))
    options = parser.parse_args()
    team = join_team()
    {"draw": draw_all, "encode": encode_all}[options.step](options.folder, team)
    leave_team(team)


if __name__ == "__main__":
    main()
