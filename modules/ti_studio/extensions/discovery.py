"""Which extensions there are, and whether what they require is there."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ti_studio.extensions.boundary import Boundary, Owner
from ti_studio.extensions.metadata import BadMetadata, Metadata, read_metadata


@dataclass(frozen=True)
class Extension:
    """A folder in `extensions/`."""

    folder: Path
    metadata: Metadata
    enabled: bool

    @property
    def name(self) -> str:
        """What people call it: its folder's name."""
        return self.folder.name

    @property
    def names(self) -> frozenset[str]:
        """What other extensions may call it, in lower case."""
        return frozenset({self.metadata.name, self.name.lower()})

    @property
    def owner(self) -> Owner:
        """Who answers for its code."""
        return Owner(self.name, self.folder)

    def files(self, subfolder: str, ending: str) -> list[Path]:
        """Returns its files of a kind, in the order of their names."""
        folder = self.folder / subfolder
        if not folder.is_dir():
            return []
        return sorted(path for path in folder.iterdir() if path.suffix.lower() == ending and path.is_file())


def find_extensions(folder: Path, disabled: Collection[str], boundary: Boundary) -> list[Extension]:
    """Returns the extensions in a folder by name; tells `boundary` what is wrong with them.

    Args:
        folder: where they are; it may be missing.
        disabled: names of folders that are not to be loaded.
        boundary: is told of broken metadata and of names that are taken.
    """
    extensions: list[Extension] = []
    for path in extension_folders(folder):
        enabled = path.name not in disabled
        tell = boundary.note if enabled else boundary.remark
        try:
            metadata = read_metadata(path)
        except BadMetadata as error:
            tell(path.name, str(error))
            metadata = Metadata(path.name.lower())
        same = [other.name for other in extensions if other.enabled and other.metadata.name == metadata.name]
        if enabled and same:
            tell(
                path.name,
                f"Its name {metadata.name!r} is that of {same[0]} too; only the first of them is loaded.",
            )
        extensions.append(Extension(path, metadata, enabled=enabled and not same))
    return extensions


def check_requirements(extensions: Iterable[Extension], boundary: Boundary) -> None:
    """Tells what enabled extensions require and do not have. They are loaded all the same, as in A1111."""
    everything = list(extensions)
    enabled = {name for extension in everything if extension.enabled for name in extension.names}
    disabled = {name for extension in everything if not extension.enabled for name in extension.names}
    for extension in everything:
        for requirement in extension.metadata.requires if extension.enabled else ():
            choices = set(requirement.split("|"))
            if not choices & enabled:
                why = "disabled" if choices & disabled else "not installed"
                boundary.note(extension.name, f"It requires the extension {requirement!r}, which is {why}.")


def extension_folders(folder: Path) -> Iterator[Path]:
    """Yields the folders that are extensions, by name; there are none where the folder is missing."""
    if folder.is_dir():
        yield from sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith((".", "__")))
