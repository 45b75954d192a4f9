"""The tabs that extensions add to the page, and the tab in which extensions are listed."""

import html
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from ti_studio.extensions.boundary import Owner
from ti_studio.extensions.host import ExtensionHost
from ti_studio.web.ui.components import PROBLEM, live_text, place

PARTS = 3


@dataclass(frozen=True)
class ExtensionTab:
    """What an extension's `on_ui_tabs` callback has returned."""

    owner: Owner
    blocks: gr.Blocks
    title: str
    elem_id: str


def collect_tabs(extensions: ExtensionHost) -> list[ExtensionTab]:
    """Calls `on_ui_tabs` and returns the tabs; outside of the page, so that half-built ones leave nothing in it."""
    tabs: list[ExtensionTab] = []
    for callback, returned in extensions.callbacks.call("ui_tabs"):
        for made in returned if isinstance(returned, list | tuple) else [returned]:
            problem = _why_not(made, {tab.elem_id for tab in tabs})
            if problem:
                extensions.boundary.note(callback.owner.extension, f"The callback ui_tabs returned {problem}.")
            else:
                tabs.append(ExtensionTab(callback.owner, made[0], str(made[1]), str(made[2])))
    return tabs


def show_tabs(extensions: ExtensionHost, tabs: list[ExtensionTab]) -> None:
    """Puts the tabs into the page that is being built."""
    for tab in tabs:
        with gr.Tab(tab.title, id=f"tab_{tab.elem_id}", elem_id=f"tab_{tab.elem_id}", render_children=True):
            doing = f"Showing the tab {tab.title!r}"
            if not extensions.boundary.attempt(tab.owner, doing, partial(_render, tab.blocks), False):
                live_text("", {"text": f"{tab.owner.extension}: this tab can't be shown; see Extensions."}, PROBLEM)


def extensions_tab(extensions: ExtensionHost) -> None:
    """Builds the tab, which `javascript/studio/extensions.js` draws; its title says whether something is wrong."""
    failed = len(extensions.boundary.failed)
    title = f"Extensions ({failed} failed)" if failed else "Extensions"
    with gr.Tab(title, id="extensions", elem_id="ti_extensions_tab", render_children=True):
        place("ti_extensions", "Extensions")


def _render(blocks: gr.Blocks) -> bool:
    blocks.render()  # type: ignore[no-untyped-call]
    return True


def _why_not(made: Any, taken: set[str]) -> str:
    """Returns what is wrong with an element of the list that `on_ui_tabs` returns; empty if nothing is."""
    if not isinstance(made, list | tuple) or len(made) != PARTS:
        return f"{type(made).__name__} as a tab; expected (Blocks, title, elem_id)"
    if not isinstance(made[0], gr.Blocks):
        return f"a tab of {type(made[0]).__name__}; expected gr.Blocks"
    if str(made[2]) in taken:
        return f"a tab with the id {html.escape(str(made[2]))!r}, which another tab has"
    return ""
