"""Elements and event options that several parts of the page share."""

from typing import Any, Final

import gradio as gr

QUIET: Final[dict[str, Any]] = {"show_progress": "hidden", "api_visibility": "private"}
"""Event options: no progress overlay, and no entry in Gradio's own API, because REST is under `/ti/`."""

AT_ONCE: Final[dict[str, Any]] = {**QUIET, "queue": False}
"""The same without the queue, for listeners that never fail: Gradio does not show their errors."""

PROBLEM: Final = '<p class="ti-problem">{{value.text}}</p>'
"""A template for `live_text` that shows a problem."""


def place(elem_id: str, label: str, *, hidden: bool = False) -> None:
    """Adds an empty section that one of the page's JavaScript modules finds by its id and fills."""
    _raw(f'<section id="{elem_id}" aria-label="{label}"{" hidden" if hidden else ""}></section>')


def live_text(elem_id: str, value: dict[str, Any], template: str) -> gr.HTML:
    """Returns a display for data. The template's `{{…}}` insert values as text, never as markup.

    Args:
        elem_id: the element's id.
        value: the initial data.
        template: HTML with Handlebars expressions.
    """
    return _raw(value, html_template=template, elem_id=elem_id)


def _raw(value: Any, **options: Any) -> gr.HTML:
    return gr.HTML(value, js_on_load=None, apply_default_css=False, padding=False, **options)
