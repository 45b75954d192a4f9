"""The txt2img tab: prompts and Generate above, the cards below them, settings at the left, pictures at the right."""

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
from ti_studio.web.server.progress_view import NOTHING_YET, GenerationProgress
from ti_studio.web.server.services import Services
from ti_studio.web.ui.components import AT_ONCE, QUIET, live_text, place
from ti_studio.web.ui.form import Form
from ti_studio.web.ui.quicksettings import Quicksettings

DEFAULT = {name: field.default for name, field in GenerateRequest.model_fields.items()}
TELL_CARDS = "() => { setTimeout(() => document.dispatchEvent(new Event('input'))); }"
"""A prompt that the server changes tells the page nothing."""
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
    """The right column. The state lists, for each picture of the gallery, its infotext and seed."""

    progress: gr.HTML
    gallery: gr.Gallery
    infotext: gr.Textbox
    made: gr.State
    seed: gr.State

    def all(self) -> list[Block]:
        return [self.progress, self.gallery, self.infotext, self.made, self.seed]

    def show(self, progress: GenerationProgress) -> dict[Component, Any]:
        """Returns what to show of a painting under way.

        The gallery gets its value alone, never with another property: Gradio 6.31's page writes the old value back when
        it applies both to a component while the next message is already there, and the pictures are gone.
        """
        shown: dict[Component, Any] = {self.progress: progress.progress()}
        if progress.take_news():
            first = progress.pictures[0] if progress.pictures else None
            shown[self.gallery] = [str(picture.path) for picture in progress.pictures]
            shown[self.made] = [(picture.infotext, picture.seed) for picture in progress.pictures]
            shown[self.infotext] = first.infotext if first else ""
            if first:
                shown[self.seed] = first.seed
        return shown


def txt2img_tab(services: Services, settings: Quicksettings) -> None:
    """Builds the tab and wires it."""
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
                controls["seed"] = gr.Number(DEFAULT["seed"], label="Seed", precision=0, elem_id="ti_seed")
                any_seed = gr.Button("Random seed", elem_classes="ti-tool ti-icon-dice", min_width=40, scale=0)
                same_seed = gr.Button("Reuse last seed", elem_classes="ti-tool ti-icon-recycle", min_width=40, scale=0)
            controls |= _reading()
            controls |= _noise()
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
            placeholder="Negative prompt\n(what the picture should not be)",
        ),
    }


def _actions() -> _Actions:
    generate = gr.Button("Generate", variant="primary", size="lg", elem_id="ti_generate")
    interrupt = gr.Button("Interrupt", variant="stop", size="lg", elem_id="ti_interrupt", visible=False)
    with gr.Row(elem_classes="ti-tools"):
        gr.Button("Extra networks", elem_id="ti_cards_button", elem_classes="ti-tool ti-icon-cards", min_width=40)
        paste = gr.Button(
            "Read generation parameters from the prompt, or of the last picture", elem_classes="ti-tool ti-icon-paste"
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
        sampler = gr.Dropdown(sampler_names(), value=DEFAULT["sampler"], label="Sampling method")
        steps = gr.Slider(1, 150, value=DEFAULT["steps"], step=1, label="Sampling steps", elem_id="ti_steps")
    return {"sampler": sampler, "steps": steps}


def _size() -> dict[str, Component]:
    with gr.Row():
        width = gr.Slider(32, 2048, value=512, step=8, label="Width", elem_id="ti_width")
        height = gr.Slider(32, 2048, value=512, step=8, label="Height", elem_id="ti_height")
    return {"width": width, "height": height}


def _guidance() -> dict[str, Component]:
    with gr.Row():
        count = gr.Slider(1, 64, value=DEFAULT["count"], step=1, label="Batch count")
        cfg_scale = gr.Slider(1, 30, value=DEFAULT["cfg_scale"], step=0.5, label="CFG Scale")
    return {"count": count, "cfg_scale": cfg_scale}


def _reading() -> dict[str, Component]:
    with gr.Accordion("How the prompt is read", open=False):
        clip_skip = gr.Slider(
            1,
            12,
            value=DEFAULT["clip_skip"],
            step=1,
            label="Clip skip",
            info="1 takes the last layer, 2 the one before.",
        )
        emphasis = gr.Radio(
            [mode.value for mode in Emphasis],
            value=DEFAULT["emphasis"].value,
            label="Emphasis",
            info="What weights do. No norm suits SDXL better; None takes brackets literally.",
            elem_id="ti_emphasis",
        )
    return {"clip_skip": clip_skip, "emphasis": emphasis}


def _noise() -> dict[str, Component]:
    with gr.Accordion("Noise of the sampler", open=False):
        eta = gr.Number(
            DEFAULT["eta"],
            label="Eta",
            minimum=0,
            maximum=1,
            step=0.05,
            info="How much new noise each step adds. Empty is the sampler's own: 1 for those with an a, 0 for DDIM.",
            elem_id="ti_eta",
        )
    return {"eta": eta}


def _results() -> _Results:
    progress = live_text("ti_progress", NOTHING_YET, PROGRESS)
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
    started.failure(lambda: idle | {results.progress: NOTHING_YET}, outputs=[results.progress, *idle], **AT_ONCE)
    actions.interrupt.click(services.txt2img.interrupt, **AT_ONCE)

    def selected(made: list[tuple[str, int]], event: gr.SelectData) -> dict[Any, Any]:
        infotext, seed = made[event.index]
        return {results.infotext: infotext, results.seed: seed}

    results.gallery.select(
        selected,
        inputs=[results.made],
        outputs=[results.infotext, results.seed],
        **QUIET,
    )


def _wire_restoring(services: Services, form: Form[GenerateRequest], actions: _Actions, results: _Results) -> None:
    """Lets a pasted infotext, or the one in a picture, fill in the form."""

    def restore(text: str, values: dict[Component, Any]) -> dict[Any, Any]:
        infotext = read_infotext(text)
        was = restored(infotext, form.read(values))
        notices = [*was.notices, *doubts(infotext, services.library, services.txt2img.checkpoint)]
        message = "Generation parameters were read." if infotext.settings else "There were only prompts to read."
        return form.show(was.request) | {results.progress: {"fraction": 0, "text": message, "notices": notices}}

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
        shown = trigger(shows_errors(handler), inputs={*form.inputs, button}, outputs=outputs, **QUIET)
        shown.then(None, js=TELL_CARDS, **AT_ONCE)


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
    cleared.then(None, js=TELL_CARDS, **AT_ONCE)
