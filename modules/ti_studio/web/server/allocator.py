"""Lets the memory of large requests go back to the system.

glibc gives each thread a part of the memory of its own, an arena, and an arena keeps what it once had for the next time
that this thread wants it. A server with dozens of threads, each of which is given a large request now and then, would
hold on to dozens of times what it needs.
"""

import ctypes
import sys

ARENAS = 2
_M_ARENA_MAX = -8
"""The number of this setting in glibc's malloc.h."""


def keep_few_arenas() -> None:
    """Makes all threads share a few arenas from now on. Does nothing where the C library has none."""
    library = _c_library()
    if library is not None and hasattr(library, "mallopt"):
        library.mallopt(_M_ARENA_MAX, ARENAS)


def give_back() -> None:
    """Gives memory back that is free but still held. Does nothing where the C library does so by itself."""
    library = _c_library()
    if library is not None and hasattr(library, "malloc_trim"):
        library.malloc_trim(0)


def _c_library() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if sys.platform == "linux" else None
