"""Settings; a frame around pictures, and a text in them."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr
from modules.shared import OptionInfo
from PIL import ImageOps

from modules import script_callbacks, shared

SECTION = ("framer", "Framer")


@dataclass
class Frame:
    width: int
    colour: str

    def around(self, image):
        return ImageOps.expand(image, self.width, self.colour)


def check():
    if shared.opts.framer_colour == "none":
        raise ValueError("there is no colour 'none'")


def on_ui_settings():
    width = OptionInfo(0, "Frame width", gr.Slider, {"minimum": 0, "maximum": 64, "step": 1}, section=SECTION)
    shared.opts.add_option("framer_width", width.info("pixels; 0 leaves pictures alone"))
    shared.opts.add_option("framer_colour", OptionInfo("white", "Frame colour", onchange=check, section=SECTION))
    shared.opts.add_option("framer_label", OptionInfo(True, "Note the frame in the file", section=SECTION))


def on_before_image_saved(params: script_callbacks.ImageSaveParams):
    if shared.opts.framer_width:
        frame = Frame(int(shared.opts.framer_width), shared.opts.framer_colour)
        params.image = frame.around(params.image)
        if shared.opts.framer_label:
            params.pnginfo["frame"] = f"{frame.width} {frame.colour} while {shared.state.job}"


script_callbacks.on_ui_settings(on_ui_settings)
script_callbacks.on_before_image_saved(on_before_image_saved)
script_callbacks.on_cfg_denoiser(lambda params: None)
