"""Captions in one JSON file for many pictures, as sd-scripts' datasets for fine-tuning have them. Imports no torch."""

import json
from collections.abc import Mapping
from pathlib import Path

from ti_studio.errors import NotFound
from ti_studio.text_files import MEGABYTE, UnreadableText, read_text_file
from ti_studio.training.data.captions import MOST_CHARACTERS, BadCaption

_CAPTION, _TAGS = "caption", "tags"
_MOST_BYTES = 64 * MEGABYTE
"""Some hundred thousand pictures' captions."""


def read_caption_metadata(path: Path, folder: Path) -> Mapping[Path, str]:
    """Returns captions by pictures' paths, with or without their endings, as the file has them.

    A caption is the text, the tags, or both with a comma between them. Other keys (sizes, buckets) are passed over.

    Args:
        path: the JSON file: an object with one entry a picture.
        folder: what names in it are relative to.

    Raises:
        NotFound: there is no such file.
        BadCaption: it is no JSON, or an entry has no caption or too long a one; says which.
    """
    return {folder / name: _caption_of(entry, f"{path}, {name}") for name, entry in _entries(path).items()}


def folders_in(path: Path) -> list[Path]:
    """Returns the folders of the pictures that such a file names by their whole paths.

    Raises:
        NotFound, BadCaption: as `read_caption_metadata`.
    """
    paths = [Path(name) for name in _entries(path)]
    return sorted({path.parent for path in paths if path.is_absolute()})


def caption_for(picture: Path, captions: Mapping[Path, str]) -> str | None:
    """Returns the caption of a picture, None if it has none."""
    return captions.get(picture, captions.get(picture.with_suffix("")))


def _entries(path: Path) -> dict[str, object]:
    try:
        content = json.loads(read_text_file(path, _MOST_BYTES))
    except FileNotFoundError as error:
        raise NotFound(f"There is no file {path}; expected a JSON file of captions.") from error
    except UnreadableText as error:
        raise BadCaption(f"{error} Expected a JSON file of captions.") from error
    except (ValueError, RecursionError) as error:
        raise BadCaption(f"{path} is not JSON: {error}.") from error
    if not isinstance(content, dict):
        raise BadCaption(f"{path} holds a {type(content).__name__}; expected an object with an entry a picture.")
    return content


def _caption_of(entry: object, place: str) -> str:
    said = [entry.get(key) for key in (_CAPTION, _TAGS)] if isinstance(entry, dict) else []
    texts = [text.strip() for text in said if isinstance(text, str) and text.strip()]
    if not texts:
        raise BadCaption(f"{place}: found a {type(entry).__name__}; expected an object with caption or tags.")
    caption = ", ".join(texts)
    if len(caption) > MOST_CHARACTERS:
        raise BadCaption(f"{place}: found {len(caption):,} characters; expected {MOST_CHARACTERS:,} at most.")
    return caption
