"""The Train tab: the request at the left in A1111's words, the live monitor at the right."""

from typing import Any, get_args

import gradio as gr
from gradio.components import Component

from ti_studio.training.config.request import TrainRequest
from ti_studio.training.data.captions import list_templates
from ti_studio.web.server.errors import shows_errors
from ti_studio.web.server.services import Services
from ti_studio.web.ui.advanced_options import advanced_options, unshown_options
from ti_studio.web.ui.components import AT_ONCE, QUIET, live_text, place
from ti_studio.web.ui.datasets import dataset_group
from ti_studio.web.ui.form import Form
from ti_studio.web.ui.more_options import NAME, read_more_options
from ti_studio.web.ui.preset_choice import AT_FIRST, preset_choice
from ti_studio.web.ui.quicksettings import Quicksettings

SILENCE = {"text": ""}
SAID = """<p class="ti-note" role="status">{{value.text}}</p>"""
TELL_MONITOR = "() => document.dispatchEvent(new Event('ti:job'))"


def train_tab(services: Services, settings: Quicksettings) -> None:
    """Builds the tab and wires it."""
    controls: dict[str, Component] = {"checkpoint": settings.checkpoint}
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=320, elem_id="ti_train_settings"):
            choice = preset_choice(settings)
            controls |= _word()
            dataset = dataset_group()
            controls["dataset_directory"] = dataset.directory
            controls |= _prompts(services)
            controls |= _learning()
            controls |= _size()
            controls |= _records()
            advanced, more = advanced_options()
            controls |= advanced
        with gr.Column(scale=1, min_width=320, elem_id="ti_train_monitor"):
            with gr.Row(elem_id="ti_train_actions"):
                train = gr.Button(
                    "Train Embedding", variant="primary", size="lg", elem_id="ti_train_button", min_width=160
                )
                place("ti_job_actions", "Stop and resume")
            said = live_text("ti_train_status", SILENCE, SAID)
            place("ti_monitor", "Training")
    form = Form(TrainRequest, controls, fixed=unshown_options(controls))
    sized = settings.give_size(controls["width"], controls["height"])

    def templates() -> dict[Any, Any]:
        return {controls["template"]: gr.update(choices=list(list_templates(services.folders.templates)))}

    # One after the other: two updates of one control at the same time lose a value; pictures are checked for a size.
    loaded = sized.then(shows_errors(templates), outputs=[controls["template"]], **QUIET)
    choice.wire({**controls, NAME: more})
    begun = choice.begin(controls, loaded)
    recalled = choice.recall({**controls, NAME: more}, begun)
    dataset.wire(services.folders, controls["name"], (controls["width"], controls["height"]), recalled)

    def submit(values: dict[Component, Any]) -> dict[Any, Any]:
        written = read_more_options(values[more], form.fixed)
        job = services.jobs.submit(form.read(values, {**choice.unshown(values), **written}))
        position = job.summary()["queue_position"]
        if position is None:
            return {said: SILENCE}
        waits = f"Another training runs. {job.request.name} waits as number {position} and starts by itself."
        return {said: {"text": waits}}

    submitted = train.click(shows_errors(submit), inputs={*form.inputs, choice.preset, more}, outputs=[said], **QUIET)
    submitted.success(None, js=TELL_MONITOR, **AT_ONCE)


def _word() -> dict[str, Component]:
    with gr.Group():
        with gr.Row():
            name = gr.Textbox(
                "",
                label="Name",
                info="The new word: prompts use it, and the file in the embeddings folder bears it.",
                elem_id="ti_name",
                max_lines=1,
                placeholder="blue-cat",
            )
            initialization_text = gr.Textbox(
                AT_FIRST["initialization_text"],
                label="Initialization text",
                info="What the word means before step 1: the kind of thing it is, such as dog or oil painting.",
                elem_id="ti_initialization_text",
                max_lines=1,
            )
        place("ti_suggestions", "Suggested initialization texts")
        vectors = gr.Slider(
            1,
            75,
            value=AT_FIRST["vectors_per_token"],
            step=1,
            label="Number of vectors per token",
            info="Prompt positions the word takes. More learn more and leave less say to the rest; 1 to 4 is usual.",
            elem_id="ti_vectors",
        )
        with gr.Row():
            overwrite = gr.Checkbox(AT_FIRST["overwrite"], label="Overwrite Old Embedding", elem_id="ti_overwrite")
            save_as = gr.Radio(
                ["safetensors", "pt"], value=AT_FIRST["save_as"], label="File format", elem_id="ti_save_as"
            )
        metadata = gr.Checkbox(
            AT_FIRST["metadata"],
            label="Say in the file how it was made",
            info="Settings and names, never where on this machine things lie.",
            elem_id="ti_metadata",
        )
    return {
        "name": name,
        "initialization_text": initialization_text,
        "vectors_per_token": vectors,
        "overwrite": overwrite,
        "save_as": save_as,
        "metadata": metadata,
    }


def _prompts(services: Services) -> dict[str, Component]:
    template = gr.Dropdown(
        list_templates(services.folders.templates),
        value=AT_FIRST["template"],
        label="Prompt template",
        info="A line of it is drawn for each picture and step. [name] is the word, [filewords] the caption.",
        allow_custom_value=True,
        elem_id="ti_template",
    )
    return {"template": template}


def _learning() -> dict[str, Component]:
    with gr.Group():
        learning_rate = gr.Textbox(
            AT_FIRST["learning_rate"],
            label="Embedding Learning rate",
            info="A rate, or rate:step pairs such as 0.005:100, 1e-3:1000, 1e-5. The last rate holds to the end.",
            elem_id="ti_learning_rate",
            max_lines=1,
        )
        unit = gr.Radio(
            list(get_args(TrainRequest.model_fields["learning_rate_unit"].annotation)),
            value=AT_FIRST["learning_rate_unit"],
            label="Learning rate unit",
            info="absolute is the optimizer's own, as 0.005 is. vocabulary: how far a row moves in a step, in the "
            "vocabulary's mean norm.",
            elem_id="ti_learning_rate_unit",
        )
        with gr.Row():
            batch_size = _whole("Batch size", "batch_size", "Pictures a step looks at.")
            accumulation = _whole(
                "Gradient accumulation steps", "gradient_accumulation_steps", "Batches summed into one step."
            )
        with gr.Row():
            max_steps = _whole("Max steps", "max_steps", "Or fewer, when the word no longer gets better.")
            seed = _whole(
                "Seed", "seed", "The same seed and settings give the same embedding.", elem_id="ti_train_seed"
            )
    return {
        "learning_rate": learning_rate,
        "learning_rate_unit": unit,
        "batch_size": batch_size,
        "gradient_accumulation_steps": accumulation,
        "max_steps": max_steps,
        "seed": seed,
    }


def _size() -> dict[str, Component]:
    with gr.Group():
        with gr.Row():
            width = gr.Slider(32, 2048, value=512, step=8, label="Width", info="Pixels.", elem_id="ti_train_width")
            height = gr.Slider(32, 2048, value=512, step=8, label="Height", info="Pixels.", elem_id="ti_train_height")
        flip = gr.Checkbox(
            AT_FIRST["flip"],
            label="Flip",
            info="Also learn from mirrored pictures. Not for anything that has a left and a right.",
            elem_id="ti_flip",
        )
        describe = gr.Checkbox(
            AT_FIRST["describe_background"],
            label="Describe plain backgrounds",
            info="Prompts of pictures without captions say “on a blue background”; the word then leaves it alone.",
            elem_id="ti_describe_background",
        )
    return {"width": width, "height": height, "flip": flip, "describe_background": describe}


def _records() -> dict[str, Component]:
    with gr.Group():
        with gr.Row():
            save_every = _whole(
                "Save a copy of embedding every N steps, 0 to disable", "save_every", "Kept in the training's folder."
            )
            preview_every = _whole(
                "Save an image every N steps, 0 to disable", "preview_every", "Always with the same seeds."
            )
        with gr.Row():
            prompts = gr.Textbox(
                AT_FIRST["preview_prompts"],
                label="Preview prompts",
                info="One a line; [name] is the word.",
                elem_id="ti_preview_prompts",
                lines=2,
                max_lines=8,
                scale=3,
            )
            negative = gr.Textbox(
                AT_FIRST["preview_negative_prompt"],
                label="Preview negative prompt",
                info="Of all previews.",
                elem_id="ti_preview_negative_prompt",
                lines=2,
                max_lines=8,
                scale=2,
            )
        with gr.Row():
            preview_count = _whole("Preview pictures", "preview_count", "Of each prompt.")
            preview_seed = _whole("Preview seed", "preview_seed", "Of each prompt's first picture.")
    return {
        "save_every": save_every,
        "preview_every": preview_every,
        "preview_prompts": prompts,
        "preview_negative_prompt": negative,
        "preview_count": preview_count,
        "preview_seed": preview_seed,
    }


def _whole(label: str, field: str, info: str, *, elem_id: str | None = None) -> gr.Number:
    """Returns a control for a whole number; the request says which numbers are allowed."""
    return gr.Number(
        AT_FIRST[field], label=label, info=info, precision=0, min_width=120, elem_id=elem_id or f"ti_{field}"
    )
