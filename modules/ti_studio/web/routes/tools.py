"""`/ti/tools`: what the Embeddings tab does with the library's files: look into them, convert them, merge them."""

import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Query, Response
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from ti_studio.embeddings.embedding import Embedding
from ti_studio.embeddings.formats.export import Format, card_picture, export, exported
from ti_studio.embeddings.formats.header_picture import DATA
from ti_studio.embeddings.library.entries import Entry, EntryState
from ti_studio.embeddings.library.library import Library
from ti_studio.embeddings.links import leads_away
from ti_studio.embeddings.merging import Method, Mixture, merged
from ti_studio.embeddings.metadata import REQUEST
from ti_studio.embeddings.names import check_name, displayed
from ti_studio.embeddings.sharing import undescribed
from ti_studio.errors import Conflict, NotFound
from ti_studio.jobs.name_lock import check_not_held, name_lock
from ti_studio.models.inspection import beside_vocabulary, norms
from ti_studio.path_fields import NewName
from ti_studio.watchdog import Turn
from ti_studio.web.server.errors import ErrorView
from ti_studio.web.server.services import Services

MOST_FOUND = 20
MOST_MERGED = 50
_LONGEST_KIND = 60
"""Characters of what a data URL says of itself."""

EmbeddingId = Annotated[str, Field(max_length=100)]
Name = Annotated[NewName, Field(max_length=1000)]
ErrorAnswers = dict[int | str, dict[str, Any]]
REFUSED: ErrorAnswers = {status: {"model": ErrorView} for status in (404, 422)}
NOT_WRITTEN: ErrorAnswers = {**REFUSED, 409: {"model": ErrorView}, 507: {"model": ErrorView}}
_FILE: ErrorAnswers = {
    **REFUSED,
    200: {
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        "description": "The file; a zip where there are two.",
    },
}


class FoundEmbedding(BaseModel):
    """An embedding that can be worked with, whatever checkpoint it is for."""

    id: str
    word: str
    file: str
    """The path inside the embeddings folder."""
    family: str | None
    vectors_per_token: int | None

    @classmethod
    def of(cls, entry: Entry) -> "FoundEmbedding":
        """Returns the view of a library entry."""
        return cls(
            id=entry.id,
            word=entry.word,
            file=entry.relative,
            family=entry.family,
            vectors_per_token=entry.vectors_per_token,
        )


class RowView(BaseModel):
    """One learned row."""

    encoder: str
    number: int
    """Counted from 1."""
    norm: float
    """Euclidean."""


class InspectionView(FoundEmbedding):
    """What an embedding's file says."""

    step: int | None
    widths: dict[str, int]
    """Of a row, by text encoder."""
    size: int
    """Bytes."""
    modified: float
    """Unix seconds."""
    sha256: str
    rows: list[RowView]
    metadata: dict[str, str]
    """What the header holds, the training request left out; of a picture in it, that it is there."""
    request: dict[str, Any] | None
    """The training request, where the file has one."""


class NeighbourView(BaseModel):
    """A word of the vocabulary."""

    word: str
    cosine: float


class ComparedRow(RowView):
    """One learned row beside the vocabulary."""

    relative_norm: float
    """Over the mean norm of the vocabulary's rows."""
    nearest: list[NeighbourView]


class ComparisonView(BaseModel):
    """An embedding beside the vocabulary of the selected checkpoint."""

    checkpoint: str
    rows: list[ComparedRow]


class NewFile(BaseModel):
    """A file to write into the embeddings folder."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    """The new word, which is the file's name."""
    form: Literal["safetensors", "pt", "png"] = "safetensors"
    """`png` is a card: a picture with the embedding inside."""
    overwrite: bool = False
    """Whether a file of this name is replaced."""
    metadata: bool = True
    """Whether the file says how the embedding was made; without it there are the rows alone."""


class Conversion(NewFile):
    """An embedding to write once more into the embeddings folder."""

    embedding: EmbeddingId


class Merging(NewFile):
    """Embeddings to put together, in this order, into a new one of the embeddings folder."""

    embeddings: Annotated[list[EmbeddingId], Field(min_length=1, max_length=MOST_MERGED)]
    how: Method = "concat"
    weights: list[FiniteFloat] | None = None
    """For `average`, one for each; null: equal ones."""
    share: Annotated[float, Field(ge=0, le=1)] = 0.5
    """For `slerp`: 0 is the first, 1 the second."""


def tools_routes(services: Services) -> APIRouter:
    """Returns the routes."""
    router = APIRouter(prefix="/ti/tools", tags=["tools"])
    library, loading = services.library, Turn()

    @router.get("/embeddings")
    def find_embeddings(
        query: Annotated[str, Query(max_length=1000)] = "",
        limit: Annotated[int, Query(ge=1, le=MOST_FOUND)] = MOST_FOUND,
    ) -> list[FoundEmbedding]:
        """Finds embeddings by parts of their paths, those that begin so first; what is unreadable is left out."""
        library.refresh()
        return [FoundEmbedding.of(entry) for entry in _matching(library.entries(), query)[:limit]]

    @router.get("/embeddings/{embedding_id}", responses=REFUSED)
    def inspect(embedding_id: str) -> InspectionView:
        """Tells what is known of an embedding by itself."""
        library.refresh()
        entry = library.by_id(embedding_id)
        return _inspected(entry, library.load(entry), library.sha256(entry))

    @router.get("/embeddings/{embedding_id}/vocabulary", responses=REFUSED)
    def compare(embedding_id: str) -> ComparisonView:
        """Compares each row with the selected checkpoint's vocabulary. Loads its text encoders for that."""
        library.refresh()
        embedding = library.load(library.by_id(embedding_id))
        info = services.txt2img.checkpoint
        with loading:
            reports = beside_vocabulary(embedding, info)
        rows = [
            ComparedRow.model_validate({"encoder": encoder, "number": number, **_plain(report)})
            for encoder, encoder_reports in reports.items()
            for number, report in enumerate(encoder_reports, 1)
        ]
        return ComparisonView(checkpoint=info.title, rows=rows)

    @router.get("/embeddings/{embedding_id}/file", response_class=Response, responses=_FILE)
    def convert_for_download(
        embedding_id: str, form: Format, name: Annotated[Name, Query()] = "", metadata: bool = True
    ) -> Response:
        """Sends the embedding in another program's layout; diffusers' two files of an SDXL word come as a zip. Without
        `metadata` they say nothing of how it was made."""
        library.refresh()
        entry = library.by_id(embedding_id)
        embedding = _renamed(library.load(entry), name)
        described = embedding if metadata else undescribed(embedding)
        return _sent(exported(described, form, _picture_for(form, entry, library.root)))

    @router.post("/convert", responses=NOT_WRITTEN)
    def convert(conversion: Conversion) -> FoundEmbedding:
        """Writes an embedding once more, under another name or in another layout."""
        library.refresh()
        entry = library.by_id(conversion.embedding)
        embedding = _renamed(library.load(entry), conversion.name)
        return FoundEmbedding.of(
            written(services, embedding, conversion, _picture_for(conversion.form, entry, library.root))
        )

    @router.post("/merge", responses=NOT_WRITTEN)
    def merge(merging: Merging) -> FoundEmbedding:
        """Makes one embedding of several."""
        library.refresh()
        check_name(merging.name)
        embeddings = [library.load(library.by_id(identity)) for identity in merging.embeddings]
        made = merged(merging.name, embeddings, Mixture(merging.how, merging.weights, merging.share))
        return FoundEmbedding.of(written(services, made, merging))

    return router


def _matching(entries: Sequence[Entry], query: str) -> list[Entry]:
    parts = query.casefold().split()
    entries = [
        entry
        for entry in entries
        if entry.state is not EntryState.UNREADABLE and all(part in entry.relative.casefold() for part in parts)
    ]
    start = query.casefold().strip()
    return sorted(entries, key=lambda entry: not entry.word.casefold().startswith(start))


def _inspected(entry: Entry, embedding: Embedding, sha256: str) -> InspectionView:
    rows = [
        RowView(encoder=encoder, number=number, norm=norm)
        for encoder, encoder_norms in norms(embedding).items()
        for number, norm in enumerate(encoder_norms, 1)
    ]
    metadata = {displayed(key): _readable(value) for key, value in embedding.metadata.items() if key != REQUEST}
    return InspectionView(
        **FoundEmbedding.of(entry).model_dump(),
        step=embedding.step,
        widths=embedding.widths,
        size=entry.size,
        modified=entry.modified,
        sha256=sha256,
        rows=rows,
        metadata=metadata,
        request=_request(embedding.metadata.get(REQUEST)),
    )


def _readable(value: str) -> str:
    """Returns what is shown of a header's text: of a picture in it, that it is there."""
    if not value.startswith(DATA):
        return value
    return f"{value.partition(',')[0][:_LONGEST_KIND]}, … ({len(value):,} characters)"


def _request(text: str | None) -> dict[str, Any] | None:
    try:
        request = json.loads(text or "null", parse_constant=str)
    except (ValueError, RecursionError):
        return None
    return request if isinstance(request, dict) else None


def _plain(report: Any) -> dict[str, Any]:
    nearest = [{"word": near.word, "cosine": near.cosine} for near in report.nearest]
    return {"norm": report.norm, "relative_norm": report.relative_norm, "nearest": nearest}


def _renamed(embedding: Embedding, name: str) -> Embedding:
    return Embedding(name or embedding.name, embedding.vectors, embedding.step, embedding.metadata)


def _sent(files: dict[str, bytes]) -> Response:
    (name, content), *more = files.items()
    if more:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for each, inside in files.items():
                archive.writestr(each, inside)
        name, content = f"{name.rpartition('.')[0]}.zip", packed.getvalue()
    headers = {
        "Content-Disposition": f"attachment; filename*=utf-8''{quote(name, safe='')}",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(content, media_type="application/octet-stream", headers=headers)


def _picture_for(form: str, entry: Entry, root: Path) -> Image.Image | None:
    """Returns the preview of an embedding, where it is to be written as a card and lies in the library."""
    preview = entry.preview
    if form != "png" or preview is None or leads_away(preview, root):
        return None
    return card_picture(preview)


def written(services: Services, embedding: Embedding, body: NewFile, picture: Image.Image | None = None) -> Entry:
    """Writes an embedding into the library's folder and returns its entry there."""
    library = services.library
    check_name(embedding.name)
    own = library.root / f"{embedding.name}.{body.form}"
    for entry in library.entries():
        if entry.word.casefold() == embedding.name.casefold() and not (body.overwrite and entry.path == own):
            raise Conflict(f"The name {embedding.name!r} is taken by {entry.relative}; choose another one.")
    check_not_held(name_lock(services.folders.embeddings, embedding.name), embedding.name)
    described = embedding if body.metadata else undescribed(embedding)
    export(described, body.form, library.root, image=picture, overwrite=body.overwrite)
    library.refresh()
    return _entry_of(library, own)


def _entry_of(library: Library, path: Path) -> Entry:
    for entry in library.entries():
        if entry.path == path:
            return entry
    raise NotFound(f"{path.name} was changed by another program meanwhile; look again.")
