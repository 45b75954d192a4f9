"""The Train tab's choice of a preset, which fills in the form; and the form's values, which the browser keeps over a
reload."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from ti_studio.training.presets import DEFAULT_PRESET, SUGGESTED, PresetName, recipe, suggestions
from ti_studio.training.request import TrainRequest
from ti_studio.web.errors import shows_errors
from ti_studio.web.form import shown
from ti_studio.web.pieces import AT_ONCE, place

PRESET = "preset"
"""The choice's name among the form's values."""

NOT_KEPT = frozenset({"checkpoint", "width", "height", "overwrite"})
"""What a reloaded page begins afresh with: the server's checkpoint and its size, and nothing to be overwritten."""

AT_FIRST: Mapping[str, Any] = {
    name: shown(value)
    for name, value in (
        {name: field.default for name, field in TrainRequest.model_fields.items()} | recipe(DEFAULT_PRESET)
    ).items()
}
"""What the control of each field shows on a fresh page."""

_TELL = """(...values) => {{
  const names = {names};
  const form = Object.fromEntries(names.map((name, index) => [name, values[index]]));
  document.dispatchEvent(new CustomEvent("ti:form", {{ detail: form }}));
}}"""

_RECALL = """(...values) => new Promise((answer) => {{
  const names = {names}, presets = {presets};
  const form = Object.fromEntries(names.map((name, index) => [name, values[index]]));
  const recalled = (kept) => answer(names.map((name) => kept[name]));
  const detail = {{ form, presets, recalled }};
  const ask = () => document.dispatchEvent(new CustomEvent("ti:form-recall", {{ detail }}));
  document.addEventListener("ti:form-ready", ask, {{ once: true }});
  ask();
}})"""
"""Asks javascript/studio/form.js, now or as soon as it is there."""


@dataclass(frozen=True)
class PresetChoice:
    """The choice, and the button that goes back to it."""

    preset: gr.Dropdown
    reset: gr.Button

    def unshown(self, values: Mapping[Component, Any]) -> dict[str, Any]:
        """Returns what the chosen preset decides; the form takes from it what it has no control for."""
        return recipe(values[self.preset])

    def wire(self, controls: Mapping[str, Component]) -> None:
        """Makes the choice fill in the form, and tells the page's modules of every change."""
        decided = [name for name in recipe(DEFAULT_PRESET) if name in controls]
        texts = [controls[name] for name in SUGGESTED]

        def choose(values: dict[Component, Any]) -> dict[Component, Any]:
            present = {name: values[controls[name]] for name in SUGGESTED}
            filled = filled_in(values[self.preset], present)
            return {controls[name]: filled[name] for name in decided}

        gr.on(
            [self.preset.input, self.reset.click],
            shows_errors(choose),
            inputs={self.preset, *texts},
            outputs=[controls[name] for name in decided],
            **AT_ONCE,
        )
        told = self._kept(controls)
        tell = _TELL.format(names=json.dumps(list(told)))
        changes = [control.change for control in told.values()]  # type: ignore[attr-defined]  # each kind of ours has it
        gr.on(changes, None, inputs=list(told.values()), js=tell, **AT_ONCE)

    def recall(self, controls: Mapping[str, Component], after: Dependency) -> Dependency:
        """Makes a reloaded page show what the form had before."""
        told = self._kept(controls)
        components = list(told.values())
        recall = _RECALL.format(names=json.dumps(list(told)), presets=json.dumps(get_args(PresetName)))
        recalled: Dependency = after.then(None, inputs=components, outputs=components, js=recall, **AT_ONCE)
        return recalled

    def _kept(self, controls: Mapping[str, Component]) -> dict[str, Component]:
        return {PRESET: self.preset, **{name: each for name, each in controls.items() if name not in NOT_KEPT}}


def preset_choice() -> PresetChoice:
    """Builds the choice."""
    with gr.Row(equal_height=False, elem_id="ti_preset_row"):
        preset = gr.Dropdown(
            list(get_args(PresetName)), value=DEFAULT_PRESET, label="Preset", elem_id="ti_preset", min_width=160
        )
        reset = gr.Button("Back to the preset", elem_classes="ti-tool ti-icon-recycle", min_width=40, scale=0)
    place("ti_preset_note", "What the preset is for")
    return PresetChoice(preset, reset)


def filled_in(preset: str, present: Mapping[str, str]) -> dict[str, Any]:
    """Returns what the form shows of a preset's recipe; texts of a person's own stay.

    Args:
        preset: its name.
        present: what the form shows of the texts that presets suggest.
    """
    filled = {name: shown(value) for name, value in recipe(preset).items()}
    for name in SUGGESTED:
        if present[name] not in [shown(value) for value in suggestions(name)]:
            filled[name] = present[name]
    return filled
