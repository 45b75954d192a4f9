"""Which numbers a file in torch's older form speaks of, and which it holds.

torch makes room for every tensor that the pickle speaks of, and then reads those that a list behind it names. What is
not named keeps whatever was in that memory before: pieces of this process would become somebody's embedding.
"""

import pickle
from collections import OrderedDict
from typing import BinaryIO

from ti_studio.embeddings.errors import UnreadableEmbedding

_STORAGE = "storage"


class _Anything:
    """Stands for whatever a pickle makes; nothing of it is kept."""

    def __init__(self, *_: object) -> None:
        """Takes what the real one would be made of."""

    def __setitem__(self, _key: object, _value: object) -> None:
        """Takes an item, as a dictionary does."""

    def __setstate__(self, _state: object) -> None:
        """Takes the state that the real one had."""


class _Speaking(pickle.Unpickler):
    """Notes the storages that a pickle speaks of. Nothing of what it names is ever looked up."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file, encoding="utf-8")
        self.keys: set[object] = set()

    def find_class(self, _module: str, name: str) -> type:
        return OrderedDict if name == "OrderedDict" else _Anything

    def persistent_load(self, pid: tuple[object, ...]) -> object:
        if pid[0] == _STORAGE:
            self.keys.add(pid[2])
            return _Anything()
        return _Anything  # a class with its source, which torch refuses


def check_storages(file: BinaryIO) -> None:
    """Checks that the list in the pickle behind this one names every storage that this one speaks of.

    The instructions of both must have been checked before.

    Raises:
        UnreadableEmbedding: it doesn't.
        TypeError, LookupError, AttributeError, ValueError, UnpicklingError: a pickle is damaged.
    """
    speaking = _Speaking(file)
    speaking.load()
    listed = _Speaking(file).load()
    missing = sorted(map(str, speaking.keys - set(listed)))
    if missing:
        raise UnreadableEmbedding(
            f"is damaged: it speaks of {len(speaking.keys)} blocks of numbers and leaves out {len(missing)} of them"
        )
