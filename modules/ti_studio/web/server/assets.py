"""The page's own JavaScript and styles, served under addresses that change with the content."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse
from starlette.staticfiles import StaticFiles

from ti_studio.folders import repository_root

SCRIPTS = "javascript/studio"
STYLE = "style.css"


@dataclass(frozen=True)
class Assets:
    """The files, served under an address with a hash of their content, so that a browser never mixes versions."""

    root: Path

    @classmethod
    def shipped(cls) -> "Assets":
        """Returns the assets of this repository."""
        return cls(repository_root())

    @property
    def version(self) -> str:
        """A hash of the files' names and content, 12 hexadecimal digits."""
        digest = hashlib.sha256()
        for path in [self.root / STYLE, *self._scripts()]:
            digest.update(path.relative_to(self.root).as_posix().encode() + b"\0" + path.read_bytes())
        return digest.hexdigest()[:12]

    def _scripts(self) -> list[Path]:
        return sorted((self.root / SCRIPTS).rglob("*.js"))

    def head(self) -> str:
        """Returns HTML for the page's head. Addresses are relative, in case a proxy serves the page under a path."""
        base = f"ti/static/{self.version}"
        scripts = [path.relative_to(self.root / SCRIPTS).as_posix() for path in self._scripts()]
        # Preloaded together: fetched one after the other, the modules would arrive after the page appears.
        preloaded = "".join(f'<link rel="modulepreload" href="{base}/studio/{name}">' for name in scripts)
        return (
            f'<link rel="stylesheet" href="{base}/{STYLE}">{preloaded}'
            f'<script type="module" src="{base}/studio/main.js"></script>'
            '<meta name="color-scheme" content="light dark">'
        )

    def serve(self, app: FastAPI) -> None:
        """Adds the files to `app`."""
        base = f"/ti/static/{self.version}"
        app.mount(f"{base}/studio", StaticFiles(directory=self.root / SCRIPTS), name="scripts")

        @app.get(f"{base}/{STYLE}", include_in_schema=False)
        def style() -> FileResponse:
            return FileResponse(self.root / STYLE, media_type="text/css")
