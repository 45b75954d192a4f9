"""The services behind the page and the REST routes, created once when the server starts."""

from dataclasses import dataclass

from ti_studio.embeddings.library.library import Library
from ti_studio.folders import Folders
from ti_studio.generation.service import Txt2ImgService
from ti_studio.jobs.queue import Jobs
from ti_studio.web.server.uploads import Uploads


@dataclass(frozen=True)
class Services:
    """The running studio, without its web server."""

    folders: Folders
    library: Library
    jobs: Jobs
    txt2img: Txt2ImgService
    uploads: Uploads | None = None
    """The folder for the page's uploads; None uses Gradio's own folder, which is never emptied."""
