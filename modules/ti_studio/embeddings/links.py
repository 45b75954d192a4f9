"""Which links in the library are followed.

Links to folders always are: people share collections between programs so. A link to a single file is followed where it
leads to what it claims to be by its name, so that none makes a program read a file of somebody else's; and what is sent
or copied lies in the library itself.
"""

import os
from collections.abc import Collection
from pathlib import Path


def real_ending(path: Path) -> str:
    """Returns the ending of the file that a path leads to, in lower case."""
    return os.path.splitext(os.path.realpath(path))[1].lower()


def pretends(path: Path, endings: Collection[str]) -> bool:
    """Tells whether a path is a link to a file whose own name has none of these endings."""
    return path.is_symlink() and real_ending(path) not in endings


def leads_away(path: Path, root: Path | None = None) -> bool:
    """Tells whether a path is a link to a file in another folder.

    Args:
        path: the file; links among its folders do not count.
        root: a folder inside which a link may lead anywhere.
    """
    if not path.is_symlink():
        return False
    real = Path(os.path.realpath(path))
    return real.parent != Path(os.path.realpath(path.parent)) and (
        root is None or not real.is_relative_to(os.path.realpath(root))
    )
