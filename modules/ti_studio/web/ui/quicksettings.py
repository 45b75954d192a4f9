"""The row above the tabs: which checkpoint everything works with."""

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

TELL_CARDS = "() => { document.dispatchEvent(new Event('ti:checkpoint')); }"
"""What fits is another question with another checkpoint."""


@dataclass(frozen=True)
class Quicksettings:
    """The row's controls, for the tabs that depend on them."""

    page: gr.Blocks
    services: Services
    checkpoint: gr.Dropdown
    chosen: Dependency
    """The event of another one being chosen; it is the server's when that has succeeded."""

    def servers(self) -> str:
        """Returns what the page calls the server's checkpoint; an empty text if there is none."""
        selected = _selected(self.services)
        return _name(selected, self.services) if selected else ""

    def give_size(self, width: Component, height: Component) -> Dependency:
        """Makes a tab's size the checkpoint's own, at the start and whenever another one is chosen; returns the event
        of the start."""

        def own_size() -> dict[Any, Any]:
            try:
                size = self.services.txt2img.checkpoint.default_size
            except StudioError:
                return {width: gr.skip(), height: gr.skip()}
            return {width: size, height: size}

        self.chosen.success(shows_errors(own_size), outputs=[width, height], **AT_ONCE)
        loaded: Dependency = self.page.load(shows_errors(own_size), outputs=[width, height], **AT_ONCE)
        return loaded


def quicksettings(services: Services, page: gr.Blocks, title: str) -> Quicksettings:
    """Builds the row and wires it; without a title it stands below another checkpoint box, and says what its own is."""
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

    def show() -> dict[Any, Any]:
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
        shows_errors(show),
        outputs=[checkpoint],
        **AT_ONCE,
    )
    selected = checkpoint.input(shows_errors(select), inputs=[checkpoint], **QUIET)
    selected.then(None, js=TELL_CARDS, **AT_ONCE)
    return Quicksettings(page, services, checkpoint, selected)


def _selected(services: Services) -> CheckpointInfo | None:
    try:
        return services.txt2img.checkpoint
    except StudioError:
        return None


def _name(info: CheckpointInfo, services: Services) -> str:
    """Returns what requests call a checkpoint: its title, or the path of one that lies outside the folder."""
    return info.title if info.path.is_relative_to(services.folders.checkpoints) else str(info.path)
