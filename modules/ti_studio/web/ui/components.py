"""Small pieces that several parts of the page are made of."""

from typing import Any, Final

import gradio as gr

QUIET: Final[dict[str, Any]] = {"show_progress": "hidden", "api_visibility": "private"}
"""For event listeners: no overlay on the outputs, and no entry in Gradio's own API; REST is under `/ti/`."""

AT_ONCE: Final[dict[str, Any]] = {**QUIET, "queue": False}
"""The same, for what waits behind nothing and never fails: Gradio shows no error of such a listener."""

PROBLEM: Final = '<p class="ti-problem">{{value.text}}</p>'
"""A template for `live_text`: what could not be done."""


def place(elem_id: str, label: str, *, hidden: bool = False) -> None:
    """Leaves a place for one of the JavaScript modules, which finds it by its id and draws everything in it."""
    _raw(f'<section id="{elem_id}" aria-label="{label}"{" hidden" if hidden else ""}></section>')


def live_text(elem_id: str, value: dict[str, Any], template: str) -> gr.HTML:
    """Returns a display whose value is data; the template's `{{…}}` put it in as text, never as markup."""
    return _raw(value, html_template=template, elem_id=elem_id)


def _raw(value: Any, **options: Any) -> gr.HTML:
    return gr.HTML(value, js_on_load=None, apply_default_css=False, padding=False, **options)
