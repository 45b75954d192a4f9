"""The tabs that extensions add to the page, and the tab that lists the extensions."""

import html
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from ti_studio.extensions.boundary import Owner
from ti_studio.extensions.host import ExtensionHost
from ti_studio.web.ui.components import PROBLEM, live_text, place

TAB_PARTS = 3


@dataclass(frozen=True)
class ExtensionTab:
    """A tab returned by an extension's `on_ui_tabs` callback, as in A1111: `(Blocks, title, elem_id)`."""

    owner: Owner
    blocks: gr.Blocks
    title: str
    elem_id: str


def collect_tabs(extensions: ExtensionHost) -> list[ExtensionTab]:
    """Calls `on_ui_tabs` and returns the valid tabs. Outside the page, so that a half-built tab leaves no trace."""
    tabs: list[ExtensionTab] = []
    for callback, returned in extensions.callbacks.call("ui_tabs"):
        for entry in returned if isinstance(returned, list | tuple) else [returned]:
            problem = _problem_with(entry, {tab.elem_id for tab in tabs})
            if problem:
                extensions.boundary.note(callback.owner.extension, f"The callback ui_tabs returned {problem}.")
            else:
                tabs.append(ExtensionTab(callback.owner, entry[0], str(entry[1]), str(entry[2])))
    return tabs


def show_tabs(extensions: ExtensionHost, tabs: list[ExtensionTab]) -> None:
    """Adds the tabs to the page that is being built."""
    for tab in tabs:
        with gr.Tab(tab.title, id=f"tab_{tab.elem_id}", elem_id=f"tab_{tab.elem_id}", render_children=True):
            action = f"Showing the tab {tab.title!r}"
            if not extensions.boundary.attempt(tab.owner, action, partial(_render, tab.blocks), False):
                live_text("", {"text": f"{tab.owner.extension}: this tab can't be shown; see Extensions."}, PROBLEM)


def extensions_tab(extensions: ExtensionHost) -> None:
    """Adds the tab that `javascript/studio/extensions.js` fills; its title counts the failed extensions."""
    failed = len(extensions.boundary.failed)
    title = f"Extensions ({failed} failed)" if failed else "Extensions"
    with gr.Tab(title, id="extensions", elem_id="ti_extensions_tab", render_children=True):
        place("ti_extensions", "Extensions")


def _render(blocks: gr.Blocks) -> bool:
    blocks.render()  # type: ignore[no-untyped-call]
    return True


def _problem_with(entry: Any, taken: set[str]) -> str:
    """Returns the problem with an entry of the list from `on_ui_tabs`, or an empty text."""
    if not isinstance(entry, list | tuple) or len(entry) != TAB_PARTS:
        return f"{type(entry).__name__} as a tab; expected (Blocks, title, elem_id)"
    if not isinstance(entry[0], gr.Blocks):
        return f"a tab of {type(entry[0]).__name__}; expected gr.Blocks"
    if str(entry[2]) in taken:
        return f"a tab with the id {html.escape(str(entry[2]))!r}, which another tab has"
    return ""
