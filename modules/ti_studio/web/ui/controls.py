"""The entries of a form's table: controls, and the rows and groups that arrange them."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args, get_origin

import gradio as gr
from gradio.components import Component

from ti_studio.training.config.request import TrainRequest
from ti_studio.web.ui.components import place
from ti_studio.web.ui.preset_choice import INITIAL_VALUES


class Part(Protocol):
    """One entry of the table."""

    def build(self) -> dict[str, Component]:
        """Adds the part to the page that is being built and returns its controls by the fields they fill."""


class Control:
    """The control of one field of the training request."""

    def __init__(
        self, kind: Callable[..., Component], field: str, label: str, info: str | None = None, **options: Any
    ) -> None:
        """Describes a control without making it.

        Args:
            kind: the Gradio component, or `number`.
            field: the request's field that the control fills.
            label: the control's heading.
            info: the line below the heading; None leaves it out.
            options: further arguments of `kind`. The defaults: `value` is the default preset's, `elem_id` is the
                field's name after `ti_`, and `choices` are the field's own if it has a fixed set of values.
        """
        self.kind = kind
        self.field = field
        self.label = label
        self.info = info
        self.options = options

    def build(self, **options: Any) -> dict[str, Component]:
        """Adds the control to the page and returns it by its field; `options` are arguments only known at runtime."""
        defaults: dict[str, Any] = {"value": INITIAL_VALUES[self.field], "elem_id": f"ti_{self.field}"}
        annotation = TrainRequest.model_fields[self.field].annotation
        if get_origin(annotation) is Literal:
            defaults["choices"] = list(get_args(annotation))
        return {self.field: self.kind(label=self.label, info=self.info, **{**defaults, **self.options, **options})}


class Container:
    """Parts inside one of Gradio's layout blocks."""

    def __init__(self, block: Callable[[], AbstractContextManager[Any]], *parts: Part) -> None:
        """Describes the parts, in the order in which they appear."""
        self.block = block
        self.parts = parts

    def build(self) -> dict[str, Component]:
        """Adds the block with its parts to the page and returns their controls by field."""
        with self.block():
            return build_all(*self.parts)


@dataclass(frozen=True)
class Place:
    """An element that one of the page's JavaScript modules fills."""

    elem_id: str
    label: str

    def build(self) -> dict[str, Component]:
        """Adds the empty element to the page; it has no controls."""
        place(self.elem_id, self.label)
        return {}


def group(*parts: Part) -> Container:
    """Returns parts in a common frame, one below the other."""
    return Container(gr.Group, *parts)


def row(*parts: Part) -> Container:
    """Returns parts side by side."""
    return Container(gr.Row, *parts)


def build_all(*parts: Part) -> dict[str, Component]:
    """Adds parts to the page, one after the other, and returns their controls by field.

    Raises:
        TypeError: two controls fill the same field.
    """
    controls: dict[str, Component] = {}
    for part in parts:
        built = part.build()
        if repeated := controls.keys() & built.keys():
            raise TypeError(f"{sorted(repeated)} have two controls; expected one for each field")
        controls |= built
    return controls


def number(value: float, **options: Any) -> gr.Number:
    """Returns a number box, for whole numbers if `value` is one. The request decides which numbers are allowed."""
    return gr.Number(value, precision=0 if isinstance(value, int) else None, min_width=120, **options)
