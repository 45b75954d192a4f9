"""The page as the hosts lay it out: the checkpoint, txt2img, the extensions' tabs, the settings, a footer."""

import os

import gradio as gr

from modules import call_queue, processing, script_callbacks, scripts, sd_models, shared
from modules import ui_extra_networks_textual_inversion as cards


def conditionings(prompt, negative_prompt):
    """Encodes for a picture of two passes; fails, as A1111 does, where the model is not on the device."""
    with call_queue.queue_lock:
        p = processing.StableDiffusionProcessingTxt2Img(prompt, negative_prompt)
        scripts.before_process(p)
        if sd_models.FORGE:
            sd_models.memory_management.load_models_gpu([sd_models.model_data.sd_model])
        if sd_models.model_data.sd_model.device != "cuda":
            raise gr.Error("Expected all tensors to be on the same device")
        p.setup_conds()
        p.calculate_hr_conds()
        return {"c": p.c, "uc": p.uc, "hr_c": p.hr_c, "hr_uc": p.hr_uc}


FOOTER = """
<div><a href="#">API</a> • <a href="#">Github</a> • <a href="#">Gradio</a> • <a href="#">Startup profile</a></div>
<br />
<div class="versions">version: 1.10 • python: 3.10 • torch: 2.1 • gradio: 3.41 • checkpoint: <a href="#">demo</a></div>
"""


def txt2img(prompt, negative_prompt):
    return f"used: {', '.join(conditionings(prompt, negative_prompt)['c'])}"


def create_ui():
    with gr.Blocks(analytics_enabled=False) as txt2img_interface:
        prompt = gr.Textbox(label="Prompt", elem_id="txt2img_prompt", lines=3)
        negative = gr.Textbox(label="Negative prompt", elem_id="txt2img_neg_prompt", lines=3)
        generate = gr.Button("Generate", elem_id="txt2img_generate", variant="primary")
        made = gr.Textbox(label="Infotext", elem_id="html_info_txt2img")
        generate.click(txt2img, inputs=[prompt, negative], outputs=[made])
    script_callbacks.ui_settings_callback()
    with gr.Blocks(analytics_enabled=False) as settings_interface:
        for key, info in shared.opts.data_labels.items():
            kind = {bool: gr.Checkbox, str: gr.Textbox}.get(type(info.default), gr.Number)
            (info.component or kind)(
                label=info.label, value=shared.opts.data[key], elem_id=f"setting_{key}", **(info.component_args or {})
            )
        restart = gr.Button("Reload UI", elem_id="settings_restart_gradio")
        restart.click(shared.state.request_restart)
    interfaces = [(txt2img_interface, "txt2img", "txt2img"), *script_callbacks.ui_tabs_callback()]
    interfaces.append((settings_interface, "Settings", "settings"))
    with gr.Blocks(analytics_enabled=False, title="Stable Diffusion") as demo:
        with gr.Row(elem_id="quicksettings"):
            titles = list(sd_models.checkpoints_list)
            gr.Dropdown(titles, value=titles[0] if titles else None, label="Stable Diffusion checkpoint")
        with gr.Tabs(elem_id="tabs"):
            for interface, label, elem_id in interfaces:
                with gr.TabItem(label, id=elem_id, elem_id=f"tab_{elem_id}"):
                    interface.render()
        gr.HTML(FOOTER, elem_id="footer")
    return demo


def setup_ui_api(app):
    """Adds what a test asks the host."""

    def state():
        model, database = sd_models.model_data.sd_model, sd_models.database()
        memory = {"device": model.device}
        if sd_models.FORGE:
            memory = {"device": "cuda" if sd_models.memory_management.current_loaded_models else "cpu"}
        words = sorted(database.word_embeddings)
        return {"pid": os.getpid(), "words": words, "reloads": database.reloads, "cards": cards.list_items(), **memory}

    app.add_api_route("/stand-in/state", state, methods=["GET"])
    app.add_api_route("/stand-in/txt2img", conditionings, methods=["GET"])
