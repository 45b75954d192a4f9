"""`modules.script_callbacks`: what extensions want to be called for, and the calling."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ti_studio.extensions.boundary import Boundary, Owner
from ti_studio.extensions.metadata import Order
from ti_studio.extensions.ordering import ordered_names

Function = Callable[..., Any]

CALLED = {
    "on_app_started": "app_started",
    "on_before_ui": "before_ui",
    "on_ui_tabs": "ui_tabs",
    "on_ui_settings": "ui_settings",
    "on_before_image_saved": "before_image_saved",
    "on_image_saved": "image_saved",
    "on_script_unloaded": "script_unloaded",
}
"""A1111's registering functions, and what it calls their categories in callbacks' names."""

NEVER_CALLED = {
    "on_before_reload": "on_reload",
    "on_model_loaded": "model_loaded",
    "on_ui_train_tabs": "ui_train_tabs",
    "on_extra_noise": "extra_noise",
    "on_cfg_denoiser": "cfg_denoiser",
    "on_cfg_denoised": "cfg_denoised",
    "on_cfg_after_cfg": "cfg_after_cfg",
    "on_before_component": "before_component",
    "on_after_component": "after_component",
    "on_image_grid": "image_grid",
    "on_infotext_pasted": "infotext_pasted",
    "on_list_optimizers": "list_optimizers",
    "on_list_unets": "list_unets",
    "on_before_token_counter": "before_token_counter",
}
"""Those that exist, so that an extension with one of them loads, and of which it is told that nothing calls them."""

PARAMETERS = {
    "ImageSaveParams": ("image", "p", "filename", "pnginfo"),
    "ExtraNoiseParams": ("noise", "x", "xi"),
    "CFGDenoiserParams": (
        *("x", "image_cond", "sigma", "sampling_step", "total_sampling_steps", "text_cond", "text_uncond", "denoiser"),
    ),
    "CFGDenoisedParams": ("x", "sampling_step", "total_sampling_steps", "inner_model"),
    "AfterCFGCallbackParams": ("x", "sampling_step", "total_sampling_steps"),
    "UiTrainTabParams": ("txt2img_preview_params",),
    "ImageGridLoopParams": ("imgs", "cols", "rows"),
    "BeforeTokenCounterParams": ("prompt", "steps", "styles", "is_positive"),
}
"""The classes that A1111's callbacks are handed, and their fields."""


@dataclass
class ImageSaveParams:
    """What the two callbacks of saving are handed, under A1111's names."""

    image: Any
    """A PIL image; a callback before saving may put another in its place."""
    p: Any
    """What was asked for: prompt, negative_prompt, seed, steps, cfg_scale, sampler_name, width, height."""
    filename: str
    pnginfo: dict[str, Any]
    """The texts that the PNG holds; `parameters` is the infotext."""


def parameter_classes() -> dict[str, type]:
    """Returns the classes of `PARAMETERS`; extensions name them in annotations."""
    made = {
        name: dataclasses.make_dataclass(name, [(given, Any, field(default=None)) for given in fields])
        for name, fields in PARAMETERS.items()
    }
    return {**made, "ImageSaveParams": ImageSaveParams}


@dataclass(frozen=True)
class Callback:
    """One that was registered."""

    owner: Owner
    category: str
    name: str
    """`extension/script.py/category`, and `/name` or `-2` behind it, as A1111 has it."""
    function: Function


@dataclass
class Callbacks:
    """What was registered by the extensions of one server."""

    boundary: Boundary
    rules: Mapping[str, Order] = field(default_factory=dict)
    """Of callbacks' order, by their full names."""
    priorities: Callable[[str], Sequence[str]] = lambda _: ()
    """Returns the names that the person wants first in a category."""
    registered: list[Callback] = field(default_factory=list)

    def add(self, category: str, function: Function, name: str | None = None) -> None:
        """Registers a function of the extension whose code is running."""
        owner = self.boundary.running or Owner("unknown", Path())
        script = owner.script.name if owner.script else "unknown"
        full = f"{owner.extension.lower()}/{script}/{category}{f'/{name}' if name else ''}"
        taken = {callback.name for callback in self.registered}
        unique, number = full, 1
        while unique in taken:
            unique, number = f"{full}-{number}", number + 1
        self.registered.append(Callback(owner, category, unique, function))

    def registrar(self, registering: str) -> Function:
        """Returns A1111's `on_…` function of that name."""
        category = {**CALLED, **NEVER_CALLED}[registering]

        def on(callback: Function, *, name: str | None = None) -> None:
            if registering in NEVER_CALLED and (owner := self.boundary.running):
                self.boundary.remark(owner.extension, f"{registering} has no effect: the studio never calls it.")
            self.add(category, callback, name)

        on.__name__ = registering
        return on

    def remove_of_current_script(self) -> None:
        """Forgets everything that the running script has registered."""
        if owner := self.boundary.running:
            self.remove_of(owner)

    def remove_of(self, owner: Owner) -> None:
        """Forgets everything that a script has registered."""
        self.registered = [callback for callback in self.registered if callback.owner != owner]

    def remove_function(self, function: Function) -> None:
        """Forgets a function, for whatever it was registered."""
        self.registered = [callback for callback in self.registered if callback.function != function]

    def of(self, category: str) -> list[Callback]:
        """Returns the callbacks of a category in their order."""
        by_name = {callback.name: callback for callback in self.registered if callback.category == category}
        return [by_name[name] for name in ordered_names(list(by_name), self.rules, self.priorities(category))]

    def call(self, category: str, *values: Any) -> list[tuple[Callback, Any]]:
        """Calls a category's callbacks, and returns what those have returned that returned something."""
        results = []
        for callback in self.of(category):
            result = self.boundary.attempt(
                callback.owner, f"The callback {category}", partial(callback.function, *values), None
            )
            if result is not None:
                results.append((callback, result))
        return results
