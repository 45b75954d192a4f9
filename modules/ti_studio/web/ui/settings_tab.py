"""The Settings tab: the settings that extensions declare with `opts.add_option`, one sub-tab per section."""

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
NOTIFY_SCRIPTS = "() => { document.dispatchEvent(new Event('ti-options-changed')); }"
BY_TYPE: Mapping[type, Callable[..., Component]] = {
    str: gr.Textbox,
    bool: gr.Checkbox,
    int: partial(gr.Number, precision=0),
    float: gr.Number,
}


@dataclass(frozen=True)
class Setting:
    """A setting with its component on the page."""

    key: str
    info: OptionInfo
    component: Component


def settings_by_section(extensions: ExtensionHost) -> dict[tuple[str, str], dict[str, OptionInfo]]:
    """Returns the visible settings by section identifier and title, in the order of their declaration."""
    sections: dict[tuple[str, str], dict[str, OptionInfo]] = {}
    for key, info in extensions.options.data_labels.items():
        if info.section is not None and info.section[0] is not None:
            sections.setdefault((str(info.section[0]), str(info.section[1])), {})[key] = info
    return sections


def settings_tab(extensions: ExtensionHost, page: gr.Blocks) -> None:
    """Adds the tab if there are settings."""
    sections = settings_by_section(extensions)
    if not sections:
        return
    settings: list[Setting] = []
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
                    settings += [
                        setting for key, info in infos.items() if (setting := _add_setting(extensions, key, info))
                    ]
    _wire(extensions, page, apply, result, settings)


def _add_setting(extensions: ExtensionHost, key: str, info: OptionInfo) -> Setting | None:
    """Adds a setting; if its declaration is invalid, a message takes its place."""
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
        _refresh_button(extensions, owner, Setting(key, info, component))
    return Setting(key, info, component)


def _component(key: str, info: OptionInfo, value: Any) -> Component:
    """Returns a setting's component.

    Raises:
        TypeError: the declaration names no component and its default's type has none, or the component has no value.
        Exception: whatever the component raises.
    """
    make = info.component or BY_TYPE.get(type(info.default))
    if make is None:
        raise TypeError(f"its default is of type {type(info.default).__name__} and it names no component")
    component = make(label=info.label, value=value, elem_id=f"setting_{key}", **_arguments(info))
    if not isinstance(component, Component):
        raise TypeError(f"its component is {type(component).__name__}, which holds no value")
    return component


def _arguments(info: OptionInfo) -> dict[str, Any]:
    arguments = info.component_args() if callable(info.component_args) else info.component_args
    return dict(arguments or {})


def _refresh_button(extensions: ExtensionHost, owner: Owner, setting: Setting) -> None:
    button = gr.Button(f"Refresh {setting.info.label}", elem_classes="ti-tool ti-icon-refresh", min_width=40, scale=0)

    def refreshed_arguments() -> dict[str, Any]:
        assert setting.info.refresh is not None
        setting.info.refresh()
        return _arguments(setting.info)

    def refresh() -> Any:
        unchanged: dict[str, Any] = {}
        return gr.update(
            **extensions.boundary.attempt(
                owner, f"Refreshing the setting {setting.key!r}", refreshed_arguments, unchanged
            )
        )

    button.click(refresh, outputs=[setting.component], **AT_ONCE)


def _wire(
    extensions: ExtensionHost, page: gr.Blocks, apply: gr.Button, result: gr.HTML, settings: list[Setting]
) -> None:
    components: list[Component] = [setting.component for setting in settings]

    def current() -> dict[Any, Any]:
        data = extensions.options.data
        values = {setting.component: data.get(setting.key, setting.info.default) for setting in settings}
        updates: dict[Any, Any] = {component: gr.update(value=value) for component, value in values.items()}
        # Enabled only now: the arriving values replace anything typed before them.
        return {**updates, apply: gr.update(interactive=True)}

    def save(*values: Any) -> dict[str, Any]:
        changed = extensions.options.apply(
            {setting.key: value for setting, value in zip(settings, values, strict=True)}
        )
        count = "1 setting" if len(changed) == 1 else f"{len(changed)} settings"
        return {"text": f"{count} changed{': ' if changed else ''}{', '.join(changed)}."}

    saved = apply.click(shows_errors(save), inputs=components, outputs=[result], **QUIET)
    saved.then(None, js=NOTIFY_SCRIPTS, **AT_ONCE)
    page.load(current, outputs=[*components, apply], **AT_ONCE)
