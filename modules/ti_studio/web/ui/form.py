"""A form is typed by the request that it fills: one component a field, found by name and never by position."""

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from gradio.blocks import Block
from gradio.components import Component
from pydantic import BaseModel

Request = TypeVar("Request", bound=BaseModel)


class Form(Generic[Request]):
    """Components, each under the name of the request's field that it fills."""

    def __init__(
        self,
        request_type: type[Request],
        components: Mapping[str, Component],
        *,
        fixed: Mapping[str, Any] | None = None,
    ) -> None:
        """Makes a form.

        Args:
            request_type: what the form is read into.
            components: the control of each field.
            fixed: the values of those fields that have no control.

        Raises:
            TypeError: a field has neither or both, or a name is no field.
        """
        self.request_type = request_type
        self.components = dict(components)
        self.fixed = dict(fixed or {})
        unmatched = (set(self.components) | set(self.fixed)) ^ set(request_type.model_fields)
        unmatched |= set(self.components) & set(self.fixed)
        if unmatched:
            raise TypeError(f"{request_type.__name__} and its form disagree on {sorted(unmatched)}")

    @property
    def inputs(self) -> set[Block]:
        """What an event listener takes as its inputs."""
        return set(self.components.values())

    def read(self, values: Mapping[Component, Any], fixed: Mapping[str, Any] | None = None) -> Request:
        """Returns the request that the page's values make.

        Args:
            values: what the controls show.
            fixed: values for fields without a control that differ from the form's own.

        Raises:
            pydantic.ValidationError: a value is not allowed.
        """
        unshown = {name: value for name, value in (fixed or {}).items() if name in self.fixed}
        shown = {name: values[control] for name, control in self.components.items()}
        return self.request_type(**{**self.fixed, **unshown, **shown})

    def show(self, request: Request) -> dict[Any, Any]:
        """Returns what each control shows for a request."""
        return {control: shown(getattr(request, name)) for name, control in self.components.items()}


def shown(value: Any) -> Any:
    """Returns what a control shows for a request's value: several texts are lines."""
    return "\n".join(map(str, value)) if isinstance(value, tuple) else value
