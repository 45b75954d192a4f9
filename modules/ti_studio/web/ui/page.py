"""The page: the checkpoint at the top, the tabs below."""

import gradio as gr
from gradio.themes.utils.fonts import Font, LocalFont

from ti_studio.extensions.host import ExtensionHost
from ti_studio.web.server.services import Services
from ti_studio.web.ui.components import place
from ti_studio.web.ui.extension_tabs import collect_tabs, extensions_tab, show_tabs
from ti_studio.web.ui.quicksettings import quicksettings
from ti_studio.web.ui.settings_tab import settings_tab
from ti_studio.web.ui.train_tab import train_tab
from ti_studio.web.ui.txt2img_tab import txt2img_tab

TITLE = "Textual Inversion Studio"


def build_page(services: Services, extensions: ExtensionHost, *, inside: bool = False) -> gr.Blocks:
    """Returns the whole page, with the tabs and settings of the loaded extensions.

    Args:
        services: the running studio.
        extensions: the loaded extensions.
        inside: whether the page is shown in a tab of another WebUI. It then has no title and opens at Train, because
            that WebUI has its own title and txt2img tab.
    """
    extensions.callbacks.call("ui_settings")
    more_tabs = collect_tabs(extensions)
    page = gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True, delete_cache=(3600, 86400))
    with page:
        settings = quicksettings(services, page, "" if inside else TITLE)
        with gr.Tabs(elem_id="ti_tabs", selected="train" if inside else None):
            with gr.Tab("txt2img", id="txt2img", elem_id="ti_txt2img", render_children=True):
                txt2img_tab(services, settings)
            with gr.Tab("Train", id="train", elem_id="ti_train", render_children=True):
                train_tab(services, settings)
            with gr.Tab("Embeddings", id="embeddings", elem_id="ti_embeddings", render_children=True):
                place("ti_tools", "Embeddings")
            show_tabs(extensions, more_tabs)
            settings_tab(extensions, page)
            if not extensions.is_absent:
                extensions_tab(extensions)
    return page


def theme() -> gr.themes.Base:
    """Returns a theme with A1111's density and local fonts, so that the page contacts no other server."""
    return gr.themes.Default(
        primary_hue="orange",
        neutral_hue="slate",
        spacing_size="sm",
        radius_size="sm",
        text_size="sm",
        font=(LocalFont("Source Sans Pro", weights=(400, 700)), "ui-sans-serif", "system-ui", "sans-serif"),
        font_mono=(Font("ui-monospace"), "Consolas", "monospace"),
    )
