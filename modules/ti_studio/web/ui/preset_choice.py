"""The Train tab's preset dropdown, which fills in the form for the checkpoint, and the form's values in the browser.

The browser stores the values so that they survive a reload.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from ti_studio.models.checkpoint.checkpoints import NoCheckpoint
from ti_studio.models.families import SD1
from ti_studio.training.config.preset_kinds import DECIDED, SUGGESTED, PresetName, Presets
from ti_studio.training.config.presets import DEFAULT_PRESET, presets_for, recipe, suggestions
from ti_studio.training.config.published_presets import PUBLISHED
from ti_studio.training.config.request import TrainRequest
from ti_studio.web.server.errors import shows_errors
from ti_studio.web.server.services import Services
from ti_studio.web.ui.components import AT_ONCE, QUIET, place
from ti_studio.web.ui.form import control_value
from ti_studio.web.ui.quicksettings import Quicksettings

PRESET, PRESET_OF = "preset", "preset_of"
"""The stored form's keys for the preset, and for the checkpoint for which the preset was last applied."""

NOT_STORED = frozenset({"checkpoint", "width", "height", "overwrite"})
"""The fields that a reload resets: the checkpoint and size to the server's, overwriting to off."""

INITIAL_VALUES: Mapping[str, Any] = {
    name: control_value(value)
    for name, value in (
        {name: field.default for name, field in TrainRequest.model_fields.items()}
        | recipe(DEFAULT_PRESET, PUBLISHED[SD1.name])
    ).items()
}
"""The value of each field's control until the checkpoint is known."""

_ANNOUNCE = """(...values) => {{
  const names = {names};
  const form = Object.fromEntries(names.map((name, index) => [name, values[index]]));
  document.dispatchEvent(new CustomEvent("ti:form", {{ detail: form }}));
}}"""

_RESTORE = """(...values) => new Promise((answer) => {{
  const names = {names}, presets = {presets}, decided = {decided};
  const form = Object.fromEntries(names.map((name, index) => [name, values[index]]));
  const recalled = (kept) => answer(names.map((name) => kept[name]));
  const detail = {{ form, presets, decided, recalled }};
  const ask = () => document.dispatchEvent(new CustomEvent("ti:form-recall", {{ detail }}));
  document.addEventListener("ti:form-ready", ask, {{ once: true }});
  ask();
}})"""
"""Requests the stored values from javascript/studio/train/form.js, now or once it has loaded."""


@dataclass(frozen=True)
class PresetChoice:
    """The preset dropdown, and the button that applies the preset again."""

    settings: Quicksettings
    preset: gr.Dropdown
    reset: gr.Button
    checkpoint: gr.Textbox
    """A hidden box with the checkpoint for which the preset was last applied."""

    def preset_values(self, values: Mapping[Component, Any]) -> dict[str, Any]:
        """Returns all values of the selected preset; the form uses those of the fields without a control."""
        return recipe(values[self.preset], self._presets(values[self.settings.checkpoint]))

    def wire(self, controls: Mapping[str, Component]) -> None:
        """Applies the preset when it or the checkpoint changes, and announces every change to the page's modules."""
        decided = self._decided(controls)
        outputs = [*decided.values(), self.checkpoint]
        texts = [controls[name] for name in SUGGESTED]
        gr.on(
            [self.preset.input, self.reset.click],
            shows_errors(lambda values: self._apply(controls, values)),
            inputs={self.preset, self.settings.checkpoint, *texts},
            outputs=outputs,
            **QUIET,
        )
        self.settings.chosen.success(
            shows_errors(lambda values: self._apply_to_untouched(controls, values)),
            inputs={self.preset, self.settings.checkpoint, self.checkpoint, *decided.values()},
            outputs=outputs,
            **QUIET,
        )
        stored = self._stored(controls)
        announce = _ANNOUNCE.format(names=json.dumps(list(stored)))
        changes = [control.change for control in stored.values()]  # type: ignore[attr-defined]  # all these kinds have it
        gr.on(changes, None, inputs=list(stored.values()), js=announce, **AT_ONCE)

    def initialize(self, controls: Mapping[str, Component], after: Dependency) -> Dependency:
        """Applies the preset for the server's checkpoint when the page loads; returns that event."""
        initialized: Dependency = after.then(
            shows_errors(lambda values: self._apply(controls, values)),
            inputs={self.preset, self.settings.checkpoint, *(controls[name] for name in SUGGESTED)},
            outputs=[*self._decided(controls).values(), self.checkpoint],
            **QUIET,
        )
        return initialized

    def restore(self, controls: Mapping[str, Component], after: Dependency) -> Dependency:
        """Restores the stored values after a reload, as far as they are for this checkpoint; returns that event."""
        stored = self._stored(controls)
        components = list(stored.values())
        restore = _RESTORE.format(
            names=json.dumps(list(stored)),
            presets=json.dumps(get_args(PresetName)),
            decided=json.dumps([name for name in self._decided(controls) if name not in SUGGESTED]),
        )
        restored: Dependency = after.then(None, inputs=components, outputs=components, js=restore, **AT_ONCE)
        return restored

    def _apply(self, controls: Mapping[str, Component], values: Mapping[Component, Any]) -> dict[Component, Any]:
        """Returns the form's values with the preset applied for the checkpoint."""
        texts = {name: values[controls[name]] for name in SUGGESTED}
        checkpoint = values[self.settings.checkpoint] or self.settings.servers_checkpoint()
        filled = filled_in(values[self.preset], texts, self._presets(checkpoint))
        updates = {control: filled[name] for name, control in self._decided(controls).items()}
        return {**updates, self.checkpoint: checkpoint}

    def _apply_to_untouched(
        self, controls: Mapping[str, Component], values: Mapping[Component, Any]
    ) -> dict[Component, Any]:
        """Returns the preset's values for another checkpoint, except for controls that the user has changed."""
        try:
            previous = recipe(values[self.preset], self._presets(values[self.checkpoint]))
        except NoCheckpoint:  # the previous checkpoint was deleted
            previous = {}
        filled = self._apply(controls, values)
        decided = self._decided(controls).items()
        changed = {
            control
            for name, control in decided
            if values[control] != control_value(previous.get(name, values[control]))
        }
        return {control: value for control, value in filled.items() if control not in changed}

    def _presets(self, checkpoint: str | None) -> Presets:
        """Returns the presets for a checkpoint by its name on the page; None or an empty name is the server's."""
        return presets_of(self.settings.services, checkpoint)

    def _decided(self, controls: Mapping[str, Component]) -> dict[str, Component]:
        return {name: controls[name] for name in DECIDED if name in controls}

    def _stored(self, controls: Mapping[str, Component]) -> dict[str, Component]:
        stored = {name: control for name, control in controls.items() if name not in NOT_STORED}
        return {PRESET: self.preset, PRESET_OF: self.checkpoint, **stored}


def preset_choice(settings: Quicksettings) -> PresetChoice:
    """Returns the preset row, added to the page that is being built."""
    with gr.Row(equal_height=False, elem_id="ti_preset_row"):
        preset = gr.Dropdown(
            list(get_args(PresetName)), value=DEFAULT_PRESET, label="Preset", elem_id="ti_preset", min_width=160
        )
        reset = gr.Button("Back to the preset", elem_classes="ti-tool ti-icon-recycle", min_width=40, scale=0)
        checkpoint = gr.Textbox("", visible="hidden", elem_id="ti_preset_of")
    place("ti_preset_note", "What the preset is for")
    return PresetChoice(settings, preset, reset, checkpoint)


def presets_of(services: Services, checkpoint: str | None) -> Presets:
    """Returns the presets for a checkpoint by its name on the page.

    No name is the server's checkpoint; without any checkpoint the presets are those of SD 1.

    Raises:
        NoCheckpoint: no checkpoint has this name.
        BadRecommendation: the recommended settings in the checkpoint's folder are invalid.
    """
    if checkpoint:
        return presets_for(services.txt2img.find(checkpoint))
    try:
        return presets_for(services.txt2img.checkpoint)
    except NoCheckpoint:
        return PUBLISHED[SD1.name]


def filled_in(preset: str, texts: Mapping[str, str], presets: Presets) -> dict[str, Any]:
    """Returns the form's values for a preset; texts that the user has written are preserved.

    Args:
        preset: the preset's name.
        texts: the form's present values of the fields in `SUGGESTED`.
        presets: the presets for the checkpoint.
    """
    filled = {name: control_value(value) for name, value in recipe(preset, presets).items()}
    for name in SUGGESTED:
        if texts[name] not in [control_value(value) for value in suggestions(name, presets)]:
            filled[name] = texts[name]
    return filled
