"""Pictures of SDXL and SD 2, against diffusers' own pipelines."""

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline, StableDiffusionXLPipeline
from PIL import Image
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from ti_studio.embeddings.embedding import Embedding
from ti_studio.embeddings.formats.files import write_embedding
from ti_studio.embeddings.library.library import Library
from ti_studio.folders import Folders
from ti_studio.generation.events import Notice, Picture
from ti_studio.generation.pipeline import Txt2ImgPipeline
from ti_studio.generation.request import GenerateRequest
from ti_studio.models.loading import Model

PROMPT = "a red tree by monet"


def painted(model: Model, library: Library, **settings: object) -> tuple[Image.Image, list[str]]:
    """Returns the picture and the notices."""
    request = GenerateRequest(**{"prompt": PROMPT, "sampler": "DDIM", "steps": 3, **settings})  # type: ignore[arg-type]
    told = list(Txt2ImgPipeline(model).paint(request, [7], library, lambda: False))
    (image,) = (event.image for event in told if isinstance(event, Picture))
    return image, [event.text for event in told if isinstance(event, Notice)]


def by_diffusers(model: Model, negative: str | None) -> Image.Image:
    """Paints the same with diffusers' pipeline, its text encoders and tokenizers loaded by transformers alone."""
    path = model.info.path
    parts = {
        "vae": model.vae,
        "unet": model.unet,
        "text_encoder": CLIPTextModel.from_pretrained(path / "text_encoder", dtype=torch.float32),
        "scheduler": DDIMScheduler.from_config(
            model.scheduler_config,
            timestep_spacing="trailing",
            clip_sample=False,
            set_alpha_to_one=False,
            steps_offset=1,
        ),
    }
    if model.info.family.name == "SDXL":
        second = CLIPTextModelWithProjection.from_pretrained(path / "text_encoder_2", dtype=torch.float32)
        pipeline = StableDiffusionXLPipeline(
            **parts,
            tokenizer=CLIPTokenizer.from_pretrained(path / "tokenizer"),
            text_encoder_2=second,
            tokenizer_2=CLIPTokenizer.from_pretrained(path / "tokenizer_2", pad_token="!"),
        )
    else:
        tokenizer = CLIPTokenizer.from_pretrained(path / "tokenizer", pad_token="!")
        pipeline = StableDiffusionPipeline(
            **parts, tokenizer=tokenizer, safety_checker=None, feature_extractor=None, requires_safety_checker=False
        )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline(
        PROMPT,
        negative_prompt=negative,
        num_inference_steps=3,
        guidance_scale=5.0,
        width=48,
        height=32,
        generator=torch.Generator().manual_seed(7),
    ).images[0]


def differ(one: Image.Image, other: Image.Image) -> int:
    """Returns by how much the pictures differ at most, of 255."""
    return int(np.abs(np.asarray(one, dtype=int) - np.asarray(other, dtype=int)).max())


@pytest.mark.parametrize("negative", ["", "blur"])
def test_sdxl_paints_what_diffusers_paints(tiny_sdxl: Model, library: Library, negative: str) -> None:
    image, _ = painted(tiny_sdxl, library, negative_prompt=negative, width=48, height=32)

    assert differ(image, by_diffusers(tiny_sdxl, negative or None)) <= 1


def test_an_empty_negative_prompt_of_sdxl_is_not_an_encoded_empty_text(tiny_sdxl: Model, library: Library) -> None:
    empty, _ = painted(tiny_sdxl, library)
    encoded, _ = painted(tiny_sdxl, library, negative_prompt="BREAK")

    assert differ(empty, encoded) > 1


def test_sd2_paints_what_diffusers_paints(tiny_sd2: Model, library: Library) -> None:
    image, _ = painted(tiny_sd2, library, negative_prompt="blur", width=48, height=32)

    assert differ(image, by_diffusers(tiny_sd2, "blur")) <= 1


def test_a_word_of_both_encoders_changes_the_picture_of_sdxl(
    tiny_sdxl: Model, library: Library, folders: Folders
) -> None:
    before, _ = painted(tiny_sdxl, library, prompt="a zzzz1234")
    rows = {encoder.key: torch.ones(2, encoder.width) for encoder in tiny_sdxl.encoders}
    write_embedding(Embedding("zzzz1234", rows), folders.embeddings / "zzzz1234.safetensors")
    after, notices = painted(tiny_sdxl, library, prompt="a zzzz1234")

    assert differ(before, after) > 1
    assert notices == []


@pytest.mark.parametrize(("skip", "told"), [(1, 0), (2, 1)])
def test_a_clip_skip_that_has_no_effect_is_told(tiny_sdxl: Model, library: Library, skip: int, told: int) -> None:
    _, notices = painted(tiny_sdxl, library, clip_skip=skip)

    assert len([text for text in notices if text.startswith("Clip skip 2 was not used: SDXL")]) == told
