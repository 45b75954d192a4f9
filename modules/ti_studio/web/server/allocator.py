"""Returns the memory of large requests to the operating system.

glibc gives each thread its own arena of memory, and an arena retains freed memory for the thread's next request. A
server with dozens of threads, each with an occasional large request, would retain dozens of times what it needs.
"""

import ctypes
import sys

ARENAS = 2
_M_ARENA_MAX = -8
"""This setting's number in glibc's malloc.h."""


def keep_few_arenas() -> None:
    """Makes all threads share a few arenas from now on; no effect with a C library without arenas."""
    library = _c_library()
    if library is not None and hasattr(library, "mallopt"):
        library.mallopt(_M_ARENA_MAX, ARENAS)


def give_back() -> None:
    """Returns free memory to the system; no effect with a C library without `malloc_trim`."""
    library = _c_library()
    if library is not None and hasattr(library, "malloc_trim"):
        library.malloc_trim(0)


def _c_library() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if sys.platform == "linux" else None
