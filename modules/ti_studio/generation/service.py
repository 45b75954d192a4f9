"""The one object through which the server makes pictures: it keeps a checkpoint loaded and paints one request at a
time."""

import random
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from PIL.PngImagePlugin import PngInfo

from ti_studio.embeddings.last_used import FILE, LastUsed
from ti_studio.embeddings.library import Library
from ti_studio.folders import Folders, atomic_write
from ti_studio.generation.events import Loading, PaintingEvent, Picture
from ti_studio.generation.request import GenerateRequest
from ti_studio.generation.samplers import find_sampler
from ti_studio.models.checkpoints import CheckpointInfo, find_checkpoint, list_checkpoints

if TYPE_CHECKING:
    from ti_studio.generation.painter import Painter

_SEEDS = 2**32


class Txt2ImgService:
    """Makes pictures with the chosen checkpoint and the words of the library. Safe to use from several threads."""

    def __init__(self, folders: Folders, library: Library, checkpoint: str | None = None) -> None:
        self._folders = folders
        self._library = library
        self._wanted = checkpoint
        self._painter: Painter | None = None
        self._busy = threading.Lock()
        self._interrupted = threading.Event()
        self._unwanted = threading.Event()
        self.last_used = LastUsed(folders.outputs / FILE)
        """When the library's embeddings were last used in a picture."""

    def checkpoints(self) -> list[CheckpointInfo]:
        """Returns the checkpoints that can be chosen."""
        return list_checkpoints(self._folders.checkpoints)[0]

    @property
    def checkpoint(self) -> CheckpointInfo:
        """The chosen checkpoint; nothing is loaded for it.

        Raises:
            NoCheckpoint: there is none.
        """
        return find_checkpoint(self._folders.checkpoints, self._wanted)

    def select(self, title: str) -> CheckpointInfo:
        """Chooses the checkpoint for the next picture.

        Raises:
            NoCheckpoint, UnknownCheckpoint, BrokenFile: it can't be used; the choice stays as it was.
        """
        info = find_checkpoint(self._folders.checkpoints, title)
        self._wanted = title
        return info

    def interrupt(self) -> None:
        """Ends what is being painted after its present step; finished pictures stay."""
        self._interrupted.set()

    def release(self) -> None:
        """Frees the loaded checkpoint's memory: at once, or as soon as what is being painted is done."""
        self._unwanted.set()
        if self._busy.acquire(blocking=False):
            try:
                self._forget()
            finally:
                self._busy.release()

    def generate(self, request: GenerateRequest, folder: Path | None = None) -> Iterator[PaintingEvent]:
        """Paints the pictures of a request, saves them, and tells what it does.

        Args:
            request: the request.
            folder: where to save; None is `outputs/txt2img/<date>/`.

        Raises:
            StudioError: the sampler or checkpoint is unknown, or can't be loaded.
        """
        find_sampler(request.sampler)
        try:
            with self._busy:
                self._interrupted.clear()
                yield from self._load(self.checkpoint)
                assert self._painter is not None
                folder = folder or self._folders.outputs / "txt2img" / time.strftime("%Y-%m-%d")
                for event in self._painter.paint(request, _seeds(request), self._library, self._interrupted.is_set):
                    yield self._saved(event, folder) if isinstance(event, Picture) else event
        finally:
            if self._unwanted.is_set():
                self.release()

    def _saved(self, picture: Picture, folder: Path) -> Picture:
        saved = save_png(picture, folder)
        self.last_used.record(picture.files)
        return saved

    def _load(self, info: CheckpointInfo) -> Iterator[Loading]:
        if self._painter is not None and self._painter.model.info.path == info.path:
            return
        yield Loading(f"Loading checkpoint {info.title} …")
        self._forget()  # the old one's memory is free before the new one is loaded
        # torch's models take seconds to import: the page is up long before, and may never need them.
        from ti_studio.generation.painter import load_painter  # noqa: PLC0415

        self._painter = load_painter(info)

    def _forget(self) -> None:
        """Lets the loaded checkpoint go. Only while `_busy` is held."""
        self._unwanted.clear()
        if self._painter is not None:
            from ti_studio.generation.painter import return_memory  # noqa: PLC0415

            self._painter = None
            return_memory()


def save_png(picture: Picture, folder: Path) -> Picture:
    """Writes `<number>-<seed>.png` into the folder, its infotext where A1111 puts it; returns the picture with its
    path."""
    folder.mkdir(parents=True, exist_ok=True)
    taken = (path.name.partition("-")[0] for path in folder.glob("*-*.png"))
    number = 1 + max((int(prefix) for prefix in taken if prefix.isdecimal()), default=-1)
    path = folder / f"{number:05d}-{picture.seed}.png"
    atomic_write(path, png_bytes(picture))
    return replace(picture, path=path)


def png_bytes(picture: Picture) -> bytes:
    """Returns the picture as PNG with its infotext in the text chunk `parameters`."""
    information = PngInfo()
    information.add_text("parameters", picture.infotext)
    buffer = BytesIO()
    picture.image.save(buffer, "PNG", pnginfo=information)
    return buffer.getvalue()


def _seeds(request: GenerateRequest) -> list[int]:
    first = random.randrange(_SEEDS) if request.seed == -1 else request.seed
    return [(first + index) % _SEEDS for index in range(request.count)]
