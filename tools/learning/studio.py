"""The studio, used as its page uses it: teaches a word, paints prompts, and tells the loss on given pictures."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ti_studio.embeddings.embedding import Embedding
from ti_studio.embeddings.formats.files import read_embedding
from ti_studio.generation.guidance import PromptEncoder
from ti_studio.generation.pipeline import Txt2ImgPipeline
from ti_studio.generation.request import GenerateRequest
from ti_studio.models.checkpoint.checkpoints import identify
from ti_studio.models.hardware import Hardware
from ti_studio.models.loading import Model, load
from ti_studio.prompts.conditioning import Conditioning
from ti_studio.training.config.request import TrainRequest
from ti_studio.training.data.captions import find_template
from ti_studio.training.events import Event, Finished
from ti_studio.training.loss.denoising import NoiseSchedule, denoising_losses
from ti_studio.training.preparation import RunPaths
from ti_studio.training.run import train
from tools.demo_model.drawing import Pixels

TIMESTEPS = 16
"""The middles of so many equal parts of the schedule, for each held-out picture."""
_NOISE_SEED = 7
_NO_WORD = Embedding("nothing", {"clip_l": torch.zeros(1, 1)})
"""Stands in for a learnt word with prompts that have none."""


@dataclass(frozen=True)
class Described:
    """A way to speak of a concept: plain words, or a learnt word."""

    thing: str
    word: Embedding | None = None


class Studio:
    """A loaded checkpoint."""

    def __init__(self, checkpoint: Path, timesteps: int | None = None, hardware: Hardware | None = None) -> None:
        """Loads it; losses are measured at TIMESTEPS timesteps, or as many as are given, and on the CPU in float32 so
        that two runs agree, unless other hardware is given (which teaches and paints alone)."""
        self._timesteps = timesteps or TIMESTEPS
        info = identify(checkpoint)
        self.native_side = info.default_size
        """Pixels on each side of a picture as the checkpoint was trained."""
        self.model: Model = load(info, hardware or Hardware(torch.device("cpu"), torch.float32))
        self._painter = Txt2ImgPipeline(self.model)
        self._prompts = PromptEncoder(self.model)

    def teach(self, request: TrainRequest, folder: Path) -> Embedding:
        """Trains a word, without previews, and returns it; the job's files and the word's go into `folder`."""
        events = self.training(request, folder, lambda: False)
        finished = [event for event in events if isinstance(event, Finished)]
        return read_embedding(Path(finished[-1].path))

    def training(self, request: TrainRequest, folder: Path, should_stop: Callable[[], bool]) -> Iterator[Event]:
        """Trains a word, without previews; the job's files and the word's go into `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        place = RunPaths(
            job=folder,
            embeddings=folder,
            dataset=Path(request.dataset_directory),
            template=find_template(folder, request.template),
            created=0.0,
        )
        return train(request, self.model, place, lambda _words: iter(()), should_stop)

    def paint(
        self, prompt: str, seeds: Sequence[int], word: Embedding | None = None, negative: str = ""
    ) -> list[Pixels]:
        """Paints a prompt by the default settings of txt2img, once for each seed."""
        return self.paint_as(GenerateRequest(prompt=prompt, negative_prompt=negative), seeds, word)

    def paint_as(self, request: GenerateRequest, seeds: Sequence[int], word: Embedding | None = None) -> list[Pixels]:
        """Paints what is asked for, once for each seed."""
        return [np.asarray(image) for image in self._painter.preview([word or _NO_WORD], request, seeds)]

    def through_autoencoder(self, pictures: Sequence[Pixels]) -> list[Pixels]:
        """Encodes and decodes pictures: the best that this checkpoint could paint of them."""
        with torch.no_grad():
            decoded = self.model.decode(self._latents(pictures))
        return [(picture.permute(1, 2, 0) * 255).round().to(torch.uint8).numpy() for picture in decoded]

    @torch.no_grad()
    def loss(self, pictures: Sequence[Pixels], prompts: Sequence[str], word: Embedding | None = None) -> float:
        """Returns the mean denoising loss of pictures, each with its prompt, several times with fixed noise."""
        times = self._timesteps
        schedule = NoiseSchedule(self.model.scheduler_config, torch.device("cpu"))
        width = schedule.timesteps / times
        timesteps = torch.tensor([int((part + 0.5) * width) for part in range(times)])
        generator = torch.Generator().manual_seed(_NOISE_SEED)
        losses = []
        for latents, prompt in zip(self._latents(pictures), prompts, strict=True):
            noise = torch.randn((times, *latents.shape), generator=generator)
            batch = schedule.add_noise(latents.expand_as(noise), noise, timesteps)
            conditioning = self._encode(prompt, word).repeated(times)
            losses.append(denoising_losses(self.model, batch, conditioning).mean())
        return float(torch.stack(losses).mean())

    def _encode(self, prompt: str, word: Embedding | None) -> Conditioning:
        known = {} if word is None else {word.name: word}
        index = self._prompts.index({name: embedding.vectors_per_token for name, embedding in known.items()})
        return self._prompts.encode(self._prompts.tokenize(prompt, index), known)

    @torch.no_grad()
    def _latents(self, pictures: Sequence[Pixels]) -> torch.Tensor:
        """Returns the means of the autoencoder's latents, scaled, [n, 4, h, w]."""
        pixels = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1
        return self.model.vae.encode(pixels).latent_dist.mean * self.model.vae.config.scaling_factor
