"""The common base of REST's models."""

import math
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict


class View(BaseModel):
    """An answer of REST. Its fields' docstrings become their descriptions in OpenAPI."""

    model_config = ConfigDict(use_attribute_docstrings=True)


def finite(value: Any) -> Any:
    """Returns the value with NaN and infinity, which JSON lacks, replaced by None, as after a diverged loss."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(each) for key, each in value.items()}
    return [finite(each) for each in value] if isinstance(value, list | tuple) else value


Number = Annotated[float | None, BeforeValidator(finite)]
