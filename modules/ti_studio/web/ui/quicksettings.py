"""The row above the tabs: the checkpoint that all tabs use."""

from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from ti_studio.errors import StudioError
from ti_studio.models.checkpoint.checkpoints import CheckpointInfo
from ti_studio.web.server.errors import shows_errors
from ti_studio.web.server.services import Services
from ti_studio.web.ui.components import AT_ONCE, QUIET, live_text

REFRESH_CARDS = "() => { document.dispatchEvent(new Event('ti:checkpoint')); }"
"""The cards show which embeddings fit the checkpoint."""


@dataclass(frozen=True)
class Quicksettings:
    """The row's controls and events, for the tabs that depend on them."""

    page: gr.Blocks
    services: Services
    checkpoint: gr.Dropdown
    chosen: Dependency
    """The event of selecting another checkpoint. Once it has succeeded, that is the server's checkpoint."""

    def servers_checkpoint(self) -> str:
        """Returns the name on the page of the server's checkpoint, or an empty text without one."""
        selected = _selected(self.services)
        return _name(selected, self.services) if selected else ""

    def give_size(self, width: Component, height: Component) -> Dependency:
        """Sets a tab's size to the checkpoint's default when the page loads and when the checkpoint changes.

        Returns the event of the page's loading.
        """

        def default_size() -> dict[Any, Any]:
            try:
                size = self.services.txt2img.checkpoint.default_size
            except StudioError:
                return {width: gr.skip(), height: gr.skip()}
            return {width: size, height: size}

        self.chosen.success(shows_errors(default_size), outputs=[width, height], **AT_ONCE)
        loaded: Dependency = self.page.load(shows_errors(default_size), outputs=[width, height], **AT_ONCE)
        return loaded


def quicksettings(services: Services, page: gr.Blocks, title: str) -> Quicksettings:
    """Returns the row, added to the page that is being built, with its events connected.

    Args:
        services: provide the checkpoints.
        page: the page, whose load event fills the list.
        title: the page's heading; empty inside another WebUI, whose own checkpoint box is above this one.
    """
    with gr.Row(elem_id="ti_quicksettings"):
        checkpoint = gr.Dropdown(
            label="Stable Diffusion checkpoint" if title else "The studio's checkpoint",
            elem_id="ti_checkpoint",
            min_width=220,
            scale=0,
            interactive=True,
        )
        refresh = gr.Button("Refresh checkpoints", elem_classes="ti-tool ti-icon-refresh", min_width=40, scale=0)
        if title:
            live_text("ti_title", {"title": title}, "<h1>{{value.title}}</h1>")

    def list_checkpoints() -> dict[Any, Any]:
        checkpoints = services.txt2img.checkpoints()
        selected = _selected(services)
        if selected is not None and selected.path not in {info.path for info in checkpoints}:
            checkpoints = [selected, *checkpoints]
        choices = [(info.title, _name(info, services)) for info in checkpoints]
        return {checkpoint: gr.update(choices=choices, value=_name(selected, services) if selected else None)}

    def select(chosen: str) -> None:
        services.txt2img.select(chosen)

    gr.on(
        [page.load, refresh.click],
        shows_errors(list_checkpoints),
        outputs=[checkpoint],
        **AT_ONCE,
    )
    selected = checkpoint.input(shows_errors(select), inputs=[checkpoint], **QUIET)
    selected.then(None, js=REFRESH_CARDS, **AT_ONCE)
    return Quicksettings(page, services, checkpoint, selected)


def _selected(services: Services) -> CheckpointInfo | None:
    try:
        return services.txt2img.checkpoint
    except StudioError:
        return None


def _name(info: CheckpointInfo, services: Services) -> str:
    """Returns a checkpoint's name in requests: its title, or its path if it is outside the checkpoint folder."""
    return info.title if info.path.is_relative_to(services.folders.checkpoints) else str(info.path)
