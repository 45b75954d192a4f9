"""What REST's models have in common."""

import math
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict


class View(BaseModel):
    """An answer of REST, whose fields' docstrings are their descriptions in the OpenAPI page."""

    model_config = ConfigDict(use_attribute_docstrings=True)


def finite(value: Any) -> Any:
    """Returns the value with NaN and infinity replaced by None, which JSON has none of: a diverged loss is missing."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(each) for key, each in value.items()}
    return [finite(each) for each in value] if isinstance(value, list | tuple) else value


Number = Annotated[float | None, BeforeValidator(finite)]
