"""What a file says of how its embedding was made: people pass files on, so the names of files and folders stand in it,
and never where on a machine these lie."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ti_studio.embeddings.embedding import Embedding
from ti_studio.embeddings.metadata import CHECKPOINT, REQUEST

PLACES = frozenset(
    {
        "checkpoint",
        "dataset_directory",
        "directory",
        "initialization_file",
        "mask_directory",
        "metadata_file",
        "metadata_thumbnail",
        "template",
        "vae",
    }
)
"""The fields of a training request that name files and folders; of these a relative path is shortened too."""

_PLACES = PLACES | {CHECKPOINT, "sd_checkpoint_name"}
_ABSOLUTE = re.compile(r"/|~[\w.-]*[\\/]|[a-z]:[\\/]|\\\\|file:", re.IGNORECASE)
"""How a path begins that leads from the root of a disk, a home folder or a share, on any system."""


def shareable(metadata: Mapping[str, str]) -> dict[str, str]:
    """Returns what of an embedding's metadata may go into a file: every path in it, also inside of JSON, as the name of
    what it leads to. A training request that can't be looked into is left out.

    Files of earlier versions and of other trainers hold whole paths; whatever is written from them does not.
    """
    texts = ((_named(name), _shareable_text(name, text)) for name, text in metadata.items())
    return {name: text for name, text in texts if text is not None}


def undescribed(embedding: Embedding) -> Embedding:
    """Returns the rows and the name alone, for a file that says nothing of how they were made."""
    return replace(embedding, step=None, metadata={})


def name_of(place: str) -> str:
    """Returns the last part of a path of any system; a name is one already."""
    return re.split(r"[\\/]", place.rstrip("\\/"))[-1]


def _shareable_text(name: str, text: str) -> str | None:
    """Returns what a file says under a name; None for nothing."""
    try:
        value = _object_in(text)
        if value is not None:
            short = _without_folders(value)
            return text if short == value else _json(short)
    except RecursionError:  # nested without end: nobody can tell what is in it
        return None
    return None if name == REQUEST else _shortened(name, text)


def _object_in(text: str) -> Any:
    """Returns the object or list that a text spells out in JSON; None where it is another text."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        return json.loads(text)
    except ValueError:
        return None


def _without_folders(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {_named(name): _without_folders(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [_without_folders(inner, key) for inner in value]
    return _shortened(key, value) if isinstance(value, str) else value


def _shortened(key: str, text: str) -> str:
    return name_of(text) if key in _PLACES else _named(text)


def _named(text: str) -> str:
    """Returns a text, or its last part where it is an absolute path, or `option=` and one."""
    option, sign, value = text.partition("=")
    if sign and option.isidentifier() and _ABSOLUTE.match(value):
        return f"{option}={name_of(value)}"
    return name_of(text) if _ABSOLUTE.match(text) else text


def _json(value: object) -> str:
    # Half of a surrogate pair, which JSON can spell out, can be in no file.
    return json.dumps(value, ensure_ascii=False).encode(errors="replace").decode()
