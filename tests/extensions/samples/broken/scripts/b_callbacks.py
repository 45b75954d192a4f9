import sys

import gradio as gr

from modules import script_callbacks, shared


def on_ui_tabs():
    with gr.Blocks() as tab, gr.Row():
        gr.Textbox()
        raise ValueError("<img src=x onerror=window.hacked=1>")
    return [(tab, "never", "never")]


def on_ui_settings():
    section = ("broken", "Broken <img src=x onerror=window.hacked=1>")
    shared.opts.add_option("broken_slider", shared.OptionInfo(1, "Bad slider", gr.Slider, {"nope": 1}, section=section))
    shared.opts.add_option("broken_kind", shared.OptionInfo({}, "No component", section=section))
    shared.opts.add_option("broken_text", shared.OptionInfo("fine", "Good text", section=section))


script_callbacks.on_ui_tabs(on_ui_tabs)
script_callbacks.on_ui_tabs(lambda: ["no tab"])
script_callbacks.on_ui_settings(on_ui_settings)
script_callbacks.on_app_started(lambda demo, app: shared.sd_model)
script_callbacks.on_before_ui(lambda: sys.exit(3))
