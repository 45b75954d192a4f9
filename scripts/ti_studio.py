"""What A1111, Forge and reForge load: a tab with the studio in it. Everything else is in `ti_studio_bridge`."""

import html

import gradio as gr
from modules import script_callbacks, scripts, shared
from pathlib import Path
from ti_studio_bridge.bridge import the_bridge
from ti_studio_bridge.proxy import add_routes
from ti_studio_bridge.supported import refusal
from ti_studio_bridge.webui import HostWebUI, add_settings

FOLDER = Path(scripts.basedir()).absolute()
TITLE = "Textual Inversion Studio"
PLACE = '<div id="ti_studio_place" role="region" aria-label="Textual Inversion Studio"></div>'
REFUSAL = refusal(FOLDER)
webui = HostWebUI()


class GiveMemoryBack(scripts.Script):
    """Before a picture, brings back the model that a training had moved away."""

    def title(self):
        return TITLE

    def show(self, is_img2img):
        return scripts.AlwaysVisible

    def before_process(self, p, *args):
        webui.give_memory_back()


def tab():
    with gr.Blocks(analytics_enabled=False) as page:
        gr.HTML(f"<p>{html.escape(REFUSAL)}</p>" if REFUSAL else PLACE)
    return [(page, TITLE, "ti_studio")]


def app_started(demo, app):
    if demo is None:  # the WebUI has no page
        return
    add_routes(app, the_bridge(), completion=shared.opts.ti_studio_completion)
    the_bridge().attach(webui, webui.plan(FOLDER), start=shared.opts.ti_studio_autostart)


script_callbacks.on_ui_tabs(tab)
if REFUSAL:
    print(REFUSAL)  # noqa: T201 - the WebUI's console
else:
    script_callbacks.on_ui_settings(add_settings)
    script_callbacks.on_app_started(app_started)
