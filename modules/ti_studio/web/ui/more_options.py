"""The options of a training that the Train tab has no control for: written down, one a line."""

from collections.abc import Collection
from typing import Any

import gradio as gr

from ti_studio.errors import StudioError
from ti_studio.training.config.request import TrainRequest
from ti_studio.training.sd_scripts.toml_files import read_toml_text

NAME = "more_options"
"""The box's name among the form's values, which the browser keeps."""


class NoSuchOption(StudioError):
    """An option that no training has, or that the page has a control for."""

    status = 422


def more_options_box() -> gr.Textbox:
    """Builds the box."""
    return gr.Textbox(
        "",
        label="More options",
        info="What has no control here: name = value, one a line, such as noise_offset = 0.05, shuffle_caption = true."
        " docs/training.md lists them all.",
        elem_id="ti_more_options",
        lines=1,
        max_lines=12,
    )


def read_more_options(text: str, unshown: Collection[str]) -> dict[str, Any]:
    """Returns the values that lines in TOML give to fields of a request.

    Args:
        text: the box's.
        unshown: the fields that have no control.

    Raises:
        StudioError: it is no TOML, or names something else.
    """
    given = read_toml_text(text, "More options")
    for name in given:
        if name not in unshown:
            shown = name in TrainRequest.model_fields
            why = "has a control of its own on this page" if shown else "is no option of a training"
            raise NoSuchOption(f"More options: {name} {why}; expected a field of docs/training.md that the page lacks.")
    return given
