"""Where the files and folders that a request names are, and whether the server lets it use them."""

from pathlib import Path
from typing import Any

from ti_studio.embeddings.header_picture import DATA, header_picture
from ti_studio.errors import NotFound
from ti_studio.folders import Folders, inside
from ti_studio.training.dataset_options import DatasetOptions
from ti_studio.training.request import TrainRequest


def resolved(request: TrainRequest, folders: Folders) -> TrainRequest:
    """Returns the request with absolute paths in it, and its thumbnail as a data URL.

    Raises:
        EmbeddingError: the thumbnail is no picture that can be read.
        NotFound: there is no such VAE, or a folder's path is none.
        OutsideFolder: a path leads where the server does not let it.
    """

    def beside(options: DatasetOptions) -> dict[str, str]:
        places = {"mask_directory": options.mask_directory, "metadata_file": options.metadata_file}
        return {name: str(dataset_folder(place, folders)) for name, place in places.items() if place}

    changed: dict[str, Any] = beside(request)
    changed["folders"] = tuple(
        folder.model_copy(update={"directory": str(dataset_folder(folder.directory, folders)), **beside(folder)})
        for folder in request.folders
    )
    if request.metadata_thumbnail:
        changed["metadata_thumbnail"] = _thumbnail(request.metadata_thumbnail, folders)
    if request.vae:
        changed["vae"] = str(_vae(request.vae, folders))
    if request.initialization_file:
        changed["initialization_file"] = str(_allowed(request.initialization_file, folders.embeddings, folders))
    changed["more_words"] = tuple(
        word.model_copy(
            update={"initialization_file": str(_allowed(word.initialization_file, folders.embeddings, folders))}
        )
        if word.initialization_file
        else word
        for word in request.more_words
    )
    return request.model_copy(update=changed)


def dataset_folder(directory: str, folders: Folders) -> Path:
    """Returns the folder of pictures, or of what belongs to them.

    Raises:
        NotFound: it is no path.
        OutsideFolder: the server only lets folders below another one be used.
    """
    if not directory.strip() or "\0" in directory:
        found = "has a null character in it" if directory.strip() else "is empty"
        raise NotFound(f"The dataset directory {found}; expected the path of a folder of pictures.")
    if folders.dataset_root is not None:
        return inside(folders.dataset_root, directory)
    return (folders.data / Path(directory).expanduser()).resolve()


def _thumbnail(wanted: str, folders: Folders) -> str:
    """Returns the picture itself, as a data URL: the training needs its file no longer."""
    return header_picture(wanted if wanted.startswith(DATA) else dataset_folder(wanted, folders))


def _vae(wanted: str, folders: Folders) -> Path:
    home = folders.checkpoints.parent / "VAE"
    path = _allowed(wanted, home, folders)
    if not path.exists():
        raise NotFound(f"There is no VAE {path}; expected a file or a diffusers folder, by its path or in {home}.")
    return path


def _allowed(wanted: str, home: Path, folders: Folders) -> Path:
    """Returns a path that may be relative to its home, and must lie in it where the server restricts paths."""
    if folders.dataset_root is not None or "\0" in wanted:
        return inside(home, wanted)
    return (home / Path(wanted).expanduser()).resolve()
