"""The part of the Train tab that says what is learned from: a folder of this machine, or pictures sent here."""

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
NOTHING_YET: dict[str, Any] = {"text": "", "problems": []}
SUMMARY = """
<div class="ti-summary">
  <p class="ti-note" role="status">{{value.text}}</p>
  <ul class="ti-notices">{{#each value.problems}}<li>{{this}}</li>{{/each}}</ul>
</div>
"""


@dataclass(frozen=True)
class DatasetGroup:
    """The group's controls."""

    directory: gr.Textbox
    upload: gr.UploadButton
    summary: gr.HTML
    thumbnails: gr.Gallery

    def wire(self, folders: Folders, name: Component, size: tuple[Component, Component], recalled: Dependency) -> None:
        """Makes the group show what is in the folder, and keep pictures that are sent under the embedding's name.

        The folder is looked at again when the size changes, however it does: a smaller one may take what was too small.

        Args:
            folders: where the server keeps things.
            name: the embedding's name.
            size: the width and height that pictures are checked for.
            recalled: the event after which the directory may be one that the browser remembered.
        """

        def look(directory: str, *pixels: float) -> dict[Any, Any]:
            if not directory.strip():
                return {self.summary: NOTHING_YET, self.thumbnails: gr.update(value=[], visible=False)}
            text, pictures = describe_dataset(folders, directory.strip(), (int(pixels[0]), int(pixels[1])))
            return {self.summary: text, self.thumbnails: gr.update(value=pictures, visible=bool(pictures))}

        def look_again(directory: str, *pixels: float) -> dict[Any, Any]:
            nothing = {self.summary: gr.skip(), self.thumbnails: gr.skip()}
            return look(directory, *pixels) if directory.strip() else nothing

        def receive(files: list[str], word: str) -> str:
            return str(keep_pictures(folders, word, [Path(file) for file in files]))

        shown: dict[str, Any] = {
            "inputs": [self.directory, *size],
            "outputs": {self.summary, self.thumbnails},
            **AT_ONCE,
        }
        gr.on([self.directory.blur, self.directory.submit], shows_errors(look), **shown)
        resized = [side.change for side in size]  # type: ignore[attr-defined]  # sliders have it
        gr.on(resized, shows_errors(look_again), trigger_mode="always_last", **shown)
        recalled.then(shows_errors(look), **shown)
        received = self.upload.upload(
            shows_errors(receive), [self.upload, name], [self.directory], api_visibility="private"
        )
        received.success(shows_errors(look), **shown)


def dataset_group() -> DatasetGroup:
    """Builds the group."""
    directory = gr.Textbox(
        "",
        label="Dataset directory",
        info="A folder of pictures on the server's machine. A .txt file beside a picture is its caption.",
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
    summary = live_text("ti_dataset_summary", NOTHING_YET, SUMMARY)
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
    """Returns a summary of a folder and small copies of its first pictures with their captions."""
    from ti_studio.training.data.dataset import scan_dataset  # noqa: PLC0415 - imports torch: the page is up before

    try:
        dataset = scan_dataset(Gate(folders).dataset(directory), size)
    except StudioError as error:
        return {"text": "", "problems": [str(error)]}, []
    thumbnails = [(thumbnail(sample.path), sample.caption) for sample in dataset.samples[:MOST_THUMBNAILS]]
    text = _counted(len(dataset.samples), "picture")
    if dataset.rejected:
        text += f", {_counted(len(dataset.rejected), 'file')} can't be used:"
    return {"text": text, "problems": list(dataset.rejected)}, [(image, said) for image, said in thumbnails if image]


def _counted(count: int, thing: str) -> str:
    return f"1 {thing}" if count == 1 else f"{count} {thing}s"


def thumbnail(path: Path) -> Image.Image | None:
    """Returns a small upright copy of a picture, or None for one that is damaged."""
    try:
        with Image.open(path, formats=known_formats()) as image:
            image.draft("RGB", (THUMBNAIL_SIDE, THUMBNAIL_SIDE))
            small = as_srgb(image)
            small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
            return small
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def keep_pictures(folders: Folders, word: str, files: list[Path]) -> Path:
    """Copies pictures that the browser has sent into the folder of this word's pictures, and returns it.

    Raises:
        BadName: the word can't be a folder's name.
        DiskFull: there is no room for them.
    """
    check_name(word)
    folder = inside(folders.dataset_root or folders.outputs / "datasets", word)
    folder.mkdir(parents=True, exist_ok=True)
    size = sum(file.stat().st_size for file in files) + LEAST_FREE
    if (free := shutil.disk_usage(folder).free) < size:
        raise DiskFull(f"The disk of {folder} has {free // 2**20:,} MB left; the pictures want {size // 2**20:,} MB.")
    for file in files:
        shutil.copyfile(file, inside(folder, file.name))
    return folder
