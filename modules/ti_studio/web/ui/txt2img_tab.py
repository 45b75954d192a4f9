"""The txt2img tab: prompts, Generate and the cards at the top, settings on the left, pictures on the right."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.blocks import Block
from gradio.components import Component

from ti_studio.generation.request import GenerateRequest
from ti_studio.generation.restoring import doubts, infotext_of, read_infotext, restored
from ti_studio.generation.samplers import sampler_names
from ti_studio.prompts.grammar import Emphasis
from ti_studio.web.server.errors import shows_errors
from ti_studio.web.server.progress_view import NO_PROGRESS, GenerationProgress
from ti_studio.web.server.services import Services
from ti_studio.web.ui.components import AT_ONCE, QUIET, live_text, place
from ti_studio.web.ui.form import Form
from ti_studio.web.ui.quicksettings import Quicksettings

DEFAULTS = {name: field.default for name, field in GenerateRequest.model_fields.items()}
REFRESH_CARDS = "() => { setTimeout(() => document.dispatchEvent(new Event('input'))); }"
"""Needed after the server changes a prompt, because that triggers no event in the browser."""
PROGRESS = """
<div class="ti-progress" role="status" aria-live="polite">
  <progress max="1" value="{{value.fraction}}" aria-label="Progress"></progress><span>{{value.text}}</span>
</div>
<ul class="ti-notices">{{#each value.notices}}<li>{{this}}</li>{{/each}}</ul>
"""


@dataclass(frozen=True)
class _Actions:
    """The buttons beside the prompts."""

    generate: gr.Button
    interrupt: gr.Button
    clear: gr.Button
    paste: gr.Button
    open_picture: gr.UploadButton


@dataclass(frozen=True)
class _Results:
    """The right column. `parameters` lists the infotext and seed of each picture in the gallery."""

    progress: gr.HTML
    gallery: gr.Gallery
    infotext: gr.Textbox
    parameters: gr.State
    seed: gr.State

    def all(self) -> list[Block]:
        return [self.progress, self.gallery, self.infotext, self.parameters, self.seed]

    def show(self, progress: GenerationProgress) -> dict[Component, Any]:
        """Returns the updates for a generation in progress.

        The gallery is only ever updated by its value, never together with another property. Gradio 6.31's page would
        write the old value back if the next message is already waiting, and the pictures would be lost.
        """
        updates: dict[Component, Any] = {self.progress: progress.progress()}
        if progress.take_news():
            first = progress.pictures[0] if progress.pictures else None
            updates[self.gallery] = [str(picture.path) for picture in progress.pictures]
            updates[self.parameters] = [(picture.infotext, picture.seed) for picture in progress.pictures]
            updates[self.infotext] = first.infotext if first else ""
            if first:
                updates[self.seed] = first.seed
        return updates


def txt2img_tab(services: Services, settings: Quicksettings) -> None:
    """Builds the tab and connects its events."""
    with gr.Row(elem_id="ti_prompts", equal_height=False):
        with gr.Column(scale=6, min_width=320):
            controls = _prompts()
        with gr.Column(scale=1, min_width=230):
            actions = _actions()
    place("ti_cards", "Extra networks", hidden=True)
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=320, elem_id="ti_txt2img_settings"):
            controls |= _sampling()
            controls |= _size()
            controls |= _guidance()
            with gr.Row(equal_height=False, elem_id="ti_seed_row"):
                controls["seed"] = gr.Number(DEFAULTS["seed"], label="Seed", precision=0, elem_id="ti_seed")
                any_seed = gr.Button("Random seed", elem_classes="ti-tool ti-icon-dice", min_width=40, scale=0)
                same_seed = gr.Button("Reuse last seed", elem_classes="ti-tool ti-icon-recycle", min_width=40, scale=0)
            controls |= _prompt_options()
            controls |= _sampler_options()
        with gr.Column(scale=1, min_width=320, elem_id="ti_txt2img_results"):
            results = _results()
    form = Form(GenerateRequest, controls)
    settings.give_size(controls["width"], controls["height"])
    _wire_generate(services, form, actions, results)
    _wire_restoring(services, form, actions, results)
    _wire_seeds(controls["seed"], any_seed, same_seed, results)
    _clear_prompts(actions.clear, controls["prompt"], controls["negative_prompt"])


def _prompts() -> dict[str, Component]:
    return {
        "prompt": gr.Textbox(
            label="Prompt",
            show_label=False,
            lines=3,
            max_lines=12,
            elem_id="ti_prompt",
            placeholder="Prompt\n(Ctrl+Enter generates, Escape interrupts)",
        ),
        "negative_prompt": gr.Textbox(
            label="Negative prompt",
            show_label=False,
            lines=3,
            max_lines=12,
            elem_id="ti_negative_prompt",
            placeholder="Negative prompt\n(what the picture should not show)",
        ),
    }


def _actions() -> _Actions:
    generate = gr.Button("Generate", variant="primary", size="lg", elem_id="ti_generate")
    interrupt = gr.Button("Interrupt", variant="stop", size="lg", elem_id="ti_interrupt", visible=False)
    with gr.Row(elem_classes="ti-tools"):
        gr.Button("Extra networks", elem_id="ti_cards_button", elem_classes="ti-tool ti-icon-cards", min_width=40)
        paste = gr.Button(
            "Read generation parameters from the prompt or the last picture", elem_classes="ti-tool ti-icon-paste"
        )
        open_picture = gr.UploadButton(
            "Read generation parameters from a picture (or drop it on the prompt)",
            elem_id="ti_open_picture",
            elem_classes="ti-tool ti-icon-picture",
            file_types=["image"],
            type="binary",
        )
        clear = gr.Button("Clear prompt", elem_classes="ti-tool ti-icon-trash", min_width=40)
    return _Actions(generate, interrupt, clear, paste, open_picture)


def _sampling() -> dict[str, Component]:
    with gr.Row():
        sampler = gr.Dropdown(sampler_names(), value=DEFAULTS["sampler"], label="Sampling method")
        steps = gr.Slider(1, 150, value=DEFAULTS["steps"], step=1, label="Sampling steps", elem_id="ti_steps")
    return {"sampler": sampler, "steps": steps}


def _size() -> dict[str, Component]:
    with gr.Row():
        width = gr.Slider(32, 2048, value=512, step=8, label="Width", elem_id="ti_width")
        height = gr.Slider(32, 2048, value=512, step=8, label="Height", elem_id="ti_height")
    return {"width": width, "height": height}


def _guidance() -> dict[str, Component]:
    with gr.Row():
        count = gr.Slider(1, 64, value=DEFAULTS["count"], step=1, label="Batch count")
        cfg_scale = gr.Slider(1, 30, value=DEFAULTS["cfg_scale"], step=0.5, label="CFG Scale")
    return {"count": count, "cfg_scale": cfg_scale}


def _prompt_options() -> dict[str, Component]:
    with gr.Accordion("How the prompt is read", open=False):
        clip_skip = gr.Slider(
            1,
            12,
            value=DEFAULTS["clip_skip"],
            step=1,
            label="Clip skip",
            info="1 uses the text encoder's last layer, 2 the one before it.",
        )
        emphasis = gr.Radio(
            [mode.value for mode in Emphasis],
            value=DEFAULTS["emphasis"].value,
            label="Emphasis",
            info="How weights are applied. No norm suits SDXL better. None takes brackets literally.",
            elem_id="ti_emphasis",
        )
    return {"clip_skip": clip_skip, "emphasis": emphasis}


def _sampler_options() -> dict[str, Component]:
    with gr.Accordion("Noise of the sampler", open=False):
        eta = gr.Number(
            DEFAULTS["eta"],
            label="Eta",
            minimum=0,
            maximum=1,
            step=0.05,
            info="Noise added at each step. Empty: the sampler's default, 1 for ancestral samplers (a), 0 for DDIM.",
            elem_id="ti_eta",
        )
    return {"eta": eta}


def _results() -> _Results:
    progress = live_text("ti_progress", NO_PROGRESS, PROGRESS)
    gallery = gr.Gallery(
        label="Output",
        show_label=False,
        height=512,
        object_fit="contain",
        format="png",
        interactive=False,
        buttons=["download", "fullscreen"],
        elem_id="ti_gallery",
    )
    infotext = gr.Textbox(
        label="Generation parameters", lines=3, interactive=False, buttons=["copy"], elem_id="ti_infotext"
    )
    return _Results(progress, gallery, infotext, gr.State([]), gr.State(-1))


def _wire_generate(services: Services, form: Form[GenerateRequest], actions: _Actions, results: _Results) -> None:
    running: dict[Any, Any] = {actions.generate: gr.update(visible=False), actions.interrupt: gr.update(visible=True)}
    idle: dict[Any, Any] = {actions.generate: gr.update(visible=True), actions.interrupt: gr.update(visible=False)}

    def generate(values: dict[Component, Any]) -> Iterator[dict[Any, Any]]:
        request = form.read(values)
        progress = GenerationProgress(request)
        yield running | results.show(progress)
        for event in services.txt2img.generate(request):
            if progress.take(event):
                yield results.show(progress)
        progress.finish()
        yield idle | results.show(progress)

    started = actions.generate.click(
        shows_errors(generate),
        inputs=form.inputs,
        outputs=[*results.all(), *idle],
        concurrency_limit=None,
        **QUIET,
    )
    started.failure(lambda: idle | {results.progress: NO_PROGRESS}, outputs=[results.progress, *idle], **AT_ONCE)
    actions.interrupt.click(services.txt2img.interrupt, **AT_ONCE)

    def selected(parameters: list[tuple[str, int]], event: gr.SelectData) -> dict[Any, Any]:
        infotext, seed = parameters[event.index]
        return {results.infotext: infotext, results.seed: seed}

    results.gallery.select(
        selected,
        inputs=[results.parameters],
        outputs=[results.infotext, results.seed],
        **QUIET,
    )


def _wire_restoring(services: Services, form: Form[GenerateRequest], actions: _Actions, results: _Results) -> None:
    """Makes a pasted infotext, or the one in a picture, fill in the form."""

    def restore(source: str, values: dict[Component, Any]) -> dict[Any, Any]:
        infotext = read_infotext(source)
        restoration = restored(infotext, form.read(values))
        notices = [*restoration.notices, *doubts(infotext, services.library, services.txt2img.checkpoint)]
        text = "Generation parameters were read." if infotext.settings else "Only prompts were found."
        return form.show(restoration.request) | {results.progress: {"fraction": 0, "text": text, "notices": notices}}

    def restore_pasted(values: dict[Component, Any]) -> dict[Any, Any]:
        pasted = str(values[form.components["prompt"]])
        return restore(pasted if pasted.strip() else str(values[results.infotext]), values)

    def restore_picture(values: dict[Component, Any]) -> dict[Any, Any]:
        return restore(infotext_of(values[actions.open_picture]), values)

    outputs = [*form.components.values(), results.progress]
    for button, trigger, handler in (
        (results.infotext, actions.paste.click, restore_pasted),
        (actions.open_picture, actions.open_picture.upload, restore_picture),
    ):
        filled = trigger(shows_errors(handler), inputs={*form.inputs, button}, outputs=outputs, **QUIET)
        filled.then(None, js=REFRESH_CARDS, **AT_ONCE)


def _wire_seeds(seed: Component, any_seed: gr.Button, same_seed: gr.Button, results: _Results) -> None:
    any_seed.click(lambda: -1, outputs=[seed], **AT_ONCE)
    same_seed.click(
        lambda last: last,
        inputs=[results.seed],
        outputs=[seed],
        **AT_ONCE,
    )


def _clear_prompts(clear: gr.Button, *prompts: Component) -> None:
    cleared = clear.click(lambda: [""] * len(prompts), outputs=list(prompts), **AT_ONCE)
    cleared.then(None, js=REFRESH_CARDS, **AT_ONCE)
