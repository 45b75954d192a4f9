"""The text model's first lessons: captions, and rows of the row encoder, to what the picture will show.

    torchrun --nproc_per_node 2 -m tools.demo_model.artwork.text_lessons WORKFOLDER --minutes 20

Through the noise prediction alone, rows come to say a colour and no shape (docs/log.md, 2026-12-01). So before the UNet
sees a caption, the text model learns to lay the picture out: the 64 places at the end of a caption, which are padding,
become an 8 x 8 grid, and linear heads read from each place what the picture has there, at 16 x 16, and what the thing
by itself has there, at 32 x 32. A lesson costs a fifth of a UNet's sample. The heads are thrown away afterwards.

Needs the tokenizer (`make_tokenizer`) and the views (`things draw`). Writes `WORKFOLDER/text_side.pt`.
"""

import argparse
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from tools.demo_model import text_model
from tools.demo_model.artwork.captions import artwork_caption, drawn_caption, manner_caption
from tools.demo_model.artwork.row_encoder import RowEncoder, RowPlaces, disturbed
from tools.demo_model.artwork.things import THUMB, Lessons, Shown, load_lessons, vocabulary_of
from tools.demo_model.drawing import Pixels
from tools.demo_model.parallel import Team, join_team, leave_team
from tools.demo_model.training import Recipe, Step, train
from tools.demo_model.vocabulary import LENGTH, MOST_ROWS, Vocabulary

RECIPE = Recipe(samples=100_000_000, batch=64, learning_rate=1.5e-3, minutes=20, averaging=0.998, seed=21)
WIDTH, LAYERS = 128, 3
GRID = 8
SEEN = 16
"""Pixels on each side of a view, as the heads read it."""
FIRST_PLACE = LENGTH - GRID * GRID
BY = ", art by"
"""Rows behind these words stand for a manner."""
SHARES = {"drawn": 0.22, "artwork": 0.66, "manner": 0.12}
"""What the samples are of."""


@dataclass(frozen=True)
class Batch:
    """Numbers of views to learn, their captions, and numbers of other views of the same things."""

    numbers: np.ndarray
    captions: list[str]
    others: np.ndarray


class Captions:
    """Draws views and captions for them."""

    def __init__(self, lessons: Lessons) -> None:
        """Puts apart what is drawn, what is in a manner, and the artwork."""
        kinds = np.array([self._kind(lessons, s) for s in lessons.shown])
        self._lessons = lessons
        self._numbers = {kind: np.flatnonzero(kinds == kind) for kind in SHARES}
        here = {kind: share for kind, share in SHARES.items() if len(self._numbers[kind])}
        self._shares = {kind: share / sum(here.values()) for kind, share in here.items()}

    @staticmethod
    def _kind(lessons: Lessons, shown: Shown) -> str:
        if shown.scene is not None:
            return "drawn"
        return "artwork" if lessons.things[shown.thing].manner is None else "manner"

    def batch(self, count: int, rng: np.random.Generator) -> Batch:
        """Returns `count` views with a caption each."""
        kinds = tuple(self._shares)
        counts = rng.multinomial(count, list(self._shares.values()))
        numbers = np.concatenate([rng.choice(self._numbers[k], n) for k, n in zip(kinds, counts, strict=True)])
        captions, others = [], []
        for number in numbers:
            shown = self._lessons.shown[number]
            captions.append(self._caption(shown, rng))
            views = self._lessons.views[shown.thing]
            others.append(int(rng.choice(views[views != number])))
        return Batch(numbers, captions, np.array(others))

    def _caption(self, shown: Shown, rng: np.random.Generator) -> str:
        thing = self._lessons.things[shown.thing]
        if shown.scene is not None:
            return drawn_caption(thing.scenes[shown.scene], rng)
        return artwork_caption(thing, shown, rng) if thing.manner is None else manner_caption(shown, rng)


def cells() -> Tensor:
    """The grid's cell for each of the 64 last places [64]: from the corners inwards, because long captions take the
    first of them."""
    rows, columns = torch.meshgrid(torch.arange(GRID), torch.arange(GRID), indexing="ij")
    middle = (GRID - 1) / 2
    distance = ((rows - middle) ** 2 + (columns - middle) ** 2).flatten()
    return distance.argsort(descending=True, stable=True)


class TextSide(nn.Module):
    """Text model, row encoder, and the heads that read the grid."""

    def __init__(self, vocabulary: Vocabulary, width: int, layers: int) -> None:
        """Makes all of it untrained."""
        super().__init__()
        self.text = text_model.new_text_model(vocabulary, width, layers)
        self.rows = RowEncoder(width)
        self.seen = nn.Linear(width, 3 * (SEEN // GRID) ** 2)
        self.alone = nn.Linear(width, 4 * (THUMB // GRID) ** 2)
        self.direct = nn.Sequential(nn.Linear(MOST_ROWS * width, 512), nn.SiLU(), nn.Linear(512, 4 * THUMB**2))
        self._places = RowPlaces(vocabulary.first_row)
        self.text.get_input_embeddings().register_forward_hook(self._places)

    def rows_of(self, thumbs: Tensor, captions: Sequence[str], generator: torch.Generator) -> Tensor:
        """Disturbed rows [n, 4, width] of thumbnails [n, 3, 32, 32], for what the captions say that rows stand for."""
        is_manner = torch.tensor([BY in text for text in captions], device=thumbs.device)
        return disturbed(self.rows(thumbs, is_manner), generator)

    def hidden(self, numbers: Tensor, rows: Tensor) -> Tensor:
        """Hidden states [n, 77, width] of captions with the rows in their places."""
        self._places.rows = rows
        hidden = self.text(numbers).last_hidden_state
        self._places.rows = None
        return hidden

    def read_rows(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """The thing by itself [n, 4, 32, 32], from some of its first rows."""
        count = torch.randint(1, MOST_ROWS + 1, (len(rows), 1), generator=generator, device=rows.device)
        there = torch.arange(MOST_ROWS, device=rows.device) < count
        return self.direct((rows * there[..., None]).flatten(1)).unflatten(1, (4, THUMB, THUMB))

    def read(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """The view [n, 3, 16, 16] and the thing by itself [n, 4, 32, 32] that the hidden states lay out."""
        grid = hidden[:, FIRST_PLACE:][:, cells().argsort().to(hidden.device)]
        return tuple(_joined(head(grid)) for head in (self.seen, self.alone))  # type: ignore[return-value]


def _joined(parts: Tensor) -> Tensor:
    """Cells [n, 64, channels * k * k] as one picture [n, channels, 8 k, 8 k]."""
    return F.pixel_shuffle(
        parts.transpose(1, 2).unflatten(2, (GRID, GRID)),
        round((parts.shape[-1] // (3 if parts.shape[-1] % 3 == 0 else 4)) ** 0.5),
    )


def as_thumbs(pixels: Pixels) -> Tensor:
    """uint8 [n, h, w, c] to float32 [n, c, h, w] from -1 to 1."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1


@dataclass(frozen=True)
class Lesson:
    """A batch as the models get it."""

    batch: Batch
    numbers: Tensor
    """The captions' compact numbers, int64 [n, 77]."""
    rows: Tensor
    """[n, 4, width]"""
    hidden: Tensor
    """The captions' hidden states [n, 77, width]."""


def give_lesson(model: TextSide, lessons: Lessons, captions: Captions, vocabulary: Vocabulary, step: Step) -> Lesson:
    """Draws a batch and runs the text side on it."""
    batch = captions.batch(step.share, step.rng)
    numbers = vocabulary.encode(batch.captions, step.rng).to(step.device)
    thumbs = as_thumbs(lessons.thumbs[batch.others]).to(step.device)
    with torch.autocast(step.device.type, torch.bfloat16), plain_attention(step.device):
        rows = model.rows_of(thumbs, batch.captions, step.generator)
        return Lesson(batch, numbers, rows, model.hidden(numbers, rows))


def lesson_loss(model: TextSide, lessons: Lessons, vocabulary: Vocabulary, lesson: Lesson, step: Step) -> Tensor:
    """The squared error of both pictures, in the places that are padding, and of the thing as its rows alone give it.

    The last teaches the row encoder within minutes what the text model would take hours to ask of it.
    """
    batch = lesson.batch
    target = F.avg_pool2d(as_thumbs(lessons.thumbs[batch.numbers]).to(step.device), THUMB // SEEN)
    things = np.array([lessons.shown[n].thing for n in batch.numbers])
    alone = as_thumbs(lessons.alone[things]).to(step.device)
    is_artwork = torch.from_numpy(lessons.alone[things].any(axis=(1, 2, 3))).to(step.device)
    with torch.autocast(step.device.type, torch.bfloat16):
        seen, by_itself = (picture.float() for picture in model.read(lesson.hidden))
        from_rows = model.read_rows(lesson.rows, step.generator).float()
    order = cells().argsort().to(step.device)
    is_padding = (lesson.numbers == vocabulary.END)[:, FIRST_PLACE:][:, order].unflatten(1, (1, GRID, GRID)).float()
    says = torch.tensor([bool(text) for text in batch.captions], device=step.device) & is_artwork
    first = (seen - target).square().mean(dim=1, keepdim=True) * F.interpolate(is_padding, SEEN)
    second = (by_itself - alone).square().mean(dim=1, keepdim=True) * F.interpolate(is_padding, THUMB)
    third = (from_rows - alone).square().mean(dim=(1, 2, 3))
    return first.mean() + _mean_where(says, second.mean(dim=(1, 2, 3))) + _mean_where(is_artwork, third)


def _mean_where(chosen: Tensor, values: Tensor) -> Tensor:
    return (values * chosen).sum() / chosen.sum().clamp(min=1)


def plain_attention(device: torch.device) -> Any:
    """On a CPU torch's fused attention takes ten times as long on the way back as the plain one, for such lengths."""
    return sdpa_kernel(SDPBackend.MATH) if device.type == "cpu" else contextlib.nullcontext()


def teach(folder: Path, lessons: Lessons, recipe: Recipe, device: torch.device, team: Team) -> TextSide:
    """Trains text model, row encoder and heads; writes the averaged ones to `folder/text_side.pt`."""
    torch.manual_seed(recipe.seed)
    vocabulary, captions = vocabulary_of(folder), Captions(lessons)
    model = TextSide(vocabulary, WIDTH, LAYERS).to(device)
    state = folder / "text_side.state.pt"

    def loss_of(module: nn.Module, step: Step) -> Tensor:
        lesson = give_lesson(module, lessons, captions, vocabulary, step)
        return lesson_loss(module, lessons, vocabulary, lesson, step)

    result = train(model, loss_of, recipe, state, team)
    if team.leads:
        torch.save(result.state_dict(), folder / "text_side.pt")
    return result


def main() -> None:
    """Reads the command line and trains."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=RECIPE.minutes)
    parser.add_argument("--batch", type=int, default=RECIPE.batch)
    parser.add_argument("--rate", type=float, default=RECIPE.learning_rate)
    options = parser.parse_args()
    team = join_team()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    recipe = replace(RECIPE, minutes=options.minutes, batch=options.batch, learning_rate=options.rate)
    teach(options.folder, load_lessons(options.folder, with_latents=False), recipe, device, team)
    leave_team(team)


if __name__ == "__main__":
    main()
