"""`/sdapi/v1/txt2img`."""

import base64
import json
import time
from typing import Any

from fastapi import APIRouter

from ti_studio.generation.infotext import MODEL_HASH
from ti_studio.generation.restoring import Infotext, read_infotext
from ti_studio.generation.service import png_bytes
from ti_studio.web.sdapi.errors import refusals
from ti_studio.web.sdapi.options import Options
from ti_studio.web.sdapi.txt2img_body import Txt2ImgBody
from ti_studio.web.sdapi.txt2img_reading import Wanted, read_body
from ti_studio.web.server.progress_view import GenerationProgress
from ti_studio.web.server.serial_executor import SerialExecutor
from ti_studio.web.server.services import Services
from ti_studio.web.server.views import View

_NO_DENOISING = 0.0
_SHOWN = ("Schedule type", "Eta", "Eta DDIM", "TI hashes")


class Txt2ImgView(View):
    """What was painted."""

    images: list[str]
    """PNGs in base64, each with its infotext inside; none without `send_images`."""
    parameters: dict[str, Any]
    """The request, with what it left out."""
    info: str
    """JSON: A1111's `info`, and `notices`, a list of sentences on what was not as it was asked for."""


def txt2img_routes(services: Services, options: Options, executor: SerialExecutor) -> APIRouter:
    """Returns the route that paints."""
    router = APIRouter()

    @router.post("/txt2img", responses=refusals(400, 404, 422, 507))
    async def txt2img(body: Txt2ImgBody) -> Txt2ImgView:
        """Paints pictures and answers when they are done. What is asked meanwhile waits for its turn."""
        for prompt in (body.prompt, body.negative_prompt):
            services.txt2img.limits.check_text(prompt)
        return await executor.take(lambda: _painted(body, services, options))

    return router


def _painted(body: Txt2ImgBody, services: Services, options: Options) -> Txt2ImgView:
    translated = read_body(body, options.settings, services)
    if not body.override_settings_restore_afterwards:
        options.set(body.override_settings)
    progress = GenerationProgress(translated.request)
    save = body.save_images and not body.do_not_save_samples
    for event in services.txt2img.generate(translated.request, checkpoint=translated.settings.checkpoint, save=save):
        progress.take(event)
    sent = progress.pictures if body.send_images else []
    return Txt2ImgView(
        images=[base64.b64encode(png_bytes(picture)).decode() for picture in sent],
        parameters=body.model_dump(mode="json"),
        info=json.dumps(_info(body, translated, progress)),
    )


def _info(body: Txt2ImgBody, translated: Wanted, progress: GenerationProgress) -> dict[str, Any]:
    """Returns A1111's account of what was painted."""
    request, pictures = translated.request, progress.pictures
    said = read_infotext(pictures[0].infotext) if pictures else Infotext("")
    seeds = [picture.seed for picture in pictures]
    width, _, height = said.settings.get("Size", "0x0").partition("x")
    return {
        "prompt": request.prompt,
        "all_prompts": [request.prompt] * len(pictures),
        "negative_prompt": request.negative_prompt,
        "all_negative_prompts": [request.negative_prompt] * len(pictures),
        "seed": seeds[0] if seeds else request.seed,
        "all_seeds": seeds,
        "subseed": body.subseed,
        "all_subseeds": [body.subseed] * len(pictures),
        "subseed_strength": 0,
        "width": int(width),
        "height": int(height),
        "sampler_name": said.settings.get("Sampler", request.sampler),
        "cfg_scale": request.cfg_scale,
        "steps": request.steps,
        "batch_size": body.batch_size,
        "restore_faces": False,
        "face_restoration_model": None,
        "sd_model_name": said.settings.get("Model"),
        "sd_model_hash": said.settings.get("Model hash", "")[:MODEL_HASH] or None,
        "sd_vae_name": None,
        "sd_vae_hash": None,
        "seed_resize_from_w": -1,
        "seed_resize_from_h": -1,
        "denoising_strength": _NO_DENOISING,
        "extra_generation_params": _extra(said),
        "index_of_first_image": 0,
        "infotexts": [picture.infotext for picture in pictures],
        "styles": [],
        "job_timestamp": time.strftime("%Y%m%d%H%M%S"),
        "clip_skip": request.clip_skip,
        "is_using_inpainting_conditioning": False,
        "version": said.settings.get("Version"),
        "notices": [*translated.notices, *progress.notices],
    }


def _extra(said: Infotext) -> dict[str, str]:
    return {name: said.settings[name] for name in _SHOWN if name in said.settings}
