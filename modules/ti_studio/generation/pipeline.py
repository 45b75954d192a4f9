"""A loaded checkpoint that paints: requests from the page, and the previews of a training."""

import gc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import torch
from PIL import Image

from ti_studio.embeddings.embedding import Embedding
from ti_studio.embeddings.library.library import Library
from ti_studio.generation.events import DenoisingProgress, Notice, Picture
from ti_studio.generation.guidance import Guidance, PromptEncoder, encode_guidance
from ti_studio.generation.infotext import MadeWith, build_infotext
from ti_studio.generation.request import GenerateRequest
from ti_studio.generation.samplers import find_sampler
from ti_studio.generation.txt2img import DenoisingSettings, NotFinite, paint, steps_of
from ti_studio.generation.words import EmbeddingLookup
from ti_studio.models.checkpoint.checkpoints import CheckpointInfo
from ti_studio.models.hardware import hardware_for
from ti_studio.models.loading import Model, load
from ti_studio.prompts.chunks import Word
from ti_studio.prompts.layers import Layer
from ti_studio.prompts.limits import PromptLimits
from ti_studio.prompts.parser import Reading

PICTURES_AT_ONCE = 4
"""Pictures denoised in one batch."""


class Txt2ImgPipeline:
    """A loaded checkpoint and its prompt encoder."""

    def __init__(self, model: Model, limits: PromptLimits | None = None) -> None:
        """Takes the model, and how long a prompt may be; None: as long as one likes."""
        self.model = model
        self._prompts = PromptEncoder(model, limits)
        self._words = EmbeddingLookup(self._prompts)

    def paint(
        self, request: GenerateRequest, seeds: Sequence[int], library: Library, should_stop: Callable[[], bool]
    ) -> Iterator[Notice | DenoisingProgress | Picture]:
        """Paints a picture for each seed, with the words that are in the library now."""
        library.refresh()
        words = self._words.open(library, self.model.info)
        positive, negative = words.read(request)
        yield from (Notice(text) for text in words.notices(request, positive, negative))
        yield from self._notices(request)
        settings = self._denoising_settings(
            request, encode_guidance(self._prompts, request, (positive, negative), words.load)
        )
        made_with = MadeWith(
            model_title=self.model.info.title,
            model_sha256=self.model.info.sha256,
            size=(settings.width, settings.height),
            embeddings=words.hashes(positive, negative),
        )
        files = words.files(positive, negative)
        for made in self._batches(settings, seeds, should_stop):
            if isinstance(made, DenoisingProgress):
                yield made
            else:
                image, seed = made
                yield Picture(image, build_infotext(request, seed, made_with), seed, files=files)

    def preview(
        self,
        embeddings: Sequence[Embedding],
        request: GenerateRequest,
        seeds: Sequence[int],
        should_stop: Callable[[], bool] = lambda: False,
    ) -> Iterator[Image.Image]:
        """Paints a picture for each seed with embeddings that need not be in any library: a training's live rows.
        When `should_stop` says so between two steps, no more pictures come."""
        known = {embedding.name: embedding for embedding in embeddings}
        index = self._prompts.index({name: embedding.vectors_per_token for name, embedding in known.items()})
        named = {name: Word(name, (), embedding.vectors_per_token) for name, embedding in known.items()}
        reading = Reading(request.steps, request.emphasis, named.get)
        positive = self._prompts.read(request.prompt, index, reading)
        negative = self._prompts.read(request.negative_prompt, index, reading, joins=False)
        guidance = encode_guidance(self._prompts, request, (positive, negative), known.__getitem__)
        settings = self._denoising_settings(request, guidance)
        left = len(seeds)
        try:
            for made in self._batches(settings, seeds, should_stop):
                if not isinstance(made, DenoisingProgress):
                    left -= 1
                    yield made[0]
        except NotFinite:  # what rows that have gone astray paint is black, and no reason to end their training
            for _ in range(left):
                yield Image.new("RGB", (settings.width, settings.height))

    def _notices(self, request: GenerateRequest) -> Iterator[Notice]:
        yield from (Notice(note) for note in self.model.info.summary.notes)
        family = self.model.info.family
        if request.clip_skip > 1 and family.layer is not Layer.BY_CLIP_SKIP:
            yield Notice(
                f"Clip skip {request.clip_skip} was not used: {family.name} checkpoints have a layer of their own."
            )
        own = find_sampler(request.sampler).eta
        if own is not None and own.is_fixed and request.eta not in (None, own.default):
            yield Notice(f"Eta {request.eta:g} was not used: that of {request.sampler} is always {own.default:g} here.")

    def _denoising_settings(self, request: GenerateRequest, guidance: Guidance) -> DenoisingSettings:
        info = self.model.info
        size = info.default_size
        says_nothing = info.family.zero_negative and not request.negative_prompt.strip()
        return DenoisingSettings(
            guidance=replace(guidance, negative=guidance.negative.zeros()) if says_nothing else guidance,
            sampler=find_sampler(request.sampler),
            steps=request.steps,
            cfg_scale=request.cfg_scale,
            width=request.width or size,
            height=request.height or size,
            eta=request.eta,
        )

    def _batches(
        self, settings: DenoisingSettings, seeds: Sequence[int], should_stop: Callable[[], bool]
    ) -> Iterator[DenoisingProgress | tuple[Image.Image, int]]:
        """Paints batch after batch; the steps are counted over all of them."""
        starts = range(0, len(seeds), PICTURES_AT_ONCE)
        steps = steps_of(settings, self.model)
        for index, start in enumerate(starts):
            batch = seeds[start : start + PICTURES_AT_ONCE]
            unnamed = iter(batch)
            for made in paint(self.model, settings, batch, should_stop):
                if isinstance(made, DenoisingProgress):
                    yield DenoisingProgress(index * steps + made.step, len(starts) * steps)
                else:
                    yield made, next(unnamed)


def load_pipeline(info: CheckpointInfo, limits: PromptLimits) -> Txt2ImgPipeline:
    """Loads a checkpoint onto the automatic hardware."""
    return Txt2ImgPipeline(load(info, hardware_for(info)), limits)


def return_memory() -> None:
    """Gives the memory of painters that are no longer there back to the device, for other processes to use."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
