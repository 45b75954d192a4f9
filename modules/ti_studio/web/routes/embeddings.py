"""`/ti/embeddings`: what is in the library, one embedding in full, its pictures and its file."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from ti_studio.embeddings.cards.card_index import created
from ti_studio.embeddings.cards.thumbnails import Thumbnails
from ti_studio.embeddings.errors import BadName, UnreadableEmbedding
from ti_studio.embeddings.formats.png_embeddings import has_chunk
from ti_studio.embeddings.library.library import Entry, EntryState, Library
from ti_studio.embeddings.links import leads_away
from ti_studio.embeddings.metadata import CHECKPOINT, INITIALIZATION_TEXT, TRIGGER
from ti_studio.embeddings.names import check_name, displayed
from ti_studio.embeddings.sidecars import read_card
from ti_studio.errors import NotFound, StudioError
from ti_studio.jobs.name_lock import NameHeld, check_not_held, name_lock
from ti_studio.web.server.errors import ErrorView
from ti_studio.web.server.files import send_file
from ti_studio.web.server.pictures import PICTURE_ANSWERS, send_picture, version_of
from ti_studio.web.server.services import Services

THUMBNAILS_AT_ONCE = 2
"""Decoding a picture of the largest size takes 200 MB."""
FOREVER = "private, max-age=31536000, immutable"


class EmbeddingView(BaseModel):
    """One file of the library."""

    id: str
    """What the routes call it."""
    word: str
    """What prompts call it: the file's name without its ending."""
    file: str
    """The path inside the embeddings folder."""
    state: EntryState
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


class EmbeddingDetails(EmbeddingView):
    """One file of the library, with all that is known and written about it."""

    folder: str
    """Where it lies in the embeddings folder; empty for the folder itself."""
    created: float
    """When the file came to its place, in Unix seconds."""
    used: float | None
    """When a picture was last made with it, in Unix seconds; None where that is not known."""
    in_training: bool
    """Whether a training is about to write a file of this name; it can't be renamed, moved or deleted meanwhile."""
    description: str
    notes: str
    tags: list[str]
    preferred_weight: float | None
    negative: bool
    """Whether it belongs into the negative prompt."""
    card_problem: str | None
    """Why what is written about it can't be read."""
    trigger: str | None
    """The word that it was trained as, which is another one when the file was renamed."""
    base_checkpoint: str | None
    """The checkpoint that it was trained on."""
    initialization_text: str | None
    trained: str | None
    """Date and time of its training, in ISO 8601."""
    inside_preview: str | None
    """The preview's name, where there is another embedding in that picture. It is not used: a picture of the name of an
    embedding file is its preview."""

    @classmethod
    def full(cls, entry: Entry, services: Services) -> "EmbeddingDetails":
        """Returns what is known of a library entry; its sidecar files are read, and its hash worked out."""
        card = read_card(entry.path)
        view = EmbeddingView.of(entry).model_dump() | {"sha256": _sha256(services.library, entry)}
        return cls(
            **view,
            folder=entry.folder,
            created=created(entry),
            used=services.txt2img.last_used.times().get(entry.relative),
            in_training=_is_in_training(services, entry.path.stem),
            description=card.description,
            notes=card.notes,
            tags=list(card.tags),
            preferred_weight=card.weight,
            negative=card.negative,
            card_problem=card.problem,
            trigger=entry.metadata.get(TRIGGER),
            base_checkpoint=entry.metadata.get(CHECKPOINT) or entry.metadata.get("sd_checkpoint_name"),
            initialization_text=entry.metadata.get(INITIALIZATION_TEXT),
            trained=entry.metadata.get("modelspec.date"),
            inside_preview=_embedding_inside(entry),
        )


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
    _add_lists(router, services)
    _add_files(router, services)
    return router


def looked_at(services: Services) -> tuple[str | None, tuple[Entry, ...]]:
    """Looks at the folder again; returns the title of the selected checkpoint, None without one, and the entries as it
    judges them."""
    services.library.refresh()
    return judged(services)


def judged(services: Services) -> tuple[str | None, tuple[Entry, ...]]:
    """Returns what `looked_at` does, as the library was when it was last looked at."""
    try:
        checkpoint = services.txt2img.checkpoint
    except StudioError:
        return None, services.library.entries()
    return checkpoint.title, services.library.entries(checkpoint.widths, checkpoint.family.name)


def check_not_in_training(services: Services, word: str) -> None:
    """Checks that no process trains a word now.

    Raises:
        NameHeld: one does.
    """
    with suppress(BadName):  # a word that can't be trained is not
        check_name(word)
        check_not_held(name_lock(services.folders.embeddings, word), word)


def described(services: Services, embedding_id: str) -> EmbeddingDetails:
    """Returns the details of the embedding with this id.

    Raises:
        NotFound: there is none.
    """
    services.library.by_id(embedding_id)
    entry = next((entry for entry in looked_at(services)[1] if entry.id == embedding_id), None)
    if entry is None:
        raise NotFound("The embedding was renamed or deleted a moment ago.")
    return EmbeddingDetails.full(entry, services)


def _add_lists(router: APIRouter, services: Services) -> None:
    @router.get("")
    def list_embeddings() -> LibraryView:
        """Lists every embedding, those that can't be used included, each with its reason."""
        return _look(services)

    @router.post("/refresh")
    def refresh_embeddings() -> LibraryView:
        """Looks at the folder again and lists what is there. Listing does so too."""
        return _look(services)

    @router.get("/{embedding_id}", responses={404: {"model": ErrorView}})
    def describe_embedding(embedding_id: str) -> EmbeddingDetails:
        """Describes one embedding: what its file says, and what people wrote about it."""
        return described(services, embedding_id)


def _add_files(router: APIRouter, services: Services) -> None:
    thumbnails = Thumbnails(services.folders.outputs / "thumbnails")
    workers = ThreadPoolExecutor(THUMBNAILS_AT_ONCE, thread_name_prefix="thumbnails")
    pictures: dict[int | str, dict[str, Any]] = {**PICTURE_ANSWERS, 404: {"model": ErrorView}}

    @router.get("/{embedding_id}/preview", response_class=Response, responses=pictures)
    def preview(embedding_id: str, request: Request) -> Response:
        """Sends an embedding's preview picture."""
        return send_picture(_preview(services.library, embedding_id), request)

    @router.get("/{embedding_id}/thumbnail", response_class=Response, responses={**pictures, 422: {"model": ErrorView}})
    async def thumbnail(embedding_id: str, request: Request, v: str = "") -> Response:
        """Sends an embedding's preview picture in the size of a card. `v` names the picture's version: an answer to the
        present one may be kept for good."""

        def made() -> Response:
            picture = _preview(services.library, embedding_id)
            answer = send_picture(thumbnails.path(picture), request)
            if v == version_of(picture):
                answer.headers["Cache-Control"] = FOREVER
            return answer

        return await asyncio.get_running_loop().run_in_executor(workers, made)

    @router.get(
        "/{embedding_id}/file",
        response_class=Response,
        responses={
            200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}},
            404: {"model": ErrorView},
        },
    )
    def download(embedding_id: str) -> Response:
        """Sends an embedding's file."""
        entry = services.library.by_id(embedding_id)
        path = _real(entry.path, services.library.root)
        return send_file(path, filename=displayed(entry.path.name))


def _preview(library: Library, embedding_id: str) -> Path:
    entry = library.by_id(embedding_id)
    if entry.preview is None:
        raise NotFound(f"{entry.word!r} has no preview picture.")
    return _real(entry.preview, library.root)


def _real(path: Path, root: Path) -> Path:
    """Returns the path of a file of the library. People link whole folders into it; a file that is itself a link to
    somewhere else is not sent."""
    real = Path(os.path.realpath(path))
    if leads_away(path, root) or not real.is_file():
        raise NotFound(f"{path.name!r} is gone, or a link to a file that is not in the library.")
    return real


def _is_in_training(services: Services, word: str) -> bool:
    try:
        check_not_in_training(services, word)
    except NameHeld:
        return True
    return False


def _sha256(library: Library, entry: Entry) -> str | None:
    try:
        return library.sha256(entry)
    except UnreadableEmbedding:
        return None


def _look(services: Services) -> LibraryView:
    title, entries = looked_at(services)
    views = [EmbeddingView.of(entry) for entry in entries]
    return LibraryView(folder=str(services.folders.embeddings), checkpoint=title, embeddings=views)


def _embedding_inside(entry: Entry) -> str | None:
    preview = entry.preview
    if preview is None or preview == entry.path or preview.stem.lower() != entry.path.stem.lower():
        return None
    return displayed(preview.name) if has_chunk(preview) else None


def _preview_address(entry: Entry) -> str | None:
    if entry.preview is None:
        return None
    # Hardly a browser shows JPEG XL.
    picture = "thumbnail" if entry.preview.suffix.lower() == ".jxl" else "preview"
    try:
        return f"embeddings/{entry.id}/{picture}?v={version_of(entry.preview)}"
    except NotFound:
        return None
