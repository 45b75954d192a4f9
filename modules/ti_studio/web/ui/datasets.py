"""The Train tab's dataset: a folder on the server, or pictures uploaded from the browser."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency
from PIL import Image

from ti_studio.embeddings.formats.png_embeddings import known_formats
from ti_studio.embeddings.formats.srgb import as_srgb
from ti_studio.embeddings.names import check_name
from ti_studio.errors import StudioError
from ti_studio.folders import Folders, inside
from ti_studio.jobs.queue import DiskFull
from ti_studio.jobs.request_paths import Gate
from ti_studio.web.server.errors import shows_errors
from ti_studio.web.server.uploads import LEAST_FREE
from ti_studio.web.ui.components import AT_ONCE, live_text

MOST_THUMBNAILS = 12
THUMBNAIL_SIDE = 160
EMPTY_SUMMARY: dict[str, Any] = {"text": "", "problems": []}
SUMMARY = """
<div class="ti-summary">
  <p class="ti-note" role="status">{{value.text}}</p>
  <ul class="ti-notices">{{#each value.problems}}<li>{{this}}</li>{{/each}}</ul>
</div>
"""


@dataclass(frozen=True)
class DatasetGroup:
    """The dataset's controls and displays."""

    directory: gr.Textbox
    upload: gr.UploadButton
    summary: gr.HTML
    thumbnails: gr.Gallery

    def wire(self, folders: Folders, name: Component, size: tuple[Component, Component], restored: Dependency) -> None:
        """Connects the events: summarize the folder, and save uploads in a folder named after the embedding.

        The summary is refreshed when the size changes, because a smaller size may accept more pictures.

        Args:
            folders: the server's folders.
            name: the control with the embedding's name.
            size: the controls with the width and height in pixels that pictures must suit.
            restored: the event after which the directory may hold a value stored in the browser.
        """

        def summarize(directory: str, *pixels: float) -> dict[Any, Any]:
            if not directory.strip():
                return {self.summary: EMPTY_SUMMARY, self.thumbnails: gr.update(value=[], visible=False)}
            summary, pictures = describe_dataset(folders, directory.strip(), (int(pixels[0]), int(pixels[1])))
            return {self.summary: summary, self.thumbnails: gr.update(value=pictures, visible=bool(pictures))}

        def summarize_again(directory: str, *pixels: float) -> dict[Any, Any]:
            unchanged = {self.summary: gr.skip(), self.thumbnails: gr.skip()}
            return summarize(directory, *pixels) if directory.strip() else unchanged

        def receive(files: list[str], word: str) -> str:
            return str(save_pictures(folders, word, [Path(file) for file in files]))

        listener: dict[str, Any] = {
            "inputs": [self.directory, *size],
            "outputs": {self.summary, self.thumbnails},
            **AT_ONCE,
        }
        gr.on([self.directory.blur, self.directory.submit], shows_errors(summarize), **listener)
        resized = [side.change for side in size]  # type: ignore[attr-defined]  # sliders have `change`
        gr.on(resized, shows_errors(summarize_again), trigger_mode="always_last", **listener)
        restored.then(shows_errors(summarize), **listener)
        received = self.upload.upload(
            shows_errors(receive), [self.upload, name], [self.directory], api_visibility="private"
        )
        received.success(shows_errors(summarize), **listener)


def dataset_group() -> DatasetGroup:
    """Returns the group, added to the page that is being built."""
    directory = gr.Textbox(
        "",
        label="Dataset directory",
        info="A folder with pictures on the server. A .txt file with a picture's name is its caption.",
        elem_id="ti_dataset_directory",
        max_lines=1,
        placeholder="/home/me/pictures/blue-cat",
    )
    upload = gr.UploadButton(
        "… or upload pictures and captions from this device",
        file_count="multiple",
        file_types=["image", ".txt"],
        size="sm",
        elem_id="ti_upload",
    )
    summary = live_text("ti_dataset_summary", EMPTY_SUMMARY, SUMMARY)
    thumbnails = gr.Gallery(
        show_label=False,
        columns=6,
        height="auto",
        object_fit="cover",
        visible=False,
        interactive=False,
        buttons=[],
        elem_id="ti_thumbnails",
    )
    return DatasetGroup(directory, upload, summary, thumbnails)


def describe_dataset(
    folders: Folders, directory: str, size: tuple[int, int]
) -> tuple[dict[str, Any], list[tuple[Image.Image, str]]]:
    """Returns a summary of a folder, and thumbnails of its first pictures with their captions.

    Args:
        folders: the server's folders.
        directory: the dataset folder, as typed.
        size: the training's width and height in pixels; pictures that are too small for it are listed as problems.
    """
    from ti_studio.training.data.dataset import scan_dataset  # noqa: PLC0415 - imports torch, which would delay the page

    try:
        dataset = scan_dataset(Gate(folders).dataset(directory), size)
    except StudioError as error:
        return {"text": "", "problems": [str(error)]}, []
    thumbnails = [(thumbnail(sample.path), sample.caption) for sample in dataset.samples[:MOST_THUMBNAILS]]
    text = _counted(len(dataset.samples), "picture")
    if dataset.rejected:
        text += f", {_counted(len(dataset.rejected), 'file')} can't be used:"
    return {"text": text, "problems": list(dataset.rejected)}, [
        (image, caption) for image, caption in thumbnails if image
    ]


def _counted(count: int, thing: str) -> str:
    return f"1 {thing}" if count == 1 else f"{count} {thing}s"


def thumbnail(path: Path) -> Image.Image | None:
    """Returns a small upright sRGB copy of a picture, or None if it is damaged."""
    try:
        with Image.open(path, formats=known_formats()) as image:
            image.draft("RGB", (THUMBNAIL_SIDE, THUMBNAIL_SIDE))
            small = as_srgb(image)
            small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
            return small
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def save_pictures(folders: Folders, word: str, files: list[Path]) -> Path:
    """Copies uploaded pictures into the word's dataset folder and returns that folder.

    Args:
        folders: the server's folders.
        word: the embedding's name.
        files: the uploaded files.

    Raises:
        BadName: the word is not valid as a folder's name.
        DiskFull: the disk lacks the space.
    """
    check_name(word)
    folder = inside(folders.dataset_root or folders.outputs / "datasets", word)
    folder.mkdir(parents=True, exist_ok=True)
    required = sum(file.stat().st_size for file in files) + LEAST_FREE
    if (free := shutil.disk_usage(folder).free) < required:
        raise DiskFull(
            f"The disk of {folder} has {free // 2**20:,} MB left; the pictures need {required // 2**20:,} MB."
        )
    for file in files:
        shutil.copyfile(file, inside(folder, file.name))
    return folder
