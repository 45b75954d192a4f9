"""`/sdapi/v1/embeddings`, `refresh-embeddings` and `create/embedding`."""

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from ti_studio.embeddings.library.library import Entry, EntryState
from ti_studio.embeddings.metadata import CHECKPOINT, CHECKPOINT_SHA256
from ti_studio.generation.infotext import MODEL_HASH
from ti_studio.path_fields import NewName
from ti_studio.web.sdapi.errors import refusals
from ti_studio.web.sdapi.options import chosen
from ti_studio.web.server.serial_executor import SerialExecutor
from ti_studio.web.server.services import Services
from ti_studio.web.server.views import View

_A1111_HASH = "sd_checkpoint"
_A1111_NAME = "sd_checkpoint_name"
"""Where A1111's own files tell their checkpoint."""


class SdapiEmbeddingView(View):
    """One embedding."""

    step: int | None
    """Training steps, where the file tells."""
    sd_checkpoint: str | None
    """The short hash of the checkpoint that it was trained with, where the file tells."""
    sd_checkpoint_name: str | None
    shape: int
    """The width of a vector: 768 for SD 1, 1024 for SD 2, 2048 for SDXL; 0 for an unreadable file."""
    vectors: int
    """Vectors per token; 0 for an unreadable file."""
    reason: str | None = None
    """Why it can't be used. A1111 does not tell."""


class SdapiEmbeddingsView(View):
    """The library, by word."""

    loaded: dict[str, SdapiEmbeddingView]
    """Those that prompts can use with the chosen checkpoint."""
    skipped: dict[str, SdapiEmbeddingView]
    """The others; a file whose word another file has goes by its path."""


class CreateBody(BaseModel):
    """A1111's body of create/embedding."""

    model_config = ConfigDict(
        use_attribute_docstrings=True, json_schema_extra={"examples": [{"name": "my-cat", "init_text": "cat"}]}
    )

    name: NewName
    num_vectors_per_token: int = Field(default=1, ge=1, le=75)
    overwrite_old: bool = False
    init_text: str = "*"


class InfoView(View):
    """A1111's sentence on what was done."""

    info: str


def embeddings_routes(services: Services, executor: SerialExecutor) -> APIRouter:
    """Returns the routes of the library."""
    router = APIRouter()

    @router.get("/embeddings")
    def embeddings() -> SdapiEmbeddingsView:
        """Lists the library; files that are new or changed are seen each time."""
        services.library.refresh()
        info = chosen(services.txt2img)
        entries = services.library.entries(info.widths, info.family.name) if info else services.library.entries()
        loaded = {entry.word: _view(entry) for entry in entries if _is_loaded(entry)}
        skipped = {_name(entry, loaded): _view(entry) for entry in entries if not _is_loaded(entry)}
        return SdapiEmbeddingsView(loaded=loaded, skipped=skipped)

    @router.post("/refresh-embeddings")
    def refresh_embeddings() -> None:
        """Looks at the folder again; so does everything that uses it."""
        services.library.refresh()

    @router.post("/create/embedding", responses=refusals(404, 409, 422, 507))
    async def create(body: CreateBody) -> InfoView:
        """Writes an untrained embedding for the chosen checkpoint."""
        return await executor.take(lambda: _create(body, services))

    return router


def _create(body: CreateBody, services: Services) -> InfoView:
    from ti_studio.training.output.creation import (  # noqa: PLC0415 - imports diffusers: the page is up before
        NewEmbedding,
        create_embedding,
    )

    new = NewEmbedding(
        name=body.name,
        initialization_text=body.init_text,
        vectors_per_token=body.num_vectors_per_token,
        overwrite=body.overwrite_old,
    )
    path = create_embedding(new, services.txt2img.checkpoint, services.folders.embeddings)
    return InfoView(info=f"create embedding filename: {path}")


def _is_loaded(entry: Entry) -> bool:
    return entry.state is EntryState.USABLE and entry.conflict is None


def _name(entry: Entry, loaded: dict[str, SdapiEmbeddingView]) -> str:
    return entry.relative if entry.conflict is not None or entry.word in loaded else entry.word


def _view(entry: Entry) -> SdapiEmbeddingView:
    conflict = f"the word is taken by {entry.conflict}" if entry.conflict else None
    sha256 = entry.metadata.get(CHECKPOINT_SHA256)
    return SdapiEmbeddingView(
        step=entry.step,
        sd_checkpoint=sha256[:MODEL_HASH] if sha256 else entry.metadata.get(_A1111_HASH),
        sd_checkpoint_name=entry.metadata.get(CHECKPOINT, entry.metadata.get(_A1111_NAME)),
        shape=sum(entry.widths.values()),
        vectors=entry.vectors_per_token or 0,
        reason=entry.reason or conflict,
    )
