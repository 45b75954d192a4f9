"""Changes of the library's files by id: `/ti/embeddings/{id}/…` and the trash, `/ti/trash`."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from ti_studio.embeddings.cards.editing import CardChange
from ti_studio.embeddings.cards.file_operations import EmbeddingFiles
from ti_studio.embeddings.cards.thumbnails import MAX_BYTES, BadPicture, preview_png
from ti_studio.embeddings.cards.trash import Trashed
from ti_studio.embeddings.sidecars import MAX_WEIGHT
from ti_studio.path_fields import EmbeddingPath
from ti_studio.path_fields import NewName as NewFileName
from ti_studio.web.routes.embeddings import THUMBNAILS_AT_ONCE, EmbeddingDetails, described
from ti_studio.web.server.errors import ErrorView
from ti_studio.web.server.services import Services

Text = Annotated[str, Field(max_length=100_000)]
Tag = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^,\n]*$")]
TrashId = Annotated[str, Field(max_length=100)]
_PICTURE_BODY = {
    "requestBody": {
        "required": True,
        "content": {"image/*": {"schema": {"type": "string", "format": "binary"}}},
    }
}


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CardChangeBody(_Body):
    """What to write about an embedding; what is left out stays as it is."""

    description: Text | None = None
    notes: Text | None = None
    tags: Annotated[list[Tag], Field(max_length=100)] | None = None
    preferred_weight: Annotated[float, Field(ge=-MAX_WEIGHT, le=MAX_WEIGHT, allow_inf_nan=False)] | None = None
    """The weight that a click on the card gives the word; 0 is none."""
    negative: bool | None = None
    """Whether it belongs into the negative prompt."""

    def change(self) -> CardChange:
        """Returns it in the library's own form."""
        tags = None if self.tags is None else tuple(dict.fromkeys(tag.strip() for tag in self.tags if tag.strip()))
        return CardChange(self.description, self.notes, tags, self.preferred_weight, self.negative)


class NewName(_Body):
    """The name that an embedding is to have."""

    name: Annotated[NewFileName, Field(max_length=1000)]


class NewFolder(_Body):
    """The folder that an embedding is to lie in."""

    folder: Annotated[EmbeddingPath, Field(max_length=4096)]
    """Inside the embeddings folder, with `/` between the parts; empty for the folder itself. It is made where it is
    missing."""


class CopyName(_Body):
    """What a copy is to be called."""

    name: Annotated[NewFileName, Field(max_length=1000)] | None = None
    """None adds a number to the name of what is copied."""


class OldPreview(_Body):
    """Which preview is to come back."""

    trash: TrashId | None = None
    """What replacing it has answered; None: there was none."""


class TrashedView(BaseModel):
    """Something in the trash."""

    id: str
    name: str
    """Name of the file."""
    folder: str
    """Where it was, inside the embeddings folder."""
    deleted: float
    """Unix seconds."""

    @classmethod
    def of(cls, item: Trashed) -> "TrashedView":
        """Returns the view of an item."""
        return cls.model_validate(item, from_attributes=True)


class PreviewChanged(BaseModel):
    """The embedding with its new preview."""

    embedding: EmbeddingDetails
    trash: str | None
    """Under which the old one can be brought back; None if there was none."""


class Restored(BaseModel):
    """What came back from the trash."""

    embedding: EmbeddingDetails | None
    """None where it was only a preview."""


class Emptied(BaseModel):
    """How much was in the trash."""

    items: int


def card_edits_routes(services: Services, embedding_files: EmbeddingFiles) -> APIRouter:
    """Returns the routes that change files."""
    router = APIRouter(
        prefix="/ti",
        tags=["embeddings"],
        responses={status: {"model": ErrorView} for status in (403, 404, 409, 422, 507)},
    )
    _add_edits(router, services, embedding_files)
    _add_previews(router, services, embedding_files)
    _add_trash(router, services, embedding_files)
    return router


def _add_edits(router: APIRouter, services: Services, embedding_files: EmbeddingFiles) -> None:
    library = services.library

    @router.patch("/embeddings/{embedding_id}")
    def write_card(embedding_id: str, body: CardChangeBody) -> EmbeddingDetails:
        """Writes what people say about an embedding, into A1111's file beside it."""
        embedding_files.write(library.by_id(embedding_id), body.change())
        return described(services, embedding_id)

    @router.post("/embeddings/{embedding_id}/rename")
    def rename_embedding(embedding_id: str, body: NewName) -> EmbeddingDetails:
        """Renames an embedding and the files beside it. Its id changes, and so does its word."""
        return described(services, embedding_files.rename(library.by_id(embedding_id), body.name).id)

    @router.post("/embeddings/{embedding_id}/move")
    def move_embedding(embedding_id: str, body: NewFolder) -> EmbeddingDetails:
        """Moves an embedding and the files beside it to another folder of the library. Its id changes."""
        return described(services, embedding_files.move(library.by_id(embedding_id), body.folder).id)

    @router.post("/embeddings/{embedding_id}/duplicate", status_code=201)
    def duplicate_embedding(embedding_id: str, body: CopyName) -> EmbeddingDetails:
        """Copies an embedding and the files beside it."""
        return described(services, embedding_files.duplicate(library.by_id(embedding_id), body.name).id)

    @router.delete("/embeddings/{embedding_id}")
    def delete_embedding(embedding_id: str) -> TrashedView:
        """Moves an embedding and the files beside it to the trash, from which they can be restored."""
        return TrashedView.of(embedding_files.delete(library.by_id(embedding_id)))


def _add_previews(router: APIRouter, services: Services, embedding_files: EmbeddingFiles) -> None:
    library = services.library
    workers = ThreadPoolExecutor(THUMBNAILS_AT_ONCE, thread_name_prefix="previews")

    @router.put("/embeddings/{embedding_id}/preview", openapi_extra=_PICTURE_BODY)
    async def replace_preview(embedding_id: str, request: Request) -> PreviewChanged:
        """Makes the picture in the body (PNG, JPEG, WebP, GIF or AVIF) an embedding's preview; the old one goes to the
        trash."""
        content = await _read(request)

        def replace() -> PreviewChanged:
            old = embedding_files.set_preview(library.by_id(embedding_id), preview_png(content, "The picture"))
            return PreviewChanged(embedding=described(services, embedding_id), trash=old.id if old else None)

        return await asyncio.get_running_loop().run_in_executor(workers, replace)

    @router.delete("/embeddings/{embedding_id}/preview")
    def remove_preview(embedding_id: str) -> PreviewChanged:
        """Takes an embedding's preview away; it goes to the trash."""
        old = embedding_files.set_preview(library.by_id(embedding_id), None)
        return PreviewChanged(embedding=described(services, embedding_id), trash=old.id if old else None)

    @router.post("/embeddings/{embedding_id}/preview/restore")
    def restore_preview(embedding_id: str, body: OldPreview) -> EmbeddingDetails:
        """Undoes the replacing of a preview."""
        embedding_files.restore_preview(library.by_id(embedding_id), body.trash)
        return described(services, embedding_id)


def _add_trash(router: APIRouter, services: Services, embedding_files: EmbeddingFiles) -> None:
    @router.get("/trash")
    def list_trash() -> list[TrashedView]:
        """Lists what was deleted, the newest first."""
        return [TrashedView.of(item) for item in embedding_files.trashed()]

    @router.post("/trash/{item_id}/restore")
    def restore(item_id: TrashId) -> Restored:
        """Brings something back to where it was."""
        entry = embedding_files.restore(item_id)
        return Restored(embedding=None if entry is None else described(services, entry.id))

    @router.delete("/trash")
    def empty_trash() -> Emptied:
        """Deletes for good what is in the trash."""
        return Emptied(items=embedding_files.empty_trash())


async def _read(request: Request) -> bytes:
    """Returns the body; one that is too long is not read to its end."""
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > MAX_BYTES:
            raise BadPicture(f"The picture is larger than {MAX_BYTES:,} bytes.")
    return bytes(content)
