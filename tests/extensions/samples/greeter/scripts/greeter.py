"""A tab with a button, and a route."""

import gradio as gr
from lib_greeter.greeting import greet

from modules import script_callbacks, scripts, shared

BASEDIR = scripts.basedir()


def on_ui_tabs():
    with gr.Blocks(analytics_enabled=False) as tab:
        name = gr.Textbox(label="Your name", elem_id="greeter_name")
        button = gr.Button("Greet", elem_id="greeter_greet")
        answer = gr.Textbox(label="Answer", elem_id="greeter_answer")
        button.click(lambda text: greet(shared.cmd_opts.greeting, text), inputs=[name], outputs=[answer])
    return [(tab, "Greeter", "greeter")]


def on_app_started(demo, app):
    @app.get("/greeter/hello")
    def hello(name: str = "nobody"):
        return {"greeting": greet(shared.cmd_opts.greeting, name), "basedir": BASEDIR, "job": shared.state.job}

    @app.post("/greeter/hello")
    def change():
        return {"changed": True}


script_callbacks.on_ui_tabs(on_ui_tabs)
script_callbacks.on_app_started(on_app_started, name="hello")
