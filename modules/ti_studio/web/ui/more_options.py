"""The text box for training options that have no control on the Train tab, one per line."""

from collections.abc import Collection
from typing import Any

import gradio as gr

from ti_studio.errors import StudioError
from ti_studio.training.config.request import TrainRequest
from ti_studio.training.sd_scripts.toml_files import read_toml_text

NAME = "more_options"
"""The box's name among the form values that the browser stores."""


class NoSuchOption(StudioError):
    """An option that does not exist, or that has a control on the page."""

    status = 422


def more_options_box() -> gr.Textbox:
    """Returns the box, added to the page that is being built."""
    return gr.Textbox(
        "",
        label="More options",
        info="Options without a control, one per line: name = value, such as noise_offset = 0.05, "
        "shuffle_caption = true. docs/training.md lists them all.",
        elem_id="ti_more_options",
        lines=1,
        max_lines=12,
    )


def read_more_options(text: str, fields: Collection[str]) -> dict[str, Any]:
    """Returns the request's values in lines of TOML.

    Args:
        text: the box's content.
        fields: the request's fields that have no control.

    Raises:
        StudioError: the text is not TOML.
        NoSuchOption: a name is not in `fields`.
    """
    values = read_toml_text(text, "More options")
    for name in values:
        if name not in fields:
            why = (
                "has its own control on this page" if name in TrainRequest.model_fields else "is not a training option"
            )
            raise NoSuchOption(f"More options: {name} {why}; expected an option in docs/training.md without a control.")
    return values
