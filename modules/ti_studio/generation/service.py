"""The one object through which the server makes pictures: it keeps a checkpoint loaded and paints one request at a
time."""

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ti_studio.embeddings.embedding import Embedding
from ti_studio.embeddings.library.last_used import FILE, LastUsed
from ti_studio.embeddings.library.library import Library
from ti_studio.folders import Folders, atomic_write
from ti_studio.generation.activity import Activity
from ti_studio.generation.events import GenerationEvent, Loading, Picture
from ti_studio.generation.request import GenerateRequest
from ti_studio.generation.samplers import find_sampler
from ti_studio.generation.saving import Saving, Watcher
from ti_studio.models.checkpoint.checkpoints import CheckpointInfo, find_checkpoint, list_checkpoints
from ti_studio.prompts.limits import PromptLimits
from ti_studio.watchdog import Turn, long_work

if TYPE_CHECKING:
    from ti_studio.generation.pipeline import Txt2ImgPipeline
    from ti_studio.models.loading import Model

Result = TypeVar("Result")
_SEEDS = 2**32


class Txt2ImgService:
    """Makes pictures with the chosen checkpoint and the words of the library. Safe to use from several threads."""

    def __init__(
        self,
        folders: Folders,
        library: Library,
        checkpoint: str | None = None,
        watcher: Watcher | None = None,
        limits: PromptLimits | None = None,
    ) -> None:
        """Loads nothing yet.

        Args:
            folders: where things are.
            library: the words.
            checkpoint: the title or path of the one to begin with; None is the first one found.
            watcher: told before and after a picture is saved.
            limits: how long prompts may be.
        """
        self._folders = folders
        self._library = library
        self._own = self._requested = checkpoint
        self._watcher = watcher or Watcher()
        self.limits = limits or PromptLimits()
        self._painter: Txt2ImgPipeline | None = None
        self._busy = Turn()
        self._activity: Activity | None = None
        self._interrupted = threading.Event()
        self._skipped = threading.Event()
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
        return find_checkpoint(self._folders.checkpoints, self._requested)

    @property
    def loaded(self) -> CheckpointInfo | None:
        """The checkpoint that the last picture was painted with, as long as it is in memory."""
        pipeline = self._painter
        return pipeline.model.info if pipeline is not None else None

    def select(self, title: str) -> CheckpointInfo:
        """Chooses the checkpoint for the next picture.

        Raises:
            NoCheckpoint, UnknownCheckpoint, BrokenFile: it can't be used; the choice stays as it was.
        """
        info = self.find(title)
        self._requested = title
        return info

    def find(self, requested: str | None) -> CheckpointInfo:
        """Returns the checkpoint that a request names; None is the server's own.

        Where datasets must lie in one folder, because others than this machine's people may ask, a path may lead to
        those that are offered and nowhere else.

        Raises:
            NoCheckpoint, UnknownCheckpoint, BrokenFile: it can't be used.
        """
        requested = requested or self._own
        anywhere = not self._folders.are_guarded or requested in self._offered()
        return find_checkpoint(self._folders.checkpoints, requested, anywhere=anywhere)

    def _offered(self) -> set[str | None]:
        return {self._own, *(str(info.path) for info in self.checkpoints())}

    @property
    def activity(self) -> Activity | None:
        """What is being painted now; None: nothing."""
        activity = self._activity
        if activity is None:
            return None
        return replace(activity, interrupted=self._interrupted.is_set(), skipped=self._skipped.is_set())

    def interrupt(self) -> None:
        """Ends what is being painted after its present step; finished pictures stay."""
        self._interrupted.set()

    def skip(self) -> None:
        """Ends the batch that is being painted after its present step, and goes on with the request's next one."""
        self._skipped.set()

    def release(self) -> None:
        """Frees the loaded checkpoint's memory: at once, or as soon as what is being painted is done."""
        self._unwanted.set()
        if self._busy.acquire(blocking=False):
            try:
                self._forget()
            finally:
                self._busy.release()

    def generate(
        self, request: GenerateRequest, folder: Path | None = None, *, checkpoint: str | None = None, save: bool = True
    ) -> Iterator[GenerationEvent]:
        """Paints the pictures of a request, saves them, and tells what it does.

        Args:
            request: the request.
            folder: where to save; None is `outputs/txt2img/<date>/`.
            checkpoint: the title or path of another one than the chosen one, for this request.
            save: whether to save at all.

        Raises:
            StudioError: the sampler or checkpoint is unknown, or can't be loaded, or a prompt is too long.
        """
        self.check(request)
        folder = folder or self._folders.outputs / "txt2img" / time.strftime("%Y-%m-%d")
        try:
            with self._busy:
                for event in self._paint(request, checkpoint):
                    yield self._kept(event, request, folder if save else None) if isinstance(event, Picture) else event
        finally:
            if self._unwanted.is_set():
                self.release()

    def try_out(self, words: Sequence[Embedding], request: GenerateRequest, checkpoint: str) -> list[Image.Image]:
        """Paints the first picture of a request once with each of several embeddings that are in no library. Nothing is
        saved.

        Args:
            words: embeddings, each of which the prompt may name; usually several states of one word.
            request: the request.
            checkpoint: the title or path of the one to paint with: that which the words are for.

        Returns:
            A picture for each word; fewer, if it was interrupted.

        Raises:
            StudioError: the sampler or checkpoint is unknown, or can't be loaded, or a prompt is too long.
        """
        self.check(request)
        try:
            with self._busy, long_work():
                self._interrupted.clear()
                self._activity = Activity(request)
                for _ in self._load(self.find(checkpoint)):
                    pass
                assert self._painter is not None
                preview, seeds = self._painter.preview, _seeds(request)[:1]
                stop = self._interrupted.is_set
                return [image for word in words for image in preview([word], request, seeds, stop)]
        finally:
            self._activity = None
            if self._unwanted.is_set():
                self.release()

    def check(self, request: GenerateRequest) -> None:
        """Checks what needs no checkpoint, so that it is said at once, and not when others' pictures are done.

        Raises:
            UnknownSampler: there is no such sampler.
            PromptTooLong: a prompt has too many characters.
        """
        find_sampler(request.sampler)
        self.limits.check_text(request.prompt)
        self.limits.check_text(request.negative_prompt, "The negative prompt")

    def use(self, work: Callable[["Model"], Result], *, checkpoint: str | None = None) -> Result:
        """Calls other work with the loaded checkpoint, when its turn among the paintings has come.

        Args:
            work: what is to be done; it changes nothing of the model.
            checkpoint: the title or path of another one than the chosen one.

        Returns:
            What the work returns.

        Raises:
            StudioError: the checkpoint is unknown, or can't be loaded; and what the work raises.
        """
        try:
            with self._busy, long_work():
                for _ in self._load(self.checkpoint if checkpoint is None else self.find(checkpoint)):
                    pass
                assert self._painter is not None
                return work(self._painter.model)
        finally:
            if self._unwanted.is_set():
                self.release()

    def _kept(self, picture: Picture, request: GenerateRequest, folder: Path | None) -> Picture:
        """Saves a picture, as the watcher wants it, if there is a folder for it; notes which embeddings are in it."""
        self.last_used.record(picture.files)
        if folder is None:
            return picture
        texts = {"parameters": picture.infotext}
        saving = Saving(picture.image, texts, _new_path(picture, folder), picture.seed, request)
        self._watcher.saving(saving)
        atomic_write(saving.path, _png(saving.image, saving.texts))
        self._watcher.saved(saving)
        return replace(picture, image=saving.image, infotext=saving.texts.get("parameters", ""), path=saving.path)

    def _paint(self, request: GenerateRequest, checkpoint: str | None) -> Iterator[GenerationEvent]:
        """Paints, and notes how far it is. Only while `_busy` is held."""
        self._interrupted.clear()
        self._skipped.clear()
        info = self.checkpoint if checkpoint is None else self.find(checkpoint)
        activity = self._activity = Activity(request)
        try:
            for event in self._events(request, info):
                activity = self._activity = activity.after(event)
                yield event
        finally:
            self._activity = None

    def _events(self, request: GenerateRequest, info: CheckpointInfo) -> Iterator[GenerationEvent]:
        with long_work():
            yield from self._load(info)
            assert self._painter is not None
            yield from self._painter.paint(request, _seeds(request), self._library, self._should_stop)

    def _should_stop(self) -> bool:
        """Asked between two steps. A skip is wanted once, and ends one batch."""
        if self._skipped.is_set() and not self._interrupted.is_set():
            self._skipped.clear()
            return True
        return self._interrupted.is_set()

    def _load(self, info: CheckpointInfo) -> Iterator[Loading]:
        if self._painter is not None and self._painter.model.info.path == info.path:
            return
        yield Loading(f"Loading checkpoint {info.title} …")
        self._forget()  # the old one's memory is free before the new one is loaded
        # torch's models take seconds to import: the page is up long before, and may never need them.
        from ti_studio.generation.pipeline import load_pipeline  # noqa: PLC0415

        self._painter = load_pipeline(info, self.limits)

    def _forget(self) -> None:
        """Lets the loaded checkpoint go. Only while `_busy` is held."""
        self._unwanted.clear()
        if self._painter is not None:
            from ti_studio.generation.pipeline import return_memory  # noqa: PLC0415

            self._painter = None
            return_memory()


def png_bytes(picture: Picture) -> bytes:
    """Returns the picture as PNG with its infotext in the text chunk `parameters`."""
    return _png(picture.image, {"parameters": picture.infotext})


def _png(image: Image.Image, texts: Mapping[str, str]) -> bytes:
    information = PngInfo()
    for key, text in texts.items():
        information.add_text(key, text)
    buffer = BytesIO()
    image.save(buffer, "PNG", pnginfo=information)
    return buffer.getvalue()


def _new_path(picture: Picture, folder: Path) -> Path:
    """Returns `<number>-<seed>.png` in the folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    taken = (path.name.partition("-")[0] for path in folder.glob("*-*.png"))
    number = 1 + max((int(prefix) for prefix in taken if prefix.isdecimal()), default=-1)
    return folder / f"{number:05d}-{picture.seed}.png"


def _seeds(request: GenerateRequest) -> list[int]:
    first = random.randrange(_SEEDS) if request.seed == -1 else request.seed
    return [(first + index) % _SEEDS for index in range(request.count)]
