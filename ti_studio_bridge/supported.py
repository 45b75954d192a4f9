"""Which WebUIs the studio does not run in, found out by what their modules have and not by their names alone."""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path

SD_NEXT = (
    "Textual Inversion Studio does not run inside SD.Next yet, which keeps its embeddings and frees its memory in "
    "other ways than A1111 and Forge; start it by itself, with “python launch.py” in {folder}."
)


def refusal(folder: Path) -> str:
    """Returns a sentence for the user if the WebUI whose process this is can't be worked with, else nothing.

    SD.Next has A1111's names, but `model_hijack` is an empty function there, there is no `send_model_to_device`, and
    `unload_model_weights` wants to be told which of two models, by its `op`.

    Args:
        folder: the extension's own.
    """
    unload = getattr(import_module("modules.sd_models"), "unload_model_weights", None)
    if unload is not None and "op" in inspect.signature(unload).parameters:
        return SD_NEXT.format(folder=folder)
    return ""
