"""`/ti/embeddings`: what is in the library, as the cards show it."""

from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from ti_studio.embeddings.library import Entry, State
from ti_studio.errors import NotFound, StudioError
from ti_studio.web.errors import ErrorView
from ti_studio.web.pictures import PICTURE_ANSWERS, send_picture, version_of
from ti_studio.web.services import Services


class EmbeddingView(BaseModel):
    """One file of the library."""

    id: str
    """What the routes call it."""
    word: str
    """What prompts call it: the file's name without its ending."""
    file: str
    """The path inside the embeddings folder."""
    state: State
    """Whether prompts can use it with the selected checkpoint."""
    reason: str | None
    """Why they can't."""
    conflict: str | None
    """The file that has this word already, and is used in this one's place."""
    vectors_per_token: int | None
    family: str | None
    step: int | None
    """Training steps, where the file tells."""
    size: int
    """Bytes."""
    modified: float
    """Unix seconds."""
    sha256: str | None
    preview: str | None
    """The address of the preview picture, relative to `/ti/`; it changes when the picture does."""

    @classmethod
    def of(cls, entry: Entry) -> "EmbeddingView":
        """Returns the view of a library entry."""
        copied: dict[str, Any] = {name: getattr(entry, name) for name in cls.model_fields if hasattr(entry, name)}
        copied["file"] = entry.relative
        copied["preview"] = _preview_address(entry)
        return cls(**copied)


class LibraryView(BaseModel):
    """The library, seen with the selected checkpoint."""

    folder: str
    """Where embeddings are kept."""
    checkpoint: str | None
    """What compatibility is judged by; None when there is no checkpoint."""
    embeddings: list[EmbeddingView]


def embeddings_routes(services: Services) -> APIRouter:
    """Returns the routes of the library."""
    router = APIRouter(prefix="/ti/embeddings", tags=["embeddings"])

    @router.get("")
    def list_embeddings() -> LibraryView:
        """Lists every embedding, those that can't be used included, each with its reason."""
        return _look(services)

    @router.post("/refresh")
    def refresh_embeddings() -> LibraryView:
        """Looks at the folder again and lists what is there. Listing does so too."""
        return _look(services)

    @router.get(
        "/{embedding_id}/preview", response_class=Response, responses={**PICTURE_ANSWERS, 404: {"model": ErrorView}}
    )
    def preview(embedding_id: str, request: Request) -> Response:
        """Sends an embedding's preview picture."""
        entry = services.library.by_id(embedding_id)
        if entry.preview is None:
            raise NotFound(f"{entry.word!r} has no preview picture.")
        return send_picture(entry.preview, request)

    return router


def _look(services: Services) -> LibraryView:
    services.library.refresh()
    try:
        checkpoint = services.txt2img.checkpoint
        title, widths = checkpoint.title, checkpoint.widths
    except StudioError:
        title, widths = None, None
    views = [EmbeddingView.of(entry) for entry in services.library.entries(widths)]
    return LibraryView(folder=str(services.folders.embeddings), checkpoint=title, embeddings=views)


def _preview_address(entry: Entry) -> str | None:
    try:
        return f"embeddings/{entry.id}/preview?v={version_of(entry.preview)}" if entry.preview else None
    except OSError:
        return None
