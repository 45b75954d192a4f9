"""The types of those fields of requests that name a file or folder. A field of such a type says where it may lead;
`jobs.request_paths.Gate` is what lets it through, and tests/web/test_paths_in_requests.py knows every field that is
none. Imports no torch.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any

from pydantic import BaseModel, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue

SCHEMA_KEY = "x-leads-to"
"""Where the OpenAPI description tells the place."""


class Place(str, Enum):
    """Where a path may lead on a server that others reach too; elsewhere it may lead anywhere."""

    DATASETS = "datasets"
    """Into the folder of datasets."""
    PICTURES = "pictures"
    """To a picture in the folder of datasets; or it is the picture itself, as a data URL."""
    EMBEDDINGS = "embeddings"
    """Into the library."""
    VAES = "VAEs"
    """Into `models/VAE`."""
    TEMPLATES = "templates"
    """Into the user's prompt templates or the shipped ones."""
    CHECKPOINTS = "checkpoints"
    """To a checkpoint that is offered."""
    NAMES = "names"
    """Nowhere: it is the name of a new file, and goes through `embeddings.names.check_name`."""


@dataclass(frozen=True)
class Reaches:
    """Marks a field whose text names a file or folder."""

    place: Place
    kept: bool = False
    """Whether the request keeps what was written, because the job's own place holds what it means."""

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Returns the text's schema with the place in it."""
        return {**handler(schema), SCHEMA_KEY: self.place.value}


DatasetFolderPath = Annotated[str, Reaches(Place.DATASETS)]
MainDatasetPath = Annotated[str, Reaches(Place.DATASETS, kept=True)]
PicturePath = Annotated[str, Reaches(Place.PICTURES)]
EmbeddingPath = Annotated[str, Reaches(Place.EMBEDDINGS)]
VaePath = Annotated[str, Reaches(Place.VAES)]
TemplatePath = Annotated[str, Reaches(Place.TEMPLATES, kept=True)]
CheckpointPath = Annotated[str, Reaches(Place.CHECKPOINTS, kept=True)]
NewName = Annotated[str, Reaches(Place.NAMES, kept=True)]


def marked_fields(model: type[BaseModel]) -> Iterator[tuple[str, Reaches]]:
    """Yields the names of a model's own fields that name files or folders, each with its mark."""
    for name, field in model.model_fields.items():
        for mark in _marks(field.metadata, field.annotation):
            yield name, mark


def _marks(metadata: list[object], annotation: object) -> Iterator[Reaches]:
    """Yields the marks of a type, those inside `X | None` and `tuple[X, ...]` too."""
    yield from (mark for mark in metadata if isinstance(mark, Reaches))
    for part in getattr(annotation, "__args__", ()):
        yield from _marks(list(getattr(part, "__metadata__", ())), part)
