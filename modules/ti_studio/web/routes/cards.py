"""`/ti/cards`: the rows that the picker draws its cards from, in pages: the first is small, the rest is one more."""

import gzip
import hashlib
import json
import threading
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from ti_studio.embeddings.cards.card_index import CardIndex, CardQuery, FullCard, Sort, created
from ti_studio.embeddings.library.library import Entry, EntryState
from ti_studio.web.routes.embeddings import judged, looked_at
from ti_studio.web.server.services import Services

FIRST_PAGE = 100
MOST = 100_000
DESCRIPTION_CHARACTERS = 200
MOST_TAGS = 8
TAG_CHARACTERS = 40
LEAST_BYTES_TO_PACK = 1000
GZIP_LEVEL = 4


class CardRow(BaseModel):
    """What a card shows. Fields with their default are left out."""

    id: str
    word: str
    file: str
    """The path inside the embeddings folder."""
    state: EntryState = EntryState.USABLE
    reason: str | None = None
    conflict: str | None = None
    vectors: int | None = None
    family: str | None = None
    step: int | None = None
    size: int
    """Bytes."""
    modified: float
    """Unix seconds, as the next two."""
    created: float
    used: float = 0
    """0 where no use is known."""
    picture: str | None = None
    """The address of the small preview, relative to `/ti/`; it changes when the preview does."""
    description: str = ""
    """Its first 200 characters."""
    tags: list[str] = []
    weight: float | None = None
    negative: bool = False


class CardsView(BaseModel):
    """A part of the library's cards."""

    folder: str
    """Where embeddings are kept."""
    checkpoint: str | None
    """What compatibility is judged by; None when there is no checkpoint."""
    all: int
    """Embeddings in the library."""
    total: int
    """Those of them that were asked for."""
    offset: int
    """How many of these come before the first of `cards`."""
    cards: list[CardRow]


class Asked(BaseModel):
    """Which cards, in which order."""

    sort: Sort = Sort.PATH
    descending: bool = False
    folder: Annotated[str, Field(max_length=4096)] = ""
    """Only what lies in this folder or deeper."""
    fits: bool = False
    """Only what can be used with the selected checkpoint."""
    offset: Annotated[int, Field(ge=0, le=MOST)] = 0
    limit: Annotated[int, Field(ge=1, le=MOST)] = FIRST_PAGE

    @property
    def query(self) -> CardQuery:
        """What the index is asked."""
        return CardQuery(self.sort, self.descending, self.folder, self.fits)


def cards_routes(services: Services, index: CardIndex) -> APIRouter:
    """Returns the route of the picker's rows."""
    router = APIRouter(prefix="/ti/cards", tags=["embeddings"])
    pages = _Pages(services, index)

    @router.get("", response_model=CardsView, responses={304: {"description": "The browser's copy is still right."}})
    def list_cards(asked: Annotated[Asked, Query()], request: Request) -> Response:
        """Lists cards: those of a folder, sorted, a page at a time. Everything at once is for programs that search by
        themselves, as the page does.

        A page of at most a hundred cards does not wait for the end of the server's first look at thousands of files; it
        counts those that were found by then."""
        tag, content, packed = pages.page(asked)
        headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Accept-Encoding"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        if packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
            return Response(packed, headers={**headers, "Content-Encoding": "gzip"}, media_type="application/json")
        return Response(content, headers=headers, media_type="application/json")

    return router


class _Pages:
    """Makes pages, and keeps the last large one for as long as nothing has changed."""

    def __init__(self, services: Services, index: CardIndex) -> None:
        self._services = services
        self._index = index
        self._lock = threading.Lock()
        self._kept_for: object = None
        self._kept: tuple[str, bytes, bytes | None] = ("", b"", None)

    def page(self, asked: Asked) -> tuple[str, bytes, bytes | None]:
        """Returns a page's ETag, its JSON, and the same packed where that is worth it."""
        if asked.limit <= FIRST_PAGE:
            self._services.library.glance()
            return self._made(asked, *judged(self._services))
        checkpoint, entries = looked_at(self._services)
        with self._lock:
            beside = hash((frozenset(self._index.used().items()), *self._index.stamps(entries)))
            now = (asked.model_dump_json(), checkpoint, self._services.library.version, beside)
            if now != self._kept_for:
                self._kept, self._kept_for = self._made(asked, checkpoint, entries), now
            return self._kept

    def _made(self, asked: Asked, checkpoint: str | None, entries: Sequence[Entry]) -> tuple[str, bytes, bytes | None]:
        matching = self._index.select(entries, asked.query)
        shown = self._index.cards(matching[asked.offset : asked.offset + asked.limit])
        view = {
            "folder": str(self._services.folders.embeddings),
            "checkpoint": checkpoint,
            "all": len(entries),
            "total": len(matching),
            "offset": asked.offset,
            "cards": [row(card) for card in shown],
        }
        content = json.dumps(view, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
        tag = f'"{hashlib.sha256(content).hexdigest()[:24]}"'
        packed = gzip.compress(content, GZIP_LEVEL, mtime=0) if len(content) >= LEAST_BYTES_TO_PACK else None
        return tag, content, packed


def row(full: FullCard) -> dict[str, Any]:
    """Returns the JSON of a `CardRow`. Ten thousand of them are made at once, so no model is."""
    entry, card = full.entry, full.card
    made: dict[str, Any] = {
        "id": entry.id,
        "word": entry.word,
        "file": entry.relative,
        "size": entry.size,
        "modified": round(entry.modified, 3),
        "created": round(created(entry), 3),
    }
    if entry.state is not EntryState.USABLE:
        made |= {"state": entry.state.value, "reason": entry.reason}
    optional = {
        "conflict": entry.conflict,
        "vectors": entry.vectors_per_token,
        "family": entry.family,
        "step": entry.step,
        "used": round(full.used, 3),
        "picture": full.picture and f"embeddings/{entry.id}/thumbnail?v={full.picture}",
        "description": card.description[:DESCRIPTION_CHARACTERS],
        "tags": [tag[:TAG_CHARACTERS] for tag in card.tags[:MOST_TAGS]],
        "weight": card.weight,
        "negative": card.negative,
    }
    return made | {name: value for name, value in optional.items() if value}
