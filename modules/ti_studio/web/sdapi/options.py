"""`/sdapi/v1/options`: those of A1111's options that mean something here."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from ti_studio.errors import StudioError
from ti_studio.generation.service import Txt2ImgService
from ti_studio.models.checkpoint.checkpoints import CheckpointInfo
from ti_studio.path_fields import CheckpointPath
from ti_studio.prompts.grammar import Emphasis
from ti_studio.web.sdapi.errors import NotPossibleHere, refusals
from ti_studio.web.server.views import View

ClipSkip = Annotated[int, Field(ge=1, le=12)]

FIXED: Mapping[str, Any] = {
    "sd_vae": "Automatic",
    "sd_unet": "Automatic",
    "samples_format": "png",
    "eta_noise_seed_delta": 0,
    "randn_source": "CPU",
    "comma_padding_backtrack": 20,
    "face_restoration": False,
    "tiling": False,
}
"""Options that can be read, and set to nothing else: any other value would make other pictures."""
_SAME = {"sd_vae": ("None", ""), "sd_unet": ("None", "")}
"""Values that mean the same as the fixed one."""
_CHANGES_NO_PICTURE = (
    *("samples_", "grid_", "save_", "outdir_", "live_preview", "show_progress", "directories_", "memmon_", "ui_"),
    *("jpeg_quality", "webp_lossless", "return_grid", "do_not_show_images", "enable_pnginfo", "add_", "hide_", "js_"),
    *("sd_checkpoint_cache", "sd_checkpoints_", "sd_checkpoint_hash", "extra_networks_", "textual_inversion_", "img_"),
)
"""How the names of options begin that are about files and the page; they are read and not heeded."""


class OptionsBody(BaseModel):
    """Options by A1111's names. Others than these are either of no consequence to a picture, or refused."""

    model_config = ConfigDict(extra="allow", use_attribute_docstrings=True)

    sd_model_checkpoint: CheckpointPath | None = None
    """A checkpoint's title, with or without A1111's ` [hash]`, or its name."""
    CLIP_stop_at_last_layers: ClipSkip | None = None
    """Clip skip: 1 takes the text encoder's last layer, 2 the one before."""
    emphasis: Emphasis | None = None
    """What weights in prompts do."""


class OptionsView(View):
    """The options as they are."""

    sd_model_checkpoint: str | None
    """The chosen checkpoint's title; None: there is none."""
    CLIP_stop_at_last_layers: int
    emphasis: Emphasis
    sd_vae: str
    sd_unet: str
    samples_format: str
    eta_noise_seed_delta: int
    randn_source: str
    comma_padding_backtrack: int
    face_restoration: bool
    tiling: bool


@dataclass(frozen=True)
class Settings:
    """What the options say of the next picture."""

    checkpoint: str | None = None
    """Another one than is chosen on the page."""
    clip_skip: int = 1
    emphasis: Emphasis = Emphasis.ORIGINAL

    def changed(self, options: OptionsBody) -> "Settings":
        """Returns the settings with some options set.

        Raises:
            NotPossibleHere: there is no such option here, or it has another value than it can have.
        """
        check_others(options.model_extra or {})
        given: dict[str, Any] = {
            "checkpoint": without_hash(options.sd_model_checkpoint or "") or None,
            "clip_skip": options.CLIP_stop_at_last_layers,
            "emphasis": options.emphasis,
        }
        return replace(self, **{name: value for name, value in given.items() if value is not None})


class Options:
    """The options of the running server. Safe to use from several threads."""

    def __init__(self, txt2img: Txt2ImgService) -> None:
        self._txt2img = txt2img
        self._lock = threading.Lock()
        self._settings = Settings()

    @property
    def settings(self) -> Settings:
        """What they say of the next picture."""
        with self._lock:
            return self._settings

    def set(self, options: OptionsBody) -> None:
        """Sets options; the checkpoint is chosen for the page too, as in A1111.

        Raises:
            StudioError: one of them can't be set so; nothing has changed.
        """
        with self._lock:
            changed = self._settings.changed(options)
            if changed.checkpoint is not None:
                self._txt2img.select(changed.checkpoint)
            self._settings = replace(changed, checkpoint=None)


def options_routes(options: Options, txt2img: Txt2ImgService) -> APIRouter:
    """Returns the routes of options."""
    router = APIRouter()

    @router.get("/options")
    def get_options() -> OptionsView:
        """Tells the options."""
        info = chosen(txt2img)
        settings = options.settings
        return OptionsView(
            sd_model_checkpoint=info.title if info else None,
            CLIP_stop_at_last_layers=settings.clip_skip,
            emphasis=settings.emphasis,
            **FIXED,
        )

    @router.post("/options", responses=refusals(404, 422))
    def set_options(body: OptionsBody) -> None:
        """Sets options. They hold until the server ends."""
        options.set(body)

    return router


def chosen(txt2img: Txt2ImgService) -> CheckpointInfo | None:
    """Returns the chosen checkpoint, or None where there is none that can be loaded."""
    try:
        return txt2img.checkpoint
    except StudioError:
        return None


def without_hash(title: str) -> str:
    """Returns a checkpoint's title without the ` [0123456789]` that A1111 puts behind it."""
    name, bracket, _ = title.rpartition(" [")
    return name if bracket and title.endswith("]") else title


def check_others(options: Mapping[str, Any]) -> None:
    """Checks the options that are not obeyed.

    Raises:
        NotPossibleHere: one of them is unknown, or would make another picture.
    """
    for name, value in options.items():
        if name in FIXED:
            if value is not None and value != FIXED[name] and value not in _SAME.get(name, ()):
                raise NotPossibleHere(f"The option {name} is always {FIXED[name]!r} here; found {value!r}.")
        elif not name.startswith(_CHANGES_NO_PICTURE):
            known = ", ".join((*OptionsBody.model_fields, *FIXED))
            raise NotPossibleHere(f"There is no option {name!r} here that could be set; there are {known}.")


def unheeded(options: OptionsBody) -> list[str]:
    """Returns the names of those options that were set and make no difference."""
    return [name for name in options.model_extra or {} if name not in FIXED]
