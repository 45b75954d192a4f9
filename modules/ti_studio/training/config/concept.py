"""One of the words that a training teaches. Imports no torch."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ti_studio.field_types import MOST_CHARACTERS
from ti_studio.path_fields import EmbeddingPath, NewName


class Concept(BaseModel):
    """A word that is taught beside the training's first one, from the same pictures.

    It can be written as a line, `name : initialization text : vectors : initialization file`, of which everything
    behind the name may be left out.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, str_max_length=MOST_CHARACTERS
    )

    name: NewName
    """The word, and its file's name in `embeddings/`."""

    initialization_text: str = "*"
    """What the word means before the first step."""

    vectors_per_token: int = Field(default=2, ge=1, le=75)
    """Rows of the embedding, and prompt positions the word takes."""

    initialization_file: EmbeddingPath = ""
    """An embedding file to start from instead of the initialization text."""

    @model_validator(mode="before")
    @classmethod
    def _line_is_word(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        parts = [part.strip() for part in value.split(":", len(cls.model_fields) - 1)]
        said = dict(zip(cls.model_fields, parts, strict=False))
        return {name: text for name, text in said.items() if text or name == "name"}

    def __str__(self) -> str:
        """Returns the line that stands for it."""
        line = f"{self.name} : {self.initialization_text} : {self.vectors_per_token}"
        return f"{line} : {self.initialization_file}" if self.initialization_file else line
