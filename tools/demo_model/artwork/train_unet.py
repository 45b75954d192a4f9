"""Trains the UNet and, with it, the text model: noise prediction in the autoencoder's latents.

    torchrun --nproc_per_node 2 -m tools.demo_model.artwork.train_unet WORKFOLDER --minutes 80
    python -m tools.demo_model.artwork.train_unet WORKFOLDER --minutes 7 --batch 1024        # on one GPU

Needs the tokenizer (`make_tokenizer`) and the latents (`things`) in the work folder. `--begin-from` takes the weights
of an earlier checkpoint to begin with; without it the text model's first lessons come first.
"""

import argparse
import contextlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from tools.demo_model import text_model
from tools.demo_model.artwork.captions import artwork_caption, drawn_caption
from tools.demo_model.artwork.row_encoder import RowEncoder, disturbed
from tools.demo_model.artwork.things import Lessons, load_lessons, vocabulary_of
from tools.demo_model.parallel import Team, join_team, leave_team
from tools.demo_model.train_unet import OFFSET_NOISE, UnetShape, new_scheduler, new_unet, stratified, weights_of
from tools.demo_model.training import Recipe, Step, train
from tools.demo_model.vocabulary import ROWS, Vocabulary

RECIPE = Recipe(
    samples=100_000_000, batch=32, learning_rate=1e-3, minutes=80, averaging=0.999, seed=31, slow={"text.": 0.2}
)
DRAWN_SHARE = 0.3
"""Samples from the drawn world; the others are artwork."""


@dataclass(frozen=True)
class Material:
    """What the models are trained on; latents as a tensor on the training's device."""

    lessons: Lessons
    latents: Tensor
    vocabulary: Vocabulary
    artwork: np.ndarray
    drawn: np.ndarray
    """The numbers of the pictures that show artwork, and drawn figures."""
    signal: Tensor
    """The cumulated alpha of each timestep [1000]."""

    @classmethod
    def of(cls, lessons: Lessons, vocabulary: Vocabulary, device: torch.device) -> "Material":
        """Puts latents onto the device, and apart what is drawn and what is not."""
        drawn = np.array([s.scene is not None for s in lessons.shown])
        latents = torch.from_numpy(lessons.latents).to(device)
        signal = new_scheduler().alphas_cumprod.to(device)
        return cls(lessons, latents, vocabulary, np.flatnonzero(~drawn), np.flatnonzero(drawn), signal)


class RowPlaces:
    """A hook of the token table: puts the rows of a batch in the places that its captions leave for them."""

    def __init__(self, first: int) -> None:
        """`first` is the number that stands for the first row's place."""
        self._first = first
        self.rows: Tensor | None = None
        """[n, 4, width]; None where no caption has a place for rows."""

    def __call__(self, table: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        """Returns the embedded caption [n, 77, width] with the rows in it."""
        if self.rows is None:
            return output
        picture, place = (inputs[0] >= self._first).nonzero(as_tuple=True)
        rows = self.rows[picture, inputs[0][picture, place] - self._first]
        return output.index_put((picture, place), rows.to(output.dtype))


def batch_of(material: Material, step: Step) -> tuple[Tensor, list[str], Tensor]:
    """Latents to learn [n, 4, 16, 16], their captions, and the latents of another view of the same things."""
    count = step.share
    drawn = round(count * DRAWN_SHARE)
    rng, lessons = step.rng, material.lessons
    chosen = np.concatenate([rng.choice(material.drawn, drawn), rng.choice(material.artwork, count - drawn)])
    captions, others = [], []
    for number in chosen:
        shown = lessons.shown[number]
        thing = lessons.things[shown.thing]
        if shown.scene is None:
            captions.append(artwork_caption(thing, shown, rng))
        else:
            captions.append(drawn_caption(thing.scenes[shown.scene], rng))
        views = lessons.views[shown.thing]
        others.append(int(rng.choice(views[views != number])))
    latents = material.latents
    return (
        latents[torch.from_numpy(chosen).to(latents.device)],
        captions,
        latents[torch.tensor(others).to(latents.device)],
    )


def noise_loss(model: nn.ModuleDict, places: RowPlaces, material: Material, step: Step) -> Tensor:
    """The weighted squared error of the predicted noise."""
    latents, captions, others = batch_of(material, step)
    latents = latents.float()
    noise = torch.randn(latents.shape, generator=step.generator, device=step.device)
    noise += OFFSET_NOISE * torch.randn((*latents.shape[:2], 1, 1), generator=step.generator, device=step.device)
    timesteps = stratified(step.share, len(material.signal), step)
    kept = material.signal[timesteps][:, None, None, None]
    noisy = kept.sqrt() * latents + (1 - kept).sqrt() * noise
    numbers = material.vocabulary.encode(captions, step.rng).to(step.device)
    with torch.autocast(step.device.type, torch.bfloat16), _attention(step.device):
        rows = torch.zeros(len(captions), len(ROWS), model["rows"].width, device=step.device)
        (with_rows,) = np.nonzero([ROWS[0] in text for text in captions])
        which = torch.from_numpy(with_rows).to(step.device)
        rows[which] = disturbed(model["rows"](others[which].float()), step.generator)
        places.rows = rows
        words = model["text"](numbers).last_hidden_state
        places.rows = None
        predicted = model["unet"](noisy, timesteps, words).sample.float()
    return (weights_of(kept.flatten()) * (predicted - noise).square().mean(dim=(1, 2, 3))).mean()


def _attention(device: torch.device) -> Any:
    """On a CPU torch's fused attention takes ten times as long on the way back as the plain one, for such lengths."""
    return sdpa_kernel(SDPBackend.MATH) if device.type == "cpu" else contextlib.nullcontext()


def new_models(folder: Path, material: Material, shape: UnetShape, start: Path | None, team: Team) -> nn.ModuleDict:
    """UNet, text model and row encoder: from an earlier checkpoint, or untrained but for the text model's lessons."""
    vocabulary = material.vocabulary
    text, unet = text_model.new_text_model(vocabulary, shape.text_width), new_unet(shape)
    if start is not None:
        unet = UNet2DConditionModel.from_pretrained(start / "unet", local_files_only=True).float()
        text_model.take_weights(text, vocabulary, start / "text_encoder")
    else:
        scenes = [scene for thing in material.lessons.things for scene in thing.scenes]
        text = text_model.pretrain(text, vocabulary, scenes, text_model.RECIPE, folder, team)
    models = {"unet": unet, "text": text.requires_grad_(True), "rows": RowEncoder(shape.text_width)}
    return nn.ModuleDict(models).to(material.latents.device)


def train_unet(
    folder: Path, material: Material, recipe: Recipe, shape: UnetShape, start: Path | None, team: Team
) -> None:
    """Trains all three models; writes the averaged ones to `folder/unet`, `text_encoder` and `row_encoder.pt`."""
    torch.manual_seed(recipe.seed)
    model = new_models(folder, material, shape, start, team)
    places = RowPlaces(material.vocabulary.first_row)
    model["text"].get_input_embeddings().register_forward_hook(places)
    result = train(model, lambda m, s: noise_loss(m, places, material, s), recipe, folder / "unet.state.pt", team)
    if team.leads:
        result = result.cpu()
        result["unet"].save_pretrained(folder / "unet")
        text_model.save_text_model(result["text"], material.vocabulary, folder / "text_encoder")
        torch.save(result["rows"].state_dict(), folder / "row_encoder.pt")


def main() -> None:
    """Reads the command line and trains."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=RECIPE.minutes)
    parser.add_argument("--batch", type=int, default=RECIPE.batch)
    parser.add_argument("--rate", type=float, default=RECIPE.learning_rate)
    parser.add_argument("--begin-from", type=Path, help="an earlier checkpoint's folder")
    options = parser.parse_args()
    team = join_team()
    lessons = load_lessons(options.folder)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    material = Material.of(lessons, vocabulary_of(options.folder), device)
    recipe = replace(RECIPE, minutes=options.minutes, batch=options.batch, learning_rate=options.rate)
    train_unet(options.folder, material, recipe, UnetShape(), options.begin_from, team)
    leave_team(team)


if __name__ == "__main__":
    main()
