"""Types and limits that fields of several requests share. Imports no torch."""

from typing import Annotated, Literal

from pydantic import Field

MOST_CHARACTERS = 100_000
"""The most characters of any text in a request, other than prompts and captions, which have limits of their own."""
Side = Annotated[int, Field(ge=32, le=2048, multiple_of=8)]
"""A picture's width or height, pixels."""
Precision = Literal["auto", "fp32", "bf16", "fp16"]
"""The precision that UNet and text encoders compute in."""
