"""`/ti/tools/soften`: words brought part of the way back to what their class means, and a look at them before."""

import base64
from io import BytesIO
from typing import Annotated

from fastapi import APIRouter
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from ti_studio.embeddings.embedding import Embedding
from ti_studio.embeddings.names import check_name
from ti_studio.embeddings.softening import Method, Softening
from ti_studio.generation.request import GenerateRequest
from ti_studio.models.checkpoint.checkpoints import CheckpointInfo
from ti_studio.watchdog import Turn
from ti_studio.web.routes.tools import NOT_WRITTEN, REFUSED, EmbeddingId, FoundEmbedding, NewFile, written
from ti_studio.web.server.serial_executor import SerialExecutor
from ti_studio.web.server.services import Services

MOST_PREVIEWS = 8
_DEFAULT = Softening()

Share = Annotated[float, Field(ge=0, le=1)]
ClassWord = Annotated[str, Field(max_length=1000)]


class SoftenedFile(NewFile):
    """A word to soften into a new file."""

    embedding: EmbeddingId
    class_word: ClassWord = ""
    """What kind of thing it is; empty takes the initialization text that its file names."""
    norm: Share = _DEFAULT.norm
    direction: Share = _DEFAULT.direction
    method: Method = _DEFAULT.method


class SofteningPreview(BaseModel):
    """A word to look at in several strengths, each of which sets both shares."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    embedding: EmbeddingId
    class_word: ClassWord = ""
    method: Method = _DEFAULT.method
    strengths: Annotated[list[Share], Field(min_length=1, max_length=MOST_PREVIEWS)] = [0, 0.25, 0.5, 0.75, 1]
    prompt: Annotated[str, Field(max_length=10_000)] = "a photo of [name]"
    """What is painted; `[name]` stands for the word."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 1
    steps: Annotated[int, Field(ge=1, le=150)] = 20


class SofteningView(BaseModel):
    """One strength, painted."""

    strength: float
    image: str
    """PNG in base64."""


def softening_routes(services: Services, executor: SerialExecutor) -> APIRouter:
    """Returns the routes."""
    router = APIRouter(prefix="/ti/tools/soften", tags=["tools"])
    library, loading = services.library, Turn()

    def softened(
        name: str, body: SoftenedFile | SofteningPreview, softenings: list[Softening], info: CheckpointInfo
    ) -> list[Embedding]:
        library.refresh()
        embedding = library.load(library.by_id(body.embedding))
        # torch's models take seconds to import: the page is up before.
        from ti_studio.training.softening import soften  # noqa: PLC0415

        with loading:
            return soften(name, embedding, info, body.class_word, softenings)

    @router.post("", responses=NOT_WRITTEN)
    def soften_to_file(body: SoftenedFile) -> FoundEmbedding:
        """Writes a softened word as a new one."""
        check_name(body.name)
        softening = Softening(body.norm, body.direction, body.method)
        (made,) = softened(body.name, body, [softening], services.txt2img.checkpoint)
        return FoundEmbedding.of(written(services, made, body))

    @router.post("/previews", responses=REFUSED)
    async def preview(body: SofteningPreview) -> list[SofteningView]:
        """Paints one prompt with one seed in several strengths by the selected checkpoint; nothing is kept. What is
        asked meanwhile waits for its turn, and an interruption ends it."""

        def painted() -> list[SofteningView]:
            softenings = [Softening(strength, strength, body.method) for strength in body.strengths]
            name = "softened-word"
            request = GenerateRequest(prompt=body.prompt.replace("[name]", name), seed=body.seed, steps=body.steps)
            info = services.txt2img.checkpoint  # once: another one may be chosen meanwhile
            words = softened(name, body, softenings, info)
            images = services.txt2img.try_out(words, request, str(info.path))
            return [
                SofteningView(strength=strength, image=_png(image))
                for strength, image in zip(body.strengths, images, strict=False)
            ]

        return await executor.take(painted)

    return router


def _png(image: Image.Image) -> str:
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()
