"""The pictures that a training paints of its words while it learns, and the one that its card gets."""

from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ti_studio.embeddings.embedding import Embedding
from ti_studio.embeddings.formats.png_embeddings import PICTURE_DAMAGE, known_formats
from ti_studio.embeddings.sidecars import find_preview, preview_path
from ti_studio.folders import atomic_write
from ti_studio.generation.pipeline import Txt2ImgPipeline
from ti_studio.generation.request import GenerateRequest
from ti_studio.training.config.request import TrainRequest
from ti_studio.training.data.captions import NAME
from ti_studio.training.events import Previewed

PREVIEW_STEPS = 20

_MARK = "ti_studio"
"""The text chunk by which a card's picture is known as one that a training put there, and may replace."""


def paint_previews(
    pipeline: Txt2ImgPipeline,
    request: TrainRequest,
    job: Path,
    words: Sequence[Embedding],
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[Previewed]:
    """Paints the previews of one moment into `previews/`, prompt after prompt, always with the same seeds, until
    `should_stop` says so."""
    folder = job / "previews"
    folder.mkdir(exist_ok=True)
    step = words[0].step or 0
    for index, (prompt, seed, image) in enumerate(_painted(pipeline, request, words, should_stop)):
        path = folder / f"{step:06d}-{index}.png"
        atomic_write(path, _png(image, prompt if request.metadata else ""))
        yield Previewed(step, index, path.relative_to(job).as_posix(), prompt, seed)


def _painted(
    pipeline: Txt2ImgPipeline, request: TrainRequest, words: Sequence[Embedding], should_stop: Callable[[], bool]
) -> Iterator[tuple[str, int, Image.Image]]:
    """Paints each prompt with each seed, until a stop is wanted."""
    seeds = [request.preview_seed + index for index in range(request.preview_count)]
    for line in request.preview_prompts:
        generation = GenerateRequest(
            prompt=line.replace(NAME, request.name),
            negative_prompt=request.preview_negative_prompt.replace(NAME, request.name),
            steps=PREVIEW_STEPS,
            width=request.width,
            height=request.height,
            clip_skip=request.clip_skip,
        )
        for seed, image in zip(seeds, pipeline.preview(words, generation, seeds, should_stop), strict=False):
            yield generation.prompt, seed, image


def give_card_its_picture(embedding_path: Path, job: Path) -> None:
    """Puts the last preview beside a finished embedding, unless a person chose a picture for it."""
    previews = sorted((job / "previews").glob("*-0.png"))
    present = find_preview(embedding_path)
    if previews and (present is None or _is_ours(present)):
        atomic_write(preview_path(embedding_path), previews[-1].read_bytes())


def _png(image: Image.Image, prompt: str) -> bytes:
    information = PngInfo()
    information.add_text(_MARK, "training preview")
    if prompt:
        information.add_text("parameters", prompt)
    buffer = BytesIO()
    image.save(buffer, "PNG", pnginfo=information)
    return buffer.getvalue()


def _is_ours(path: Path) -> bool:
    try:
        with Image.open(path, formats=known_formats()) as image:
            return _MARK in image.info
    except PICTURE_DAMAGE:
        return False
