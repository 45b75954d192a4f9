"""The Settings tab: what extensions have declared with `opts.add_option`, a page for every section."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr
from gradio.components import Component

from ti_studio.extensions.boundary import Owner
from ti_studio.extensions.host import ExtensionHost
from ti_studio.extensions.options import OptionInfo
from ti_studio.web.server.errors import shows_errors
from ti_studio.web.ui.components import AT_ONCE, PROBLEM, QUIET, live_text

RESULT = '<p role="status">{{value.text}}</p>'
TELL_SCRIPTS = "() => { document.dispatchEvent(new Event('ti-options-changed')); }"
BY_TYPE: Mapping[type, Callable[..., Component]] = {
    str: gr.Textbox,
    bool: gr.Checkbox,
    int: partial(gr.Number, precision=0),
    float: gr.Number,
}


@dataclass(frozen=True)
class Shown:
    """A setting on the page."""

    key: str
    info: OptionInfo
    component: Component


def declared(extensions: ExtensionHost) -> dict[tuple[str, str], dict[str, OptionInfo]]:
    """Returns the settings that are to be shown by their sections, in the order in which they were declared."""
    sections: dict[tuple[str, str], dict[str, OptionInfo]] = {}
    for key, info in extensions.options.data_labels.items():
        if info.section is not None and info.section[0] is not None:
            sections.setdefault((str(info.section[0]), str(info.section[1])), {})[key] = info
    return sections


def settings_tab(extensions: ExtensionHost, page: gr.Blocks) -> None:
    """Builds the tab, if there is a setting to show."""
    sections = declared(extensions)
    if not sections:
        return
    shown: list[Shown] = []
    with gr.Tab("Settings", id="settings", elem_id="ti_settings_tab", render_children=True):
        with gr.Row():
            apply = gr.Button(
                "Apply settings",
                variant="primary",
                elem_id="settings_submit",
                scale=0,
                min_width=180,
                interactive=False,
            )
            result = live_text("settings_result", {"text": ""}, RESULT)
        with gr.Tabs(elem_id="settings"):
            for (identifier, title), infos in sections.items():
                elem_id = f"settings_{identifier}"
                with gr.Tab(title, id=elem_id, elem_id=elem_id, render_children=True):
                    shown += [made for key, info in infos.items() if (made := _setting(extensions, key, info))]
    _wire(extensions, page, apply, result, shown)


def _setting(extensions: ExtensionHost, key: str, info: OptionInfo) -> Shown | None:
    """Shows a setting; one whose declaration does not work is told in its place."""
    if info.do_not_save:
        gr.HTML(info.comment_after)
        return None
    owner = extensions.options.owner(key) or Owner("unknown", extensions.folder)
    value = extensions.options.data.get(key, info.default)
    make = partial(_component, key, info, value)
    component = extensions.boundary.attempt(owner, f"Showing the setting {key!r}", make, None)
    if component is None:
        live_text("", {"text": f"{info.label or key} can't be shown; see Extensions."}, PROBLEM)
        return None
    if info.comment_before or info.comment_after:
        gr.HTML(f"{info.comment_before} {info.comment_after}", elem_classes="ti-note", padding=False)
    if info.refresh is not None:
        _refresh_button(extensions, owner, Shown(key, info, component))
    return Shown(key, info, component)


def _component(key: str, info: OptionInfo, value: Any) -> Component:
    """Makes a setting's component.

    Raises:
        TypeError: the declaration names no component and its default's type has none; or what Gradio raises.
    """
    make = info.component or BY_TYPE.get(type(info.default))
    if make is None:
        raise TypeError(f"its default is of type {type(info.default).__name__} and it names no component")
    made = make(label=info.label, value=value, elem_id=f"setting_{key}", **_arguments(info))
    if not isinstance(made, Component):
        raise TypeError(f"its component is {type(made).__name__}, which holds no value")
    return made


def _arguments(info: OptionInfo) -> dict[str, Any]:
    given = info.component_args() if callable(info.component_args) else info.component_args
    return dict(given or {})


def _refresh_button(extensions: ExtensionHost, owner: Owner, shown: Shown) -> None:
    button = gr.Button(f"Refresh {shown.info.label}", elem_classes="ti-tool ti-icon-refresh", min_width=40, scale=0)

    def again() -> dict[str, Any]:
        assert shown.info.refresh is not None
        shown.info.refresh()
        return _arguments(shown.info)

    def refresh() -> Any:
        nothing: dict[str, Any] = {}
        return gr.update(**extensions.boundary.attempt(owner, f"Refreshing the setting {shown.key!r}", again, nothing))

    button.click(refresh, outputs=[shown.component], **AT_ONCE)


def _wire(extensions: ExtensionHost, page: gr.Blocks, apply: gr.Button, result: gr.HTML, shown: list[Shown]) -> None:
    components: list[Component] = [setting.component for setting in shown]

    def current() -> dict[Any, Any]:
        data = extensions.options.data
        values = {setting.component: data.get(setting.key, setting.info.default) for setting in shown}
        updates: dict[Any, Any] = {component: gr.update(value=value) for component, value in values.items()}
        # Before the values arrive, they would replace what was typed.
        return {**updates, apply: gr.update(interactive=True)}

    def save(*values: Any) -> dict[str, Any]:
        changed = extensions.options.apply({setting.key: value for setting, value in zip(shown, values, strict=True)})
        count = "1 setting" if len(changed) == 1 else f"{len(changed)} settings"
        return {"text": f"{count} changed{': ' if changed else ''}{', '.join(changed)}."}

    saved = apply.click(shows_errors(save), inputs=components, outputs=[result], **QUIET)
    saved.then(None, js=TELL_SCRIPTS, **AT_ONCE)
    page.load(current, outputs=[*components, apply], **AT_ONCE)
