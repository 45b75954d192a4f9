"""A form typed by the request that it fills: one component per field, matched by name and never by position."""

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
        """Matches components to the request's fields.

        Args:
            request_type: the model that `read` returns.
            components: the component of each field.
            fixed: the values of the fields without a component.

        Raises:
            TypeError: a field has neither or both, or a name is not a field of the request.
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
        """The components, as an event listener's `inputs`."""
        return set(self.components.values())

    def read(self, values: Mapping[Component, Any], fixed: Mapping[str, Any] | None = None) -> Request:
        """Returns the request with the page's values.

        Args:
            values: the components' values.
            fixed: replacements for the form's fixed values. Other names are ignored.

        Raises:
            pydantic.ValidationError: a value is not allowed.
        """
        replacements = {name: value for name, value in (fixed or {}).items() if name in self.fixed}
        entered = {name: values[component] for name, component in self.components.items()}
        return self.request_type(**{**self.fixed, **replacements, **entered})

    def show(self, request: Request) -> dict[Any, Any]:
        """Returns the value that each component displays for a request."""
        return {component: control_value(getattr(request, name)) for name, component in self.components.items()}


def control_value(value: Any) -> Any:
    """Returns a request's value as its control displays it: a tuple of texts becomes lines."""
    return "\n".join(map(str, value)) if isinstance(value, tuple) else value
