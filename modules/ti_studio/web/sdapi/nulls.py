"""A1111's clients send null for what they leave out."""

from typing import Any


def without_nulls(values: Any) -> Any:
    """Returns a body without its nulls; what is no body, as it is."""
    return {key: value for key, value in values.items() if value is not None} if isinstance(values, dict) else values
