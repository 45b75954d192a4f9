"""The Train tab's choice of a preset, which fills in the form for the checkpoint; and the form's values, which the
browser keeps over a reload."""

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
from ti_studio.web.ui.form import shown
from ti_studio.web.ui.quicksettings import Quicksettings

PRESET, PRESET_OF = "preset", "preset_of"
"""The choice's name among the form's values, and that of the checkpoint for which it has filled in the form."""

NOT_KEPT = frozenset({"checkpoint", "width", "height", "overwrite"})
"""What a reloaded page begins afresh with: the server's checkpoint and its size, and nothing to be overwritten."""

AT_FIRST: Mapping[str, Any] = {
    name: shown(value)
    for name, value in (
        {name: field.default for name, field in TrainRequest.model_fields.items()}
        | recipe(DEFAULT_PRESET, PUBLISHED[SD1.name])
    ).items()
}
"""What the control of each field shows before the page knows its checkpoint."""

_TELL = """(...values) => {{
  const names = {names};
  const form = Object.fromEntries(names.map((name, index) => [name, values[index]]));
  document.dispatchEvent(new CustomEvent("ti:form", {{ detail: form }}));
}}"""

_RECALL = """(...values) => new Promise((answer) => {{
  const names = {names}, presets = {presets}, decided = {decided};
  const form = Object.fromEntries(names.map((name, index) => [name, values[index]]));
  const recalled = (kept) => answer(names.map((name) => kept[name]));
  const detail = {{ form, presets, decided, recalled }};
  const ask = () => document.dispatchEvent(new CustomEvent("ti:form-recall", {{ detail }}));
  document.addEventListener("ti:form-ready", ask, {{ once: true }});
  ask();
}})"""
"""Asks javascript/studio/train/form.js, now or as soon as it is there."""


@dataclass(frozen=True)
class PresetChoice:
    """The choice, and the button that goes back to it."""

    settings: Quicksettings
    preset: gr.Dropdown
    reset: gr.Button
    of: gr.Textbox
    """The checkpoint for which the form was filled in last; nobody sees it."""

    def unshown(self, values: Mapping[Component, Any]) -> dict[str, Any]:
        """Returns what the chosen preset decides; the form takes from it what it has no control for."""
        return recipe(values[self.preset], self._presets(values[self.settings.checkpoint]))

    def wire(self, controls: Mapping[str, Component]) -> None:
        """Makes the choice, and that of another checkpoint, fill in the form, and tells the page's modules of every
        change."""
        decided = self._decided(controls)
        outputs = [*decided.values(), self.of]
        texts = [controls[name] for name in SUGGESTED]
        gr.on(
            [self.preset.input, self.reset.click],
            shows_errors(lambda values: self._filled(controls, values)),
            inputs={self.preset, self.settings.checkpoint, *texts},
            outputs=outputs,
            **QUIET,
        )
        self.settings.chosen.success(
            shows_errors(lambda values: self._moved(controls, values)),
            inputs={self.preset, self.settings.checkpoint, self.of, *decided.values()},
            outputs=outputs,
            **QUIET,
        )
        kept = self._kept(controls)
        tell = _TELL.format(names=json.dumps(list(kept)))
        changes = [control.change for control in kept.values()]  # type: ignore[attr-defined]  # each kind of ours has it
        gr.on(changes, None, inputs=list(kept.values()), js=tell, **AT_ONCE)

    def begin(self, controls: Mapping[str, Component], after: Dependency) -> Dependency:
        """Makes a fresh page show the preset as it is for the server's checkpoint."""
        begun: Dependency = after.then(
            shows_errors(lambda values: self._filled(controls, values)),
            inputs={self.preset, self.settings.checkpoint, *(controls[name] for name in SUGGESTED)},
            outputs=[*self._decided(controls).values(), self.of],
            **QUIET,
        )
        return begun

    def recall(self, controls: Mapping[str, Component], after: Dependency) -> Dependency:
        """Makes a reloaded page show what the form had before, as far as it was for the same checkpoint."""
        kept = self._kept(controls)
        components = list(kept.values())
        recall = _RECALL.format(
            names=json.dumps(list(kept)),
            presets=json.dumps(get_args(PresetName)),
            decided=json.dumps([name for name in self._decided(controls) if name not in SUGGESTED]),
        )
        recalled: Dependency = after.then(None, inputs=components, outputs=components, js=recall, **AT_ONCE)
        return recalled

    def _filled(self, controls: Mapping[str, Component], values: Mapping[Component, Any]) -> dict[Component, Any]:
        """Returns the form as the preset has it for the checkpoint."""
        present = {name: values[controls[name]] for name in SUGGESTED}
        checkpoint = values[self.settings.checkpoint] or self.settings.servers()
        filled = filled_in(values[self.preset], present, self._presets(checkpoint))
        shows = {control: filled[name] for name, control in self._decided(controls).items()}
        return {**shows, self.of: checkpoint}

    def _moved(self, controls: Mapping[str, Component], values: Mapping[Component, Any]) -> dict[Component, Any]:
        """Returns what changes in the form with the checkpoint: what it has as the preset had it before."""
        try:
            before = recipe(values[self.preset], self._presets(values[self.of]))
        except NoCheckpoint:  # that checkpoint is gone
            before = {}
        filled = self._filled(controls, values)
        decided = self._decided(controls).items()
        own = {control for name, control in decided if values[control] != shown(before.get(name, values[control]))}
        return {control: value for control, value in filled.items() if control not in own}

    def _presets(self, checkpoint: str | None) -> Presets:
        """Returns the presets for a checkpoint as the page calls it, or for the server's."""
        return presets_of(self.settings.services, checkpoint)

    def _decided(self, controls: Mapping[str, Component]) -> dict[str, Component]:
        return {name: controls[name] for name in DECIDED if name in controls}

    def _kept(self, controls: Mapping[str, Component]) -> dict[str, Component]:
        kept = {name: each for name, each in controls.items() if name not in NOT_KEPT}
        return {PRESET: self.preset, PRESET_OF: self.of, **kept}


def preset_choice(settings: Quicksettings) -> PresetChoice:
    """Builds the choice."""
    with gr.Row(equal_height=False, elem_id="ti_preset_row"):
        preset = gr.Dropdown(
            list(get_args(PresetName)), value=DEFAULT_PRESET, label="Preset", elem_id="ti_preset", min_width=160
        )
        reset = gr.Button("Back to the preset", elem_classes="ti-tool ti-icon-recycle", min_width=40, scale=0)
        of = gr.Textbox("", visible="hidden", elem_id="ti_preset_of")
    place("ti_preset_note", "What the preset is for")
    return PresetChoice(settings, preset, reset, of)


def presets_of(services: Services, checkpoint: str | None) -> Presets:
    """Returns the presets for a checkpoint as the page calls it, or for the server's; SD 1's if there is none.

    Raises:
        NoCheckpoint: there is none of this name.
        BadRecommendation: what its folder recommends can't be used.
    """
    if checkpoint:
        return presets_for(services.txt2img.find(checkpoint))
    try:
        return presets_for(services.txt2img.checkpoint)
    except NoCheckpoint:
        return PUBLISHED[SD1.name]


def filled_in(preset: str, present: Mapping[str, str], presets: Presets) -> dict[str, Any]:
    """Returns what the form shows of a preset's recipe; texts of a person's own stay.

    Args:
        preset: its name.
        present: what the form shows of the texts that presets suggest.
        presets: those for the checkpoint.
    """
    filled = {name: shown(value) for name, value in recipe(preset, presets).items()}
    for name in SUGGESTED:
        if present[name] not in [shown(value) for value in suggestions(name, presets)]:
            filled[name] = present[name]
    return filled
