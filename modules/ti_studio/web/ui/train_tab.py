"""The Train tab: the form on the left, with A1111's labels, and the live monitor on the right."""

from typing import Any

import gradio as gr
from gradio.components import Component

from ti_studio.training.config.request import TrainRequest
from ti_studio.training.data.captions import list_templates
from ti_studio.web.server.errors import shows_errors
from ti_studio.web.server.services import Services
from ti_studio.web.ui.components import AT_ONCE, QUIET, live_text, place
from ti_studio.web.ui.controls import build_all
from ti_studio.web.ui.datasets import dataset_group
from ti_studio.web.ui.form import Form
from ti_studio.web.ui.more_options import NAME, more_options_box, read_more_options
from ti_studio.web.ui.preset_choice import preset_choice
from ti_studio.web.ui.quicksettings import Quicksettings
from ti_studio.web.ui.train_controls import ADVANCED, SETTINGS, TEMPLATE, WORD, options_without_control

NO_MESSAGE = {"text": ""}
MESSAGE = """<p class="ti-note" role="status">{{value.text}}</p>"""
REFRESH_MONITOR = "() => document.dispatchEvent(new Event('ti:job'))"


def train_tab(services: Services, settings: Quicksettings) -> None:
    """Builds the tab and connects its events."""
    controls: dict[str, Component] = {"checkpoint": settings.checkpoint}
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=320, elem_id="ti_train_settings"):
            choice = preset_choice(settings)
            controls |= build_all(WORD)
            dataset = dataset_group()
            controls["dataset_directory"] = dataset.directory
            controls |= TEMPLATE.build(choices=list_templates(services.folders.templates))
            controls |= build_all(*SETTINGS)
            with gr.Accordion("Advanced", open=False, elem_id="ti_advanced"):
                gr.Markdown(
                    "These follow the preset unless changed. docs/training.md explains when each is worth a try."
                )
                controls |= build_all(*ADVANCED)
                more = more_options_box()
        with gr.Column(scale=1, min_width=320, elem_id="ti_train_monitor"):
            with gr.Row(elem_id="ti_train_actions"):
                train = gr.Button(
                    "Train Embedding",
                    variant="primary",
                    size="lg",
                    elem_id="ti_train_button",
                    min_width=160,
                    interactive=False,
                )
                place("ti_job_actions", "Stop and resume")
            message = live_text("ti_train_status", NO_MESSAGE, MESSAGE)
            place("ti_monitor", "Training")
    form = Form(TrainRequest, controls, fixed=options_without_control(controls))
    sized = settings.give_size(controls["width"], controls["height"])

    def templates() -> dict[Any, Any]:
        return {controls["template"]: gr.update(choices=list(list_templates(services.folders.templates)))}

    # In sequence: concurrent updates of one control lose a value, and the dataset check needs the final size.
    loaded = sized.then(shows_errors(templates), outputs=[controls["template"]], **QUIET)
    choice.wire({**controls, NAME: more})
    initialized = choice.initialize(controls, loaded)
    restored = choice.restore({**controls, NAME: more}, initialized)
    # Enabled only now: the browser's stored values replace anything typed before they arrive.
    restored.then(lambda: gr.update(interactive=True), outputs=[train], **AT_ONCE)
    dataset.wire(services.folders, controls["name"], (controls["width"], controls["height"]), restored)

    def submit(values: dict[Component, Any]) -> dict[Any, Any]:
        more_values = read_more_options(values[more], form.fixed)
        job = services.jobs.submit(form.read(values, {**choice.preset_values(values), **more_values}))
        position = job.summary()["queue_position"]
        if position is None:
            return {message: NO_MESSAGE}
        text = f"Another training runs. {job.request.name} waits as number {position} and starts automatically."
        return {message: {"text": text}}

    submitted = train.click(
        shows_errors(submit), inputs={*form.inputs, choice.preset, more}, outputs=[message], **QUIET
    )
    submitted.success(None, js=REFRESH_MONITOR, **AT_ONCE)
