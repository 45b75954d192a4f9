"""Extensions' JavaScript and styles, which the page loads in A1111's order."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from urllib.parse import quote

from fastapi import APIRouter
from fastapi.responses import FileResponse

from ti_studio.errors import NotFound
from ti_studio.extensions.discovery import Extension
from ti_studio.folders import repository_root

PREFIX = "ti/extension-files"
BASE = Path("javascript/a1111/base.js")
"""Defines the functions that A1111's scripts offer to extensions' scripts, and loads those."""
MEDIA_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css"}


@dataclass(frozen=True)
class ExtensionFiles:
    """The files of the loaded extensions."""

    extensions: tuple[Extension, ...]

    def head(self) -> str:
        """Returns the HTML for the page's head, with relative addresses; empty if no extension has such files."""
        styles = [_address(path, extension) for extension, path in self._of(".css")]
        plain = [_address(path, extension) for extension, path in self._of(".js")]
        modules = [_address(path, extension) for extension, path in self._of(".mjs")]
        links = "".join(f'<link rel="stylesheet" href="{escape(address)}">' for address in styles)
        if not plain + modules:
            return links
        # Gradio adds scripts to the head one by one, and browsers run such scripts in any order.
        listed = escape(json.dumps({"plain": plain, "modules": modules}))
        base = f"{PREFIX}/base.js?{_changed(repository_root() / BASE)}"
        return f'{links}<script src="{base}" data-scripts="{listed}"></script>'

    def routes(self) -> APIRouter:
        """Returns the route that serves these files and no others."""
        router = APIRouter(include_in_schema=False)
        served = {
            f"{extension.name}/{path.name}": path for ending in MEDIA_TYPES for extension, path in self._of(ending)
        }
        served["base.js"] = repository_root() / BASE

        @router.get(f"/{PREFIX}/{{name:path}}")
        def file(name: str) -> FileResponse:
            path = served.get(name)
            if path is None or not path.is_file():
                raise NotFound(f"No extension has a file {name!r}.")
            # An extension, such as a theme, may rewrite its style while the server runs.
            headers = {"Cache-Control": "no-cache"}
            return FileResponse(path, media_type=MEDIA_TYPES[path.suffix.lower()], headers=headers)

        return router

    def _of(self, ending: str) -> Iterator[tuple[Extension, Path]]:
        for extension in self.extensions:
            if ending == ".css":
                style = extension.folder / "style.css"
                yield from [(extension, style)] if style.is_file() else []
            else:
                yield from ((extension, path) for path in extension.files("javascript", ending))


def _address(path: Path, extension: Extension) -> str:
    return f"{PREFIX}/{quote(extension.name)}/{quote(path.name)}?{_changed(path)}"


def _changed(path: Path) -> str:
    """Returns a query string that changes with the file, so that browsers load the new version."""
    return f"{path.stat().st_mtime_ns:x}"
