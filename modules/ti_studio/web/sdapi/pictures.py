"""`/sdapi/v1/png-info`."""

import asyncio
import base64
import binascii
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

from fastapi import APIRouter
from PIL import Image, UnidentifiedImageError
from pydantic import BaseModel, ConfigDict

from ti_studio.embeddings.formats.png_embeddings import PICTURE_DAMAGE, known_formats, picture_problem
from ti_studio.generation.restoring import Infotext, NoInfotext, infotext_of, read_infotext
from ti_studio.web.sdapi.errors import NotPossibleHere, refusals
from ti_studio.web.server.views import View

_EMBEDDED = "parameters"
_MOST_TEXT = 8 * 2**20
"""Characters of all texts in a picture: an embedding of 75 rows is one of 5 million."""
_AT_ONCE = 2
"""Some pictures have to be decoded for what they say, which takes 200 MB for the largest."""


class PngInfoBody(BaseModel):
    """A picture."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    image: str
    """In base64, with or without `data:image/png;base64,` before it."""


class PngInfoView(View):
    """What a picture says of how it was made."""

    info: str
    """Its infotext; empty if it has none."""
    items: dict[str, str]
    """The other texts in the file."""
    parameters: dict[str, str]
    """The infotext's fields by A1111's names, the prompts as `Prompt` and `Negative prompt`."""


def pictures_routes() -> APIRouter:
    """Returns the route that reads pictures."""
    router = APIRouter()
    workers = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="png-info")

    @router.post("/png-info", responses=refusals(413, 422))
    async def png_info(body: PngInfoBody) -> PngInfoView:
        """Reads what a picture says of how it was made."""
        return await asyncio.get_running_loop().run_in_executor(workers, _read, body.image)

    return router


def _read(image: str) -> PngInfoView:
    data = _decoded(image)
    items = _texts(data)
    try:
        text = infotext_of(data)
    except NoInfotext:
        return PngInfoView(info="", items=items, parameters={})
    items.pop(_EMBEDDED, None)
    return PngInfoView(info=text, items=items, parameters=_fields(read_infotext(text)))


def _decoded(text: str) -> bytes:
    if text.startswith(("http://", "https://")):
        raise NotPossibleHere("Addresses of pictures are not fetched; expected the picture itself in base64.")
    _, comma, data = text.partition(";base64,")
    try:
        return base64.b64decode(data if comma else text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NotPossibleHere(f"Invalid encoded image: {error}; expected base64.") from error


def _texts(data: bytes) -> dict[str, str]:
    """Returns the texts in a picture's file.

    Raises:
        NotPossibleHere: it is no picture, or has too much text in it.
    """
    try:
        with Image.open(BytesIO(data), formats=known_formats(None, data)) as image:
            texts = {str(key): value for key, value in image.info.items() if isinstance(value, str)}
    except UnidentifiedImageError as error:
        raise NotPossibleHere(f"The {len(data):,} bytes are no picture that can be read.") from error
    except PICTURE_DAMAGE as error:
        raise NotPossibleHere(f"The file is no picture that can be read: {picture_problem(error)}.") from error
    characters = sum(map(len, texts.values()))
    if characters > _MOST_TEXT:
        raise NotPossibleHere(f"The picture holds {characters:,} characters of text; expected {_MOST_TEXT:,} at most.")
    return texts


def _fields(infotext: Infotext) -> dict[str, str]:
    prompts = {"Prompt": infotext.prompt, "Negative prompt": infotext.negative_prompt}
    return {**prompts, **infotext.settings}
