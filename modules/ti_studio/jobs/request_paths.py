"""The gate that every file and folder named by a request goes through."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from ti_studio.embeddings.formats.header_picture import DATA, header_picture
from ti_studio.embeddings.names import check_name
from ti_studio.errors import NotFound
from ti_studio.folders import Folders, check_possible, expanded, inside, resolved
from ti_studio.path_fields import Place, marked_fields
from ti_studio.training.data.captions import find_template

Model = TypeVar("Model", bound=BaseModel)


class Gate:
    """Says where the paths of a request lead, and whether the server lets it reach that.

    Where the folders are guarded, a path has to stay in the folder of its kind, links resolved. Elsewhere it may lead
    anywhere: whoever asks may read all of this machine's files anyway.
    """

    def __init__(self, folders: Folders) -> None:
        """Guards these folders."""
        self._folders = folders
        self._ways: Mapping[Place, Callable[[str], Path | str]] = {
            Place.PICTURES: self._picture,
            Place.DATASETS: self.dataset,
            Place.EMBEDDINGS: self._embedding,
            Place.VAES: self._vae,
            Place.TEMPLATES: self.template,
            Place.CHECKPOINTS: _possible,  # the service that offers checkpoints knows which
            Place.NAMES: _name,
        }

    def passed(self, request: Model) -> Model:
        """Returns the request with absolute paths in it, its parts likewise; a picture itself in place of its path.

        Raises:
            EmbeddingError: a picture can't be read.
            NotFound: there is no such VAE, embedding or template, or a path is none.
            OutsideFolder: a path leads where the server does not let it.
            BadName: a new name is none for a file.
        """
        changed: dict[str, Any] = {}
        for name, mark in marked_fields(type(request)):
            text = getattr(request, name)
            if not text and mark.place is not Place.NAMES:
                continue
            leads_to = self._ways[mark.place](text)
            if not mark.kept:
                changed[name] = str(leads_to)
        for name in type(request).model_fields:
            value = getattr(request, name)
            if isinstance(value, BaseModel):
                changed[name] = self.passed(value)
            elif isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
                changed[name] = tuple(self.passed(part) for part in value)
        return request.model_copy(update=changed)

    def dataset(self, text: str) -> Path:
        """Returns a folder of pictures, or what belongs to them.

        Raises:
            NotFound: it is no path.
            OutsideFolder: the server only lets what is in its folder of datasets be used.
        """
        if not text.strip():
            raise NotFound("The dataset directory is empty; expected the path of a folder of pictures.")
        return self._below(self._folders.dataset_root or self._folders.data, text)

    def template(self, text: str) -> Path:
        """Returns a file of prompt templates.

        Raises:
            NotFound: there is none.
            OutsideFolder: it lies somewhere that the server does not let others see.
        """
        return find_template(self._folders.templates, text, anywhere=not self._folders.are_guarded)

    def _embedding(self, text: str) -> Path:
        path = self._below(self._folders.embeddings, text)
        if not path.is_file():
            raise NotFound(f"There is no embedding file {path}, which the training was to start from.")
        return path

    def _picture(self, text: str) -> str:
        """Returns the picture itself, as a data URL: the training needs its file no longer."""
        return header_picture(text if text.startswith(DATA) else self.dataset(text))

    def _vae(self, text: str) -> Path:
        home = self._folders.checkpoints.parent / "VAE"
        path = self._below(home, text)
        if not path.exists():
            raise NotFound(f"There is no VAE {path}; expected a file or a diffusers folder, by its path or in {home}.")
        return path

    def _below(self, home: Path, text: str) -> Path:
        """Returns a path that may be relative to its home, and must lie in it where the folders are guarded."""
        return inside(home, text) if self._folders.are_guarded else resolved(home / expanded(text))


def _possible(text: str) -> Path:
    check_possible(text)
    return Path(text)


def _name(text: str) -> Path:
    check_name(text)
    return Path(text)
