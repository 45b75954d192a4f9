"""Reads files of text that somebody else has written: ordinary files alone, and no more of them than is expected."""

import os
import stat
from pathlib import Path

from ti_studio.errors import StudioError

KILOBYTE = 1024
MEGABYTE = 1024**2


class UnreadableText(StudioError):
    """A file that holds no text that can be used. What it holds is not said: it may be a file of somebody else."""


def read_text_file(path: Path, most_bytes: int) -> str:
    """Returns the text of a file, without a byte order mark.

    Args:
        path: the file. Devices, pipes and folders are not read: some never end.
        most_bytes: a longer file is refused before it is read.

    Raises:
        FileNotFoundError: there is no such file.
        UnreadableText: it can't be opened, is no ordinary file, is too long, or is not UTF-8.
    """
    try:
        # Without waiting: a named pipe would keep the reader for ever.
        opened = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise UnreadableText(f"{path} can't be read: {getattr(error, 'strerror', None) or error}.") from error
    if not stat.S_ISREG(os.fstat(opened).st_mode):
        os.close(opened)
        raise UnreadableText(f"{path} is no ordinary file; expected a file of text.")
    with open(opened, "rb") as file:
        content = file.read(most_bytes + 1)
        if len(content) > most_bytes:
            size = os.fstat(opened).st_size
            raise UnreadableText(f"{path} has {size:,} bytes; expected a file of text of at most {most_bytes:,}.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableText(f"{path} is not UTF-8 text, from byte {error.start} on.") from error
