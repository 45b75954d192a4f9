"""Trains the UNet: noise prediction in the autoencoder's latents, told what to paint by the text model.

    torchrun --nproc_per_node 2 -m tools.demo_model.artwork.train_unet WORKFOLDER --minutes 80
    python -m tools.demo_model.artwork.train_unet WORKFOLDER --minutes 7 --batch 1024        # on one GPU

Needs the latents (`things encode`) and the text model after its lessons (`text_lessons`) in the work folder.
`--begin-from` takes an earlier UNet's weights, where they fit, to begin with. The text model's lessons go on meanwhile.
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from tools.demo_model import text_model
from tools.demo_model.artwork.text_lessons import (
    LAYERS,
    WIDTH,
    Captions,
    Lesson,
    TextSide,
    give_lesson,
    lesson_loss,
    plain_attention,
)
from tools.demo_model.artwork.things import Lessons, load_lessons, vocabulary_of
from tools.demo_model.parallel import Team, join_team, leave_team
from tools.demo_model.train_unet import OFFSET_NOISE, UnetShape, new_scheduler, new_unet, stratified, weights_of
from tools.demo_model.training import Recipe, Step, train
from tools.demo_model.vocabulary import Vocabulary

RECIPE = Recipe(
    samples=100_000_000, batch=64, learning_rate=1.5e-3, minutes=80, averaging=0.999, seed=31, slow={"words.": 0.5}
)
NOISY_SHARE = 0.35
"""Samples whose timestep is drawn from the noisier half alone: there it is decided what is painted where."""


@dataclass(frozen=True)
class Material:
    """What the UNet is trained on; latents as a tensor on the training's device."""

    lessons: Lessons
    captions: Captions
    latents: Tensor
    vocabulary: Vocabulary
    signal: Tensor
    """The cumulated alpha of each timestep [1000]."""

    @classmethod
    def of(cls, lessons: Lessons, vocabulary: Vocabulary, device: torch.device) -> "Material":
        """Puts the latents onto the device."""
        if lessons.latents is None:
            raise ValueError("The views have no latents. Expected: `things encode` before.")
        latents = torch.from_numpy(lessons.latents).to(device)
        return cls(lessons, Captions(lessons), latents, vocabulary, new_scheduler().alphas_cumprod.to(device))


def loss_of(model: nn.ModuleDict, material: Material, step: Step) -> Tensor:
    """The noise's loss, and that of the text model's lessons on the same batch."""
    words, lessons, vocabulary = model["words"], material.lessons, material.vocabulary
    lesson = give_lesson(words, lessons, material.captions, vocabulary, step)
    return noise_loss(model["unet"], material, lesson, step) + lesson_loss(words, lessons, vocabulary, lesson, step)


def noise_loss(unet: UNet2DConditionModel, material: Material, lesson: Lesson, step: Step) -> Tensor:
    """The weighted squared error of the predicted noise."""
    latents = material.latents[torch.from_numpy(lesson.batch.numbers).to(step.device)].float()
    noise = torch.randn(latents.shape, generator=step.generator, device=step.device)
    noise += OFFSET_NOISE * torch.randn((*latents.shape[:2], 1, 1), generator=step.generator, device=step.device)
    timesteps = noisier(stratified(step.share, len(material.signal), step), len(material.signal), step)
    kept = material.signal[timesteps][:, None, None, None]
    noisy = kept.sqrt() * latents + (1 - kept).sqrt() * noise
    with torch.autocast(step.device.type, torch.bfloat16), plain_attention(step.device):
        predicted = unet(noisy, timesteps, lesson.hidden).sample.float()
    return (weights_of(kept.flatten()) * (predicted - noise).square().mean(dim=(1, 2, 3))).mean()


def noisier(timesteps: Tensor, count: int, step: Step) -> Tensor:
    """The timesteps with a share of them moved to the noisier half."""
    moved = torch.rand(len(timesteps), generator=step.generator, device=step.device) < NOISY_SHARE
    return torch.where(moved, (timesteps + count) // 2, timesteps).clamp(max=count - 1)


def new_models(folder: Path, material: Material, shape: UnetShape, start: Path | None) -> nn.ModuleDict:
    """A UNet, with an earlier one's weights where they fit, and the text side as its lessons left it."""
    unet = new_unet(shape)
    if start is not None:
        saved = UNet2DConditionModel.from_pretrained(start, local_files_only=True).float().state_dict()
        fitting = {name: value for name, value in saved.items() if value.shape == unet.state_dict()[name].shape}
        unet.load_state_dict(fitting, strict=False)
        print(f"{len(fitting)} of {len(saved)} parts of the UNet begin as in {start}", flush=True)
    words = TextSide(material.vocabulary, WIDTH, LAYERS)
    words.load_state_dict(torch.load(folder / "text_side.pt", weights_only=True))
    return nn.ModuleDict({"unet": unet, "words": words}).to(material.latents.device)


def train_unet(folder: Path, material: Material, model: nn.ModuleDict, recipe: Recipe, team: Team) -> None:
    """Trains; writes the averaged models to `folder/unet`, `text_encoder` and `row_encoder.pt`."""
    torch.manual_seed(recipe.seed)
    result = train(model, lambda m, s: loss_of(m, material, s), recipe, folder / "unet.state.pt", team)
    if team.leads:
        result = result.cpu()
        result["unet"].save_pretrained(folder / "unet")
        text_model.save_text_model(result["words"].text, material.vocabulary, folder / "text_encoder")
        torch.save(result["words"].rows.state_dict(), folder / "row_encoder.pt")


def main() -> None:
    """Reads the command line and trains."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=RECIPE.minutes)
    parser.add_argument("--batch", type=int, default=RECIPE.batch)
    parser.add_argument("--rate", type=float, default=RECIPE.learning_rate)
    parser.add_argument("--begin-from", type=Path, help="an earlier UNet's folder")
    options = parser.parse_args()
    team = join_team()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    material = Material.of(load_lessons(options.folder), vocabulary_of(options.folder), device)
    recipe = replace(RECIPE, minutes=options.minutes, batch=options.batch, learning_rate=options.rate)
    model = new_models(options.folder, material, UnetShape(text_width=WIDTH), options.begin_from)
    train_unet(options.folder, material, model, recipe, team)
    leave_team(team)


if __name__ == "__main__":
    main()
